"""Double backward: whether the derivative of a custom backward is that of the gradient, or silently a different one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import zip_longest

import torch
from torch import Tensor

from gradcli.errors import ExecutionError, first_line
from gradcli.execution.comparison.causes import Clues
from gradcli.execution.comparison.compare import compare
from gradcli.execution.custom.causes.inner import inner_function
from gradcli.execution.custom.checks.contract import is_float, same
from gradcli.execution.custom.numerical import of_a_number
from gradcli.execution.custom.reference import SUBJECT, WHO
from gradcli.execution.custom.rounding import rounding_of_both
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.targets.function.sampling import moved
from gradcli.execution.targets.function.subject import Values, refusals
from gradcli.execution.targets.function.trial import Applied, NoReferenceError, Trial, apply, pulled_back
from gradcli.report.custom import Check
from gradcli.report.notes import Note, NoteKind, Notes, noted
from gradcli.report.verdict import Verdict

NAME = "double backward"
# What the upstream gradient is called among the inputs.
UPSTREAM = "grad_output"
# The node that once_differentiable leaves, to raise an error where a second derivative passes it.
ONCE = "Error"
MARKED = noted(NoteKind.CONTRACT, "backward is marked once_differentiable: PyTorch refuses a second one")
UNMARKED = "nothing wrong comes of an error, and `once_differentiable` would say that there is no second one"
# What backward reads, in words, and its value.
Kept = tuple[str, Tensor]


def double_backward(trial: Trial) -> Check:
    """Compare the derivative of Σ u·gradient, for random u, with that of the reference's gradient."""
    applied = trial.apply()
    cotangent = trial.probe.clone().requires_grad_()
    weights = {
        name: trial.symmetrised(name, _weight(trial.point[name], place)) for place, name in enumerate(trial.wanted)
    }
    try:
        given = applied.gradients(cotangent, create_graph=True)
        if any(g is not None and g.grad_fn is not None and g.grad_fn.name().endswith(ONCE) for g in given.values()):
            return Check(NAME, Verdict.MATCH, MARKED)
        with refusals("double backward"):
            found = _second(given, weights, {**applied.leaves, UPSTREAM: cotangent})
    except ExecutionError as error:
        return Check(NAME, Verdict.MATCH, noted(NoteKind.CONTRACT, f"{error.message.rstrip('.')}; {UNMARKED}"))
    try:
        wanted = _right(trial, weights, trial.point, trial.probe)
    except NoReferenceError:
        if (check := _by_differences(trial, weights, found)) is None:
            raise
        return check
    if not _wrong(trial, found, wanted):
        return Check(NAME, Verdict.MATCH)
    rights, owns = partial(_right, trial, weights), partial(_own, trial, weights)
    noise = rounding_of_both(rights, owns, (trial.point, trial.probe), trial.tolerance)
    wrong = _wrong(trial, found, wanted, noise)
    if not wrong:
        return Check(NAME, Verdict.MATCH)
    inner = inner_function(
        trial, given.values(), lambda: not _wrong(trial, owns(trial.point, trial.probe), wanted, noise)
    )
    notes = (Note(NoteKind.SCOPE, "silently wrong"), *wrong[:2], Note(NoteKind.CAUSE, inner or _cause(trial, applied)))
    return Check(NAME, Verdict.MISMATCH, notes)


def _wrong(
    trial: Trial, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], noise: Mapping[str, float] | None = None
) -> list[Note]:
    """Return what is wrong with second derivatives, beyond the noise of each."""
    noise = noise or {}
    pairs = ((name, found[name], wanted[name], noise.get(name, 0.0)) for name in wanted)
    return [note for name, own, right, error in pairs for note in _compared(trial, name, own, right, error)]


def _right(trial: Trial, weights: Mapping[str, Tensor], point: Values, v: Tensor) -> dict[str, Tensor]:
    """Return the second derivatives of the reference at a point, in its dtype; NoReferenceError if it has none."""
    recording = trial.recorded(point)
    cotangent = v.detach().to(recording.output.dtype, copy=True).requires_grad_()
    right = pulled_back(recording, cotangent, create_graph=True)
    try:
        return _second(right, weights, {**recording.leaves, UPSTREAM: cotangent})
    except REFUSALS as error:
        raise NoReferenceError(
            f"PyTorch cannot differentiate forward's own calls twice: {first_line(error).removesuffix('.')}"
        ) from None


def _by_differences(trial: Trial, weights: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> Check | None:
    """Compare with finite differences of backward itself, whose gradient is right; None if they are not sure.

    It is for a reference that PyTorch cannot differentiate twice.
    """
    point = {**trial.point, UPSTREAM: trial.probe}
    if any(value.dtype != torch.float64 for value in (*(point[name] for name in trial.wanted), trial.probe)):
        return None

    def product(values: Values) -> Tensor:
        there = {name: values[name].detach().requires_grad_(own.requires_grad) for name, own in trial.point.items()}
        with torch.enable_grad():  # quotients are taken without
            given = apply(trial.subject, there).gradients(values[UPSTREAM])
        return torch.stack([trial.probe.new_zeros(()), *_parts(given, weights)]).sum()

    verdicts = {name: of_a_number(trial, product, point, name, value) for name, value in found.items()}
    wrong = [name for name, verdict in verdicts.items() if verdict is Verdict.MISMATCH]
    if wrong:
        return Check(NAME, Verdict.MISMATCH, (Note(NoteKind.SCOPE, "silently wrong"), *map(_denied, wrong[:2])))
    return Check(NAME, Verdict.MATCH) if all(verdict.passes for verdict in verdicts.values()) else None


def _denied(name: str) -> Note:
    words = f"the second derivative by '{name}' is not what finite differences of backward say"
    return Note(NoteKind.CAUSE, words, name)


def _own(trial: Trial, weights: Mapping[str, Tensor], point: Values, v: Tensor) -> dict[str, Tensor]:
    """Return backward's own second derivatives at a point, in its dtype."""
    applied = trial.apply(point)
    cotangent = v.detach().to(applied.output.dtype, copy=True).requires_grad_()
    given = applied.gradients(cotangent, create_graph=True)
    with refusals("double backward"):
        return _second(given, weights, {**applied.leaves, UPSTREAM: cotangent})


def _weight(value: Tensor, place: int) -> Tensor:
    """Return weights for an input's gradient, unlike those of any other input: x - y has gradients that cancel."""
    generator = torch.Generator().manual_seed(place)
    return torch.rand(value.shape, generator=generator, dtype=torch.float64).to(value.device, value.dtype) + 0.5


def _second(
    gradients: Mapping[str, Tensor | None], weights: Mapping[str, Tensor], leaves: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the derivative of Σ weight · gradient with respect to each leaf; zeros where nothing depends on it."""
    wanted = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    parts = _parts({name: g for name, g in gradients.items() if g is not None and g.requires_grad}, weights)
    zeros = {name: torch.zeros_like(leaf) for name, leaf in wanted.items()}
    if not parts:
        return zeros
    total = torch.stack(parts).sum()
    found: tuple[Tensor | None, ...] = torch.autograd.grad(
        total, list(wanted.values()), retain_graph=True, allow_unused=True
    )
    return {name: zeros[name] if g is None else g.detach() for name, g in zip(wanted, found, strict=True)}


def _parts(gradients: Mapping[str, Tensor | None], weights: Mapping[str, Tensor]) -> list[Tensor]:
    return [inner(weights[name], g) for name, g in gradients.items() if g is not None]


def inner(weight: Tensor, value: Tensor) -> Tensor:
    """Return Re Σ conj(weight) · value."""
    product = weight.conj() * value
    return (product.real if product.is_complex() else product).sum()


def _compared(trial: Trial, name: str, found: Tensor, wanted: Tensor, noise: float = 0.0) -> Notes:
    found, wanted = trial.symmetrised(name, found), trial.symmetrised(name, wanted)
    comparison = compare(found, wanted, trial.tolerance, noise, Clues(WHO, SUBJECT))
    if comparison.verdict is not Verdict.MISMATCH:
        return ()
    if not bool((found != 0).any()):
        words = f"the second derivative by '{name}' is lost: it is 0 and should not be"
    else:
        related = f": {comparison.cause}" if comparison.cause else ""
        words = f"a term of the second derivative by '{name}' is wrong{related}"
    return noted(NoteKind.CAUSE, words, name)


def _cause(trial: Trial, applied: Applied) -> str:
    """Return in words what makes a double backward lose terms: what it reads is neither an input nor an output."""
    kept = _that_move(trial, _kept(applied))
    if kept:
        return f"{kept[0]} is a constant to the double backward: return it as an output, or compute it in backward"
    return "backward computes with tensors that are detached, or under no_grad, or outside of PyTorch"


def _that_move(trial: Trial, kept: Sequence[Kept]) -> list[str]:
    """Return what is kept of a run that is another at another point: what no input changes is rightly a constant."""
    try:
        elsewhere = _kept(apply(trial.subject, moved(trial.point, trial.settings.seed + 1)))
    except ExecutionError:
        return [words for words, _ in kept]
    pairs = zip_longest(kept, elsewhere, fillvalue=("", None))
    return [words for (words, here), (_, there) in pairs if here is not None and not same(here, there)]


def _kept(applied: Applied) -> list[Kept]:
    """Return the floating-point tensors that backward reads and no gradient passes through, and what they are.

    An input is itself where it was saved by save_for_backward, and an output has its node; a view of them has none.
    """
    stored = [(f"ctx.{name}", value) for name, value in vars(applied.node).items()]
    saved = [tensor for tensor in getattr(applied.node, "saved_tensors", ()) if isinstance(tensor, Tensor)]
    words = "an intermediate result of shape {} that forward saves"
    kept = [*stored, *((words.format(tuple(tensor.shape)), tensor) for tensor in saved)]
    return [(what, tensor) for what, tensor in kept if is_float(tensor) and not tensor.requires_grad]
