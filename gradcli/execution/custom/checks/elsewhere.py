"""The same comparison elsewhere: at other points, for other shapes, for tensors that are not contiguous."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.comparison.causes import Clues
from gradcli.execution.comparison.compare import compare
from gradcli.execution.custom.function.sampling import (
    draw_point,
    is_finite,
    moved,
    other_shapes,
    other_strides,
    strided,
)
from gradcli.execution.custom.function.subject import Values
from gradcli.execution.custom.function.trial import Trial, apply
from gradcli.execution.custom.reference import SUBJECT, WHO, noise_of
from gradcli.phrases import show_shape
from gradcli.report.custom import Check
from gradcli.report.verdict import Verdict

POINTS = 2
CLUES = Clues(WHO, SUBJECT)


def other_points(trial: Trial) -> Check:
    """Compare backward with autograd of the reference at points near the one of the report."""
    seeds = range(trial.settings.seed + 1, trial.settings.seed + 1 + POINTS)
    wrong = [
        note for seed in seeds for note in _wrong(trial, moved(trial.point, seed), f"at a point near (seed {seed})")
    ]
    return _check("other points", wrong)


def strides(trial: Trial) -> Check:
    """Compare backward with autograd of the reference for inputs and upstream gradients that are not contiguous."""
    point = other_strides(trial.point)
    wrong = [*_wrong(trial, point, "for inputs that are not contiguous")]
    spread = trial.probe.new_full((), 0.75).expand(trial.probe.shape)
    wrong += _wrong(trial, trial.point, "for a grad_output that is expanded, as sum() makes it", spread)
    wrong += _wrong(trial, trial.point, "for a grad_output that is not contiguous", strided(trial.probe))
    return _check("non-contiguous tensors", wrong)


def shapes(trial: Trial) -> Check | None:
    """Compare backward with autograd of the reference for other shapes that forward takes; None if all are given."""
    settings = trial.settings
    fixed = [name for name in trial.point if name in settings.values and isinstance(settings.values[name], list)]
    if fixed or settings.values_file or all(not value.shape for value in trial.point.values()):
        return None
    wrong: list[str] = []
    tried, refused = 0, 0
    for changed in other_shapes({name: tuple(value.shape) for name, value in trial.point.items()}):
        try:
            point = _drawn(trial, changed)
        except (ExecutionError, ValueError):
            refused += 1
            continue
        tried += 1
        label = ", ".join(f"{name} of shape {show_shape(shape)}" for name, shape in changed.items())
        wrong += _wrong(trial, point, f"for {label}")
    note = f"forward refuses {refused} of the other shapes tried" if refused else None
    if not tried:
        return Check("other shapes", Verdict.MATCH, "forward takes none of the other shapes tried")
    found = _check("other shapes", wrong)
    return dataclasses.replace(found, note=found.note or note)


def _drawn(trial: Trial, shapes: Mapping[str, tuple[int, ...]]) -> Values:
    constants = tuple(name for name, value in trial.point.items() if not value.requires_grad)
    sizes: dict[str | None, tuple[int, ...]] = {**shapes}  # type: ignore[dict-item]  # its keys are names alone
    seed = trial.settings.seed + 1
    settings = dataclasses.replace(trial.settings, shapes=sizes, init=None, constants=constants, seed=seed)
    if not all(value.is_floating_point() or value.is_complex() for value in trial.point.values()):
        msg = "integers are indices: they go with their own shapes"
        raise ValueError(msg)
    names = list(trial.point)
    return draw_point(names, settings, {}, lambda point: is_finite(apply(trial.subject, point).outputs))


def _wrong(trial: Trial, point: Values, where: str, cotangent: Tensor | None = None) -> Iterator[str]:
    """Yield which gradients are wrong at a point, and what is raised there."""
    try:
        applied = apply(trial.subject, point)
        v = torch.linspace(0.5, 1.5, applied.output.numel(), dtype=applied.output.dtype).reshape(applied.output.shape)
        v = v if cotangent is None else cotangent
        given = applied.gradients(v)
        right = trial.right(v, point)
    except ExecutionError as error:
        yield f"{where}, {error.message}"
        return
    for name, value in right.items():
        found = given.get(name)
        noise = noise_of(trial, trial.scale(name))
        comparison = compare(torch.zeros_like(value) if found is None else found, value, trial.tolerance, noise, CLUES)
        if comparison.verdict is Verdict.MISMATCH:
            yield f"{where}, the gradient of '{name}' is wrong: {comparison.note}"


def _check(name: str, wrong: list[str]) -> Check:
    return Check(name, Verdict.MISMATCH if wrong else Verdict.MATCH, "; ".join(wrong[:2]) or None)
