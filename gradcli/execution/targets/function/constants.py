"""The numbers that a forward compares its tensors with: where its derivative may change."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from gradcli.errors import ExecutionError
from gradcli.execution.targets.function.subject import Values
from gradcli.ops.table import find

# Calls whose numbers are values and no dimensions; those of the first set are looked at before the others.
COMPARING = frozenset(
    {
        "gt",
        "lt",
        "ge",
        "le",
        "eq",
        "ne",
        "greater",
        "less",
        "greater_equal",
        "less_equal",
        "clamp",
        "clip",
        "clamp_min",
        "clamp_max",
        "threshold",
        "where",
        "maximum",
        "minimum",
        "fmax",
        "fmin",
        "max",
        "min",
        "hardtanh",
        "hardshrink",
        "softshrink",
        "isclose",
        "heaviside",
        "relu6",
        "hardswish",
        "hardsigmoid",
    }
)
ARITHMETIC = frozenset(
    {"add", "sub", "subtract", "rsub", "radd", "mul", "rmul", "div", "truediv", "pow", "floor_divide"}
)
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")
MOST = 8


def constants_of(body: Callable[[Values], Any], point: Values) -> list[float]:
    """Return the magnitudes of the numbers that a body compares with at a point, then those that it computes with."""
    mode = _Numbers()
    copies = {name: value.detach().clone() for name, value in point.items()}
    try:
        with torch.no_grad(), mode:
            body(copies)
    except ExecutionError:
        return []
    known = dict.fromkeys(abs(number) for number in (*mode.compared, *mode.computed) if math.isfinite(number))
    return [number for number in known if number][:MOST]


class _Numbers(TorchFunctionMode):
    """Notes the numbers among the arguments of every call."""

    def __init__(self) -> None:
        super().__init__()
        self.compared: list[float] = []
        self.computed: list[float] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        short = (resolve_name(func) or getattr(func, "__name__", "?")).rpartition(".")[2].strip("_")
        given = [*args, *(kwargs or {}).values()]
        if short in COMPARING:
            self.compared += [*_numbers(given, whole=True, tensors=True), *_declared(short)]
        else:
            self.computed += _numbers(given, whole=short in ARITHMETIC)
            self.compared += _declared(short)
        return result


def _numbers(values: Any, *, whole: bool, tensors: bool = False) -> Iterator[float]:
    """Yield the numbers among arguments: integers, which may be dimensions, and tensors of one entry if asked for."""
    for value in values:
        if isinstance(value, tuple | list):
            yield from _numbers(value, whole=whole, tensors=tensors)
        elif isinstance(value, Tensor):
            if tensors and value.numel() == 1 and not value.is_complex():
                yield float(value)
        elif isinstance(value, float) or (whole and isinstance(value, int) and not isinstance(value, bool)):
            yield float(value)


def _declared(short: str) -> list[float]:
    """Return the numbers that an op's own kinks name."""
    op = find(short)
    return [float(number) for number in NUMBER.findall(op.kinks or "")] if op else []
