"""What a Function claims beside backward: forward mode by `jvp`, and `torch.func.vmap`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual

from gradcli.errors import ExecutionError
from gradcli.execution.comparison.causes import Clues
from gradcli.execution.comparison.compare import compare
from gradcli.execution.custom.numerical import along
from gradcli.execution.custom.rounding import rounding_of_both
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.targets.function.subject import Values, joined, refusals
from gradcli.execution.targets.function.trial import Trial, pulled_back
from gradcli.report.custom import Check
from gradcli.report.notes import NoteKind, led, noted
from gradcli.report.verdict import Verdict

BATCH = 3
STEP = 0.125
# What a Function gives, and what is right.
Results = tuple[Tensor, Tensor]
# The axis of the batch in each input; None where an input has none.
Axes = tuple[int | None, ...]


def jvp(trial: Trial) -> Check | None:
    """Compare a Function's own jvp with the reference: ⟨v, J·t⟩ = ⟨Jᵀ·v, t⟩; None if it has none."""
    if not _has(trial, "jvp"):
        return None
    if trial.probe.is_complex():
        return Check("jvp", Verdict.UNDECIDED, noted(NoteKind.LIMIT, "not looked at for complex numbers"))
    tangents = {
        name: torch.linspace(0.5, 1.5, max(v.numel(), 1), dtype=v.dtype, device=v.device)[: v.numel()].reshape(v.shape)
        for name, v in trial.point.items()
        if v.requires_grad
    }
    try:
        found = _forward_mode(trial, tangents)
    except ExecutionError as error:
        return Check("jvp", Verdict.MISMATCH, noted(NoteKind.ERROR, error.message))
    wanted = _pushed(trial, tangents)
    check = _check(
        "jvp", trial, (found, wanted), lambda there: (_forward_mode(there, tangents), _pushed(there, tangents))
    )
    is_misled = check.verdict is Verdict.MISMATCH and _is_misled(trial, tangents, found, wanted)
    return Check("jvp", Verdict.MATCH) if is_misled else check


def _is_misled(trial: Trial, tangents: dict[str, Tensor], found: Tensor, wanted: Tensor) -> bool:
    """Tell whether finite differences of forward confirm a jvp, and deny autograd's: PyTorch may round a constant."""
    if found.shape != wanted.shape:
        return False
    is_denied = along(trial, tangents, trial.probe, wanted) is Verdict.MISMATCH
    return is_denied and along(trial, tangents, trial.probe, found).passes


def _forward_mode(trial: Trial, tangents: dict[str, Tensor]) -> Tensor:
    with refusals("jvp"), dual_level():
        duals = {
            name: make_dual(value.detach().clone(), tangents[name]) if name in tangents else value
            for name, value in trial.point.items()
        }
        output = joined(trial.subject.apply(duals), trial.places)
        tangent = unpack_dual(output).tangent
        return torch.zeros_like(output) if tangent is None else tangent.detach().clone()


def _pushed(trial: Trial, tangents: dict[str, Tensor]) -> Tensor:
    """Return J·t of the reference: by rows where backward cannot be differentiated, or not at 0."""
    with suppress(*REFUSALS):
        found = _pulled_twice(trial, tangents)
        if bool(found.isfinite().all()):
            return found
    return _by_rows(trial, tangents)


def _pulled_twice(trial: Trial, tangents: dict[str, Tensor]) -> Tensor:
    """Return J·t as the derivative of ⟨Jᵀ·v, t⟩ with respect to v, in which that is linear."""
    recording = trial.recorded()
    v = torch.zeros_like(recording.output).requires_grad_()
    gradients = pulled_back(recording, v, create_graph=True)
    parts = [(gradient * tangents[name]).sum() for name, gradient in gradients.items() if gradient.requires_grad]
    if not parts:
        return torch.zeros_like(v)
    found: Tensor | None = torch.autograd.grad(torch.stack(parts).sum(), v, allow_unused=True)[0]
    return torch.zeros_like(v) if found is None else found.detach()


def _by_rows(trial: Trial, tangents: dict[str, Tensor]) -> Tensor:
    """Return J·t, each entry as ⟨Jᵀ·v, t⟩ of a v that is 1 there and 0 elsewhere."""
    recording = trial.recorded()
    found = torch.zeros_like(recording.output).reshape(-1)
    for place in range(found.numel()):
        v = torch.zeros_like(found)
        v[place] = 1
        gradients = pulled_back(recording, v).items()
        found[place] = sum((gradient * tangents[name]).sum() for name, gradient in gradients)
    return found.detach().reshape(recording.output.shape)


def vmap(trial: Trial) -> Check | None:
    """Compare the Function under torch.func.vmap with one call after the other; None if it claims no vmap.

    The axis of the batch is the first of every input, the last, and none of one of several inputs.
    """
    if not (getattr(trial.subject.function, "generate_vmap_rule", False) or _has(trial, "vmap")):
        return None
    first, *others = _axes(trial)
    try:
        check = _under_vmap(trial, first)
    except ExecutionError as error:
        return Check("vmap", Verdict.MISMATCH, noted(NoteKind.ERROR, error.message))
    refused = []
    for axes in others if check.verdict.passes else ():
        try:
            found = _under_vmap(trial, axes)
        except ExecutionError as error:  # an error is no wrong result
            refused.append(f"in_dims={axes} ({error.message})")
            continue
        if not found.verdict.passes:
            return replace(found, notes=led(f"for in_dims={axes}, ", found.notes))
    words = f"not looked at: {', '.join(refused)}" if refused else None
    return replace(check, notes=(*check.notes, *noted(NoteKind.SCOPE, words)))


def _axes(trial: Trial) -> list[Axes]:
    """Return along which axis of each input a batch is: the first, the last, and none of the first or last input."""
    names = trial.wanted
    first, last = (0,) * len(names), tuple(trial.point[name].ndim for name in names)
    mixed = [(None, *last[1:]), (*first[:-1], None)] if len(names) > 1 else []
    return list(dict.fromkeys([first, last, *mixed]))


def _under_vmap(trial: Trial, axes: Axes) -> Check:
    return _check("vmap", trial, _mapped(trial, axes), lambda there: _mapped(there, axes))


def _mapped(trial: Trial, axes: Axes) -> Results:
    """Return what torch.func.vmap makes of a batch, and what each sample is alone."""

    def each(*values: Tensor) -> Tensor:
        changed = dict(zip(trial.wanted, values, strict=True))
        return joined(trial.subject.apply({**trial.point, **changed}), trial.places)

    with refusals("vmap"), warnings.catch_warnings(), torch.no_grad():
        batch, wanted = _sampled(trial, each, axes)
        return torch.func.vmap(each, in_dims=axes)(*batch), wanted


def _sampled(trial: Trial, each: Callable[..., Tensor], axes: Axes) -> tuple[list[Tensor], Tensor]:
    """Return a batch of samples, and what each is alone: larger ones, or smaller ones where a domain ends before."""
    with suppress(ExecutionError, *REFUSALS):
        found = _alone(trial, each, axes, STEP)
        if bool(found[1].isfinite().all()):
            return found
    return _alone(trial, each, axes, -STEP)


def _alone(trial: Trial, each: Callable[..., Tensor], axes: Axes, step: float) -> tuple[list[Tensor], Tensor]:
    inputs = [(trial.point[name].detach(), axis) for name, axis in zip(trial.wanted, axes, strict=True)]
    samples = [[value if axis is None else value * (1 + step * k) for value, axis in inputs] for k in range(BATCH)]
    batch = [
        value if axis is None else torch.stack([sample[place] for sample in samples], axis)
        for place, (value, axis) in enumerate(inputs)
    ]
    return batch, torch.stack([each(*sample) for sample in samples])


def _check(name: str, trial: Trial, results: Results, again: Callable[[Trial], Results]) -> Check:
    """Compare what is found with what is right; both found `again` elsewhere say how far rounding moves them."""
    clues = Clues(name, f"{name}'s gradient")
    comparison = compare(*results, trial.tolerance, clues=clues)
    if comparison.verdict is Verdict.MISMATCH and results[0].shape == results[1].shape:

        def side(which: int, point: Values, _: Tensor) -> dict[str, Tensor]:
            return {name: again(replace(trial, point=point))[which]}

        noise = rounding_of_both(partial(side, 1), partial(side, 0), (trial.point, trial.probe), trial.tolerance)[name]
        comparison = compare(*results, trial.tolerance, noise, clues)
    return Check(name, comparison.verdict, comparison.notes)


def _has(trial: Trial, method: str) -> bool:
    return getattr(trial.subject.function, method) is not getattr(torch.autograd.Function, method)
