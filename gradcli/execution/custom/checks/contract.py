"""What PyTorch asks of a backward, whatever its formula: the number of gradients, their shapes, no side effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.comparison.causes import Clues, cause_of_shape
from gradcli.execution.custom.causes.swapped import swapped
from gradcli.execution.custom.reference import SUBJECT, WHO
from gradcli.execution.custom.rounding import rounding_of_gradients
from gradcli.execution.forward.kinds import dense
from gradcli.execution.targets.function.trial import Applied, Trial
from gradcli.phrases import show_shape
from gradcli.report.custom import Check
from gradcli.report.notes import Note, NoteKind, Notes, noted
from gradcli.report.verdict import Verdict
from gradcli.tolerance import CLOSENESS, Tolerance

RANDOM = noted(NoteKind.SCOPE, "not looked at: backward gives a different gradient each time it runs")
KEPT = "forward changes {}, which is no argument of it: here each run begins with what the first one left there"
SUMMED = Note(NoteKind.SHAPE, "PyTorch's engine sums it here, and a call of backward by hand does not")


def gradients_returned(trial: Trial) -> Check:
    """Check the number of gradients that backward returns, and the shape, dtype and kind of each."""
    name = "gradients returned"
    applied = trial.apply()
    returned = applied.returned(trial.probe)
    count = len(trial.subject.parameters)
    if len(returned) < count or any(item is not None for item in returned[count:]):
        words = f"forward takes {count} and backward returns {len(returned)}"
        said = _refusal(trial) or "nothing, the rest is dropped"
        return _check(name, [Note(NoteKind.CONTRACT, words), Note(NoteKind.ERROR, f"PyTorch says: {said}")])
    parameters = [parameter.name for parameter in trial.subject.parameters]
    pairs = zip(parameters, returned, strict=False)
    return _check(name, [note for parameter, item in pairs for note in _returned(trial, parameter, item)])


def _check(name: str, wrong: Sequence[Note], notes: Notes = ()) -> Check:
    """Return a check that fails where something is wrong; `notes` are for where nothing is."""
    return Check(name, Verdict.MISMATCH if wrong else Verdict.MATCH, tuple(wrong) or notes)


def _refusal(trial: Trial) -> str | None:
    """Return what PyTorch says of what backward returns; None if it takes it."""
    try:
        trial.apply().gradients(trial.cotangent)
    except ExecutionError as error:
        return error.said or error.message
    return None


def _returned(trial: Trial, name: str, item: Any) -> Notes:
    """Return what is wrong with the one gradient that is returned for an argument of forward."""
    if item is None:
        return ()
    if name not in trial.subject.tensors:
        return noted(NoteKind.CONTRACT, f"'{name}' is not a tensor, and backward must return None for it", name)
    value = trial.point[name]
    if not isinstance(item, Tensor):
        return noted(NoteKind.CONTRACT, f"for '{name}' it returns a {type(item).__name__}, not a tensor", name)
    if item.shape != value.shape:
        return _misshapen(trial, name, item)
    if item.dtype != value.dtype and name in trial.wanted:
        return noted(
            NoteKind.CONTRACT, f"the gradient of '{name}' is {_kind(item)} and '{name}' is {_kind(value)}", name
        )
    return ()


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _misshapen(trial: Trial, name: str, item: Tensor) -> Notes:
    """Return that a gradient has a different shape than its input, and why; PyTorch may sum it silently."""
    shapes = show_shape(tuple(item.shape)), show_shape(tuple(trial.point[name].shape))
    words = f"the gradient of '{name}' has shape {shapes[0]} and '{name}' has shape {shapes[1]}"
    right = trial.right(trial.probe).get(name)
    cause = (None if right is None else cause_of_shape(item, right, Clues(WHO, SUBJECT))) or swapped(trial, name)
    said = _refusal(trial)
    engine = SUMMED if said is None else Note(NoteKind.ERROR, f"PyTorch says: {said}")
    return (Note(NoteKind.SHAPE, words, name), *noted(NoteKind.CAUSE, cause), engine)


def no_gradient_missing(trial: Trial) -> Check:
    """Check that no gradient is None if the right one is not zero."""
    given, right = trial.apply().gradients(trial.probe), trial.right(trial.probe)
    missing = [name for name, value in given.items() if value is None and bool((right[name] != 0).any())]
    words = "backward returns None for '{}', whose gradient is not zero"
    return _check("no gradient missing", [Note(NoteKind.CONTRACT, words.format(name), name) for name in missing])


def is_deterministic(trial: Trial) -> Check:
    """Check that forward and backward give the same bits twice."""
    first, second = _results(trial), _results(trial)
    changed = [label for label, value in first.items() if not same(value, second[label])]
    words = f"{' and '.join(changed)} changed between two runs at the same point" if changed else None
    kept = trial.subject.state.names
    return _check(
        "deterministic",
        noted(NoteKind.CONTRACT, words),
        noted(NoteKind.SCOPE, KEPT.format(_list(kept)) if kept else None),
    )


def _results(trial: Trial) -> dict[str, Tensor | None]:
    applied = trial.apply()
    outputs = {f"output {place}": output.detach() for place, output in enumerate(applied.outputs) if _is_tensor(output)}
    gradients = applied.gradients(trial.probe)
    return {**outputs, **{f"the gradient of '{name}'": value for name, value in gradients.items()}}


def leaves_arguments_alone(trial: Trial) -> Check:
    """Check that neither forward nor backward changes its arguments, but for what forward marks as dirty."""
    applied = trial.apply()
    outputs = {f"output {place}": output for place, output in enumerate(applied.outputs) if _is_tensor(output)}
    changed = [
        f"forward changes '{name}' in place, and does not call mark_dirty"
        for name, tensor in applied.given.items()
        if not same(tensor, trial.point[name]) and not any(tensor is output for output in outputs.values())
    ]
    watched = {**{f"'{name}'": tensor for name, tensor in applied.given.items()}, **outputs}
    before = {label: tensor.detach().clone() for label, tensor in watched.items()}
    upstream = trial.probe.clone()
    applied.called(upstream)
    watched, before = {**watched, "grad_output": upstream}, {**before, "grad_output": trial.probe}
    changed += [f"backward changes {label} in place" for label in watched if not same(watched[label], before[label])]
    return _check("arguments unmodified", [Note(NoteKind.CONTRACT, words) for words in changed])


def same(one: Tensor | None, other: Tensor | None) -> bool:
    """Return whether two tensors have the same bits; two NaN are the same."""
    if one is None or other is None:
        return one is other
    one, other = dense(one), dense(other)
    return one.shape == other.shape and bool(((one == other) | ((one != one) & (other != other))).all())  # noqa: PLR0124 (NaN)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def is_float(value: object) -> bool:
    """Return whether a value is a floating-point tensor."""
    return isinstance(value, Tensor) and value.is_floating_point()


def is_random(applied: Applied, cotangent: Tensor) -> bool:
    """Return whether backward gives other gradients when it is called again with the same upstream gradient."""
    first, second = applied.gradients(cotangent), applied.gradients(cotangent)
    return any(not same(value, second[name]) for name, value in first.items())


def or_zero(value: Tensor | None, like: Tensor) -> Tensor:
    """Return a gradient as it is, and zeros for None."""
    return torch.zeros_like(like) if value is None else value.detach()


def near(one: Tensor, other: Tensor, tolerance: Tolerance, size: float, noise: float = 0.0) -> bool:
    """Return whether the results of two runs are the same but for rounding, that of gradients of a size at least.

    `noise` is allowed on top. Entries that are not finite in both tell nothing.
    """
    finite = one.isfinite() & other.isfinite()
    one, other = one[finite], other[finite]
    if not other.numel():
        return True
    scale = max(float(one.abs().max()), float(other.abs().max()))
    relative = max(CLOSENESS, tolerance.relative) * scale
    allowed = tolerance.least(max(scale, size)) if tolerance.normwise else relative
    return bool(((one - other).abs() <= allowed + noise).all())


def needs_input_grad(trial: Trial) -> Check:
    """Check that the gradient of each input is the same where no other input needs one."""
    name = "needs_input_grad"
    if is_random(trial.apply(), trial.probe):
        return Check(name, Verdict.UNDECIDED, RANDOM)
    whole = trial.apply().gradients(trial.probe)
    notes: list[Note] = []
    idle: list[str] = []
    for label in trial.wanted if len(trial.wanted) > 1 else []:
        point = {other: value.detach().requires_grad_(other == label) for other, value in trial.point.items()}
        try:
            applied = trial.apply(point)
            alone = applied.gradients(trial.probe)[label]
            returned = dict(
                zip((p.name for p in trial.subject.parameters), applied.returned(trial.probe), strict=False)
            )
        except ExecutionError as error:
            notes.append(Note(NoteKind.ERROR, f"where only '{label}' requires grad, {error.message}", label))
            continue
        if not _is_unchanged(trial, label, or_zero(alone, point[label]), or_zero(whole[label], point[label])):
            words = f"the gradient of '{label}' changes when only '{label}' requires grad"
            notes.append(Note(NoteKind.CONTRACT, words, label))
        idle += [other for other in trial.wanted if other != label and returned.get(other) is not None]
    cost = (
        f"backward also computes gradients that are not needed ({_list(idle)}); this only costs time" if idle else None
    )
    return _check(name, notes, noted(NoteKind.CONTRACT, cost))


def _is_unchanged(trial: Trial, label: str, one: Tensor, other: Tensor) -> bool:
    """Return whether two gradients of an input are the same but for rounding, which is measured if it has to be."""
    size = trial.scale(label)
    if near(one, other, trial.tolerance, size):
        return True
    return near(one, other, trial.tolerance, size, rounding_of_gradients(trial, trial.probe)[label])


def _list(names: Sequence[str]) -> str:
    *others, last = (f"'{name}'" for name in dict.fromkeys(names))
    return f"{', '.join(others)} and {last}" if others else last
