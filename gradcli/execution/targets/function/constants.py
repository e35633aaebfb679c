"""The numbers that a forward compares its tensors with: where its derivative may change, and how that is reached."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from gradcli.errors import ExecutionError
from gradcli.execution.forward import tree
from gradcli.execution.forward.finite import all_finite
from gradcli.execution.forward.scales import COMPARING, Scaled, crossings, sides
from gradcli.execution.targets.function.subject import Values
from gradcli.ops.record import Kind
from gradcli.ops.table import find

ARITHMETIC = frozenset(
    {"add", "sub", "subtract", "rsub", "radd", "mul", "rmul", "div", "truediv", "pow", "floor_divide"}
)
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")
MOST = 8
# A smaller number that what forward makes is compared with is a guard against a division by 0: backward need not
# heed it.
GUARD = 1e-8


def constants_of(body: Callable[[Values], Any], point: Values) -> list[float]:
    """Return the magnitudes of the numbers that a body compares with at a point, then those that it computes with."""
    mode = _run(body, point)
    if mode is None:
        return []
    known = dict.fromkeys(abs(number) for number in (*mode.compared, *mode.computed) if math.isfinite(number))
    return [number for number in known if number][:MOST]


def scales_of(body: Callable[[Values], Any], point: Values) -> list[Scaled]:
    """Return how inputs that require grad are scaled so that what a body computes crosses a number it compares with."""
    moving = [name for name, value in point.items() if value.requires_grad and not value.is_complex()]

    def sides_at(change: Scaled) -> Sequence[Tensor]:
        mode = _run(body, change.applied(point))
        return mode.sides if mode is not None and mode.finite else []

    return crossings(moving, sides_at, negated=True)


def _run(body: Callable[[Values], Any], point: Values) -> _Numbers | None:
    """Return what is noted of a body's calls at a point; None if it raises."""
    copies = {name: value.detach().clone() for name, value in point.items()}
    mode = _Numbers(copies)
    try:
        with torch.no_grad(), mode:
            outputs = body(copies)
    except ExecutionError:
        return None
    mode.finite = all(map(all_finite, tree.tensors(outputs)))
    return mode


class _Numbers(TorchFunctionMode):
    """Notes the numbers among the arguments of every call, and on which side of those that it compares with it is."""

    def __init__(self, inputs: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.inputs = list(inputs.values())
        self.compared: list[float] = []
        self.computed: list[float] = []
        self.sides: list[Tensor] = []
        self.finite = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        short = (resolve_name(func) or getattr(func, "__name__", "?")).rpartition(".")[2].strip("_")
        given = [*args, *(kwargs or {}).values()]
        if short in COMPARING:
            found = [*_numbers(given, whole=True, tensors=True), *_declared(short)]
            self.compared += found
        else:
            self.computed += _numbers(given, whole=short in ARITHMETIC)
            found = _declared(short)
            self.compared += found
        if short in COMPARING or _is_pointwise(short):
            meant = [number for number in found if not 0 < abs(number) < GUARD]
            self.sides += sides([item for item in given if self._is_made(item)], meant)
        return func(*args, **(kwargs or {}))

    def _is_made(self, item: Any) -> bool:
        """Return whether something is a tensor that the body made."""
        return isinstance(item, Tensor) and not any(item is value for value in self.inputs)


def _is_pointwise(short: str) -> bool:
    """Return whether the numbers in an op's kinks are such that its entries are compared with."""
    op = find(short)
    return op is not None and op.kind is Kind.POINTWISE


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
