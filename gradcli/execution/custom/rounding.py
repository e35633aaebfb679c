"""Rounding in a lower dtype: how far the results of a right Function may be from those of another right one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.forward.dtypes import double
from gradcli.execution.targets.function.subject import Values

Results = Callable[[Values], Mapping[str, Tensor]]
# Inputs are moved by half a unit in the last place so often, and what moves with them counts so many times.
RUNS, WIDTH = 4, 8.0


def rounding_error(results: Results, point: Values) -> dict[str, float]:
    """Return for each result the size of its rounding error: how far it is from double precision, at worst.

    It is computed again from inputs with other last bits; where double precision is refused it is compared with those.
    """
    runs = [results(point), *(results(_nudged(point, seed)) for seed in range(RUNS))]
    try:
        exact = results({name: _exact(value) for name, value in point.items()})
    except (ExecutionError, RuntimeError):
        exact = runs[0]
    errors = {name: [_largest(double(run[name]) - double(value)) for run in runs] for name, value in exact.items()}
    return {name: WIDTH * max(found) for name, found in errors.items()}


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
