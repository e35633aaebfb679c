"""What a Function claims beside backward: forward mode by `jvp`, and `torch.func.vmap`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual

from gradcli.errors import ExecutionError
from gradcli.execution.comparison.causes import Clues
from gradcli.execution.comparison.compare import compare
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.targets.function.subject import joined, refusals
from gradcli.execution.targets.function.trial import Trial, pulled_back
from gradcli.report.custom import Check
from gradcli.report.notes import NoteKind, noted
from gradcli.report.verdict import Verdict

BATCH = 3
STEP = 0.125


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
    return _check("jvp", found, wanted, trial)


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
    """Return J·t of the reference as the derivative of ⟨Jᵀ·v, t⟩ with respect to v, in which that is linear."""
    recording = trial.recorded()
    v = torch.zeros_like(recording.output).requires_grad_()
    gradients = pulled_back(recording, v, create_graph=True)
    parts = [(gradient * tangents[name]).sum() for name, gradient in gradients.items() if gradient.requires_grad]
    if not parts:
        return torch.zeros_like(v)
    found: Tensor | None = torch.autograd.grad(torch.stack(parts).sum(), v, allow_unused=True)[0]
    return torch.zeros_like(v) if found is None else found.detach()


def vmap(trial: Trial) -> Check | None:
    """Compare the Function under torch.func.vmap with one call after the other; None if it claims no vmap."""
    if not (getattr(trial.subject.function, "generate_vmap_rule", False) or _has(trial, "vmap")):
        return None
    names = trial.wanted

    def each(*values: Tensor) -> Tensor:
        return joined(trial.subject.apply({**trial.point, **dict(zip(names, values, strict=True))}), trial.places)

    try:
        with refusals("vmap"), warnings.catch_warnings(), torch.no_grad():
            batch, wanted = _sampled(trial, each)
            found = torch.func.vmap(each)(*batch)
    except ExecutionError as error:
        return Check("vmap", Verdict.MISMATCH, noted(NoteKind.ERROR, error.message))
    return _check("vmap", found, wanted, trial)


def _sampled(trial: Trial, each: Callable[..., Tensor]) -> tuple[list[Tensor], Tensor]:
    """Return a batch of samples, and what each is alone: larger ones, or smaller ones where a domain ends before."""
    with suppress(ExecutionError, *REFUSALS):
        found = _alone(trial, each, STEP)
        if bool(found[1].isfinite().all()):
            return found
    return _alone(trial, each, -STEP)


def _alone(trial: Trial, each: Callable[..., Tensor], step: float) -> tuple[list[Tensor], Tensor]:
    factors = [1 + step * k for k in range(BATCH)]
    batch = [torch.stack([trial.point[name].detach() * factor for factor in factors]) for name in trial.wanted]
    return batch, torch.stack([each(*(value[k] for value in batch)) for k in range(BATCH)])


def _check(name: str, found: Tensor, wanted: Tensor, trial: Trial) -> Check:
    comparison = compare(found, wanted, trial.tolerance, clues=Clues(name, f"{name}'s gradient"))
    return Check(name, comparison.verdict, comparison.notes)


def _has(trial: Trial, method: str) -> bool:
    return getattr(trial.subject.function, method) is not getattr(torch.autograd.Function, method)
