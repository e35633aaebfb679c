"""Rounding in a lower dtype: how far the results of a right Function may be from those of another right one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from gradcli.errors import ExecutionError, GradcliError
from gradcli.execution.forward.dtypes import default_dtype, double
from gradcli.execution.targets.function.subject import Values
from gradcli.execution.targets.function.trial import NoReferenceError, Trial
from gradcli.tolerance import SMALLEST, Tolerance

Result = TypeVar("Result")
Results = Callable[[Values], Mapping[str, Tensor]]
# Results of a point and an upstream gradient, in which gradients are linear: its last bits count as those of inputs do.
ResultsOfBoth = Callable[[Values, Tensor], Mapping[str, Tensor]]
UPSTREAM = "the upstream gradient"
# Inputs are moved by half a unit in the last place so often, and what moves with them counts so many times.
RUNS, WIDTH = 4, 8.0
# The most that counts of the rounding of a backward that may be wrong, relative to the largest gradient; where entries
# are large, what it reads of forward is rounded so much more.
CEILING = 1e-10
# What moves a gradient by a larger part is a kink at the point: last bits decide on which side of it that is.
LARGEST = 1e-6
# How many times as much is off in a lower dtype as in double precision, at least, where all of it is rounding: float32
# has 2^29 times as large a unit, and no error of a formula is so much smaller in double precision.
ROUNDED = 2.0**20
# The part of its value by which forward may change where last bits do: in bfloat16 these are some hundredths of it.
STEADY = 0.1
# From which size on entries are large.
LARGE = 10.0


def rounding_error(results: Results, point: Values) -> dict[str, float]:
    """Return for each result the size of its rounding error: how far it is from double precision, at worst.

    It is computed again from inputs with other last bits; where double precision is refused it is compared with those.
    Some of these may be refused too: beside a singular matrix is one that no solver takes.
    """
    first, near = results(point), [_nudged(point, seed) for seed in range(RUNS)]
    runs = [first, *(run for inputs in near for run in _taken(results, inputs))]
    (exact,) = _taken(results, {name: _exact(value) for name, value in point.items()}) or [first]
    errors = {name: [_largest(double(run[name]) - double(value)) for run in runs] for name, value in exact.items()}
    return {name: WIDTH * max(found) for name, found in errors.items()}


def _taken(results: Callable[[Values], Result], point: Values) -> list[Result]:
    """Return the results of a point, none if it is refused."""
    try:
        return [results(point)]
    except (ExecutionError, RuntimeError):
        return []


def rounding_of_gradients(
    trial: Trial, cotangent: Tensor, point: Values | None = None, used: int | None = None
) -> dict[str, float]:
    """Return how far rounding may move backward's gradients by each input, and those of the reference.

    It is asked at the trial's point if no other is given; where one output alone is `used`, of that one.
    """
    place = trial.point if point is None else point
    zeros = {name: torch.zeros_like(value) for name, value in place.items() if value.requires_grad}

    def right(near: Values, v: Tensor) -> dict[str, Tensor]:
        return trial.right(v.detach(), near)

    def own(near: Values, v: Tensor) -> dict[str, Tensor]:
        applied = trial.apply(near)
        gradients = applied.gradients(v.detach().to(applied.output.dtype), used=used)
        return {name: zeros[name] if g is None else g.detach() for name, g in gradients.items()}

    return rounding_of_both(right, own, (place, cotangent), trial.tolerance)


def rounding_of_both(
    right: ResultsOfBoth, own: ResultsOfBoth, at: tuple[Values, Tensor], tolerance: Tolerance
) -> dict[str, float]:
    """Return the rounding error of right results, or of one's own if that is larger: they may be computed otherwise.

    It is that `at` a point and an upstream gradient. Of one's own, which may be wrong, counts no more than a small part
    of the largest of all results, times how large the point's entries are.
    """
    point, cotangent = at
    inputs = {**point, UPSTREAM: cotangent.detach().clone().requires_grad_()}
    errors = rounding_error(partial(_split, right), inputs)
    most = max((_largest(double(value)) for value in right(point, cotangent).values()), default=0.0)
    most *= tolerance.relative if tolerance.normwise else CEILING * _size(point)
    try:
        others = rounding_error(partial(_split, own), inputs)
    except (ExecutionError, RuntimeError):  # it may refuse a point nearby, and then tells nothing of its own
        others = {}
    return {name: max(error, min(others.get(name, 0.0), most)) for name, error in errors.items()}


def is_rounding(trial: Trial, name: str, cotangent: Tensor, point: Values) -> bool:
    """Return whether what backward's gradient is off by at large entries is rounding: a wrong one is so in any dtype.

    It is compared with the reference in double precision, once in a lower dtype and once in double precision itself.
    Where entries are large their products cancel, and leave what is large beside the gradient; where they are not, a
    backward that loses its digits is one that should not.
    """
    dtype = trial.settings.dtype
    lower = torch.float32 if dtype == "float64" else point[name].dtype
    if not point[name].is_floating_point() or _size(point) < LARGE:
        return False
    values = _cast(point, lower)
    try:
        low, high = (_error(trial, name, cotangent, _cast(values, other)) for other in (lower, torch.float64))
    except (GradcliError, NoReferenceError, RuntimeError):
        return False
    return math.isfinite(low) and low > ROUNDED * high


def is_steady(trial: Trial, point: Values) -> bool:
    """Return whether forward's value changes little where the last bits of a point do; else it may jump there.

    So does what an SVD makes of a singular matrix.
    """
    value = double(trial.function(point))
    near = [double(run) for seed in range(RUNS) for run in _taken(trial.function, _nudged(point, seed))]
    least = STEADY * max(_largest(value), SMALLEST)
    return len(near) == RUNS and all(_largest(run - value) <= least for run in near)


def _error(trial: Trial, name: str, cotangent: Tensor, point: Values) -> float:
    """Return how far backward's gradient is from the right one at the same values in double precision."""
    dtype: Any = str(point[name].dtype).removeprefix("torch.")
    with default_dtype(replace(trial.settings, dtype=dtype)):
        applied = trial.apply(point)
        own = applied.gradients(cotangent.to(applied.output.dtype))[name]
    right = trial.right(double(cotangent), _cast(point, torch.float64))[name]
    difference = double(torch.zeros_like(right) if own is None else own.detach()) - right
    return float(difference.abs().max()) if bool(difference.isfinite().all()) else math.nan


def _cast(point: Values, dtype: torch.dtype) -> Values:
    """Return a point in another dtype, with its integers as they are."""
    return {
        name: value.detach().to(dtype).requires_grad_(value.requires_grad) if value.is_floating_point() else value
        for name, value in point.items()
    }


def _size(point: Values) -> float:
    """Return the largest entry of what is differentiated at a point, or 1."""
    return max(1.0, *(_largest(double(value.detach())) for value in point.values() if value.requires_grad))


def _split(results: ResultsOfBoth, inputs: Values) -> Mapping[str, Tensor]:
    return results({name: value for name, value in inputs.items() if name != UPSTREAM}, inputs[UPSTREAM])


def _exact(value: Tensor) -> Tensor:
    return double(value.detach()).to(value.device).requires_grad_(value.requires_grad)


def _nudged(point: Values, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: _nudge(value, generator) for name, value in point.items()}


def _nudge(value: Tensor, generator: torch.Generator) -> Tensor:
    if not value.requires_grad:
        return value
    unit = torch.finfo(value.dtype).eps
    signs = torch.randint(0, 2, value.shape, generator=generator) * 2 - 1
    moved = (double(value.detach()) * (1 + signs * unit)).to(value.device, value.dtype)
    return moved.requires_grad_()


def _largest(difference: Tensor) -> float:
    size = difference.abs()
    finite = size[size.isfinite()]
    return float(finite.max()) if finite.numel() else 0.0
