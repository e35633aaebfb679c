"""The numbers that a Function compares its tensors with: where a gradient may change, and how that is reached."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from gradcli.errors import ExecutionError
from gradcli.execution.forward import tree
from gradcli.execution.forward.finite import all_finite
from gradcli.execution.forward.scales import COMPARING, Scaled, crossings, sides
from gradcli.execution.targets.function.sampling import spread
from gradcli.execution.targets.function.subject import Subject, Values
from gradcli.execution.targets.function.trial import Trial, apply
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


@dataclass(frozen=True, slots=True)
class Constants:
    """The magnitudes of the numbers around which to look; `left` are those that are too many."""

    numbers: tuple[float, ...]
    left: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """Code of a Function with what it is called with, ready to be called."""

    inputs: Sequence[Tensor]
    call: Callable[[], Any]


# What makes code ready at a point; ExecutionError if it has to run for that, and raises.
Ready = Callable[[Values], Run]


def constants_of(trial: Trial) -> Constants:
    """Return the numbers that a Function compares with, those of backward too; then those that forward computes with.

    At these the derivative may change, or what backward makes of it. Those of a surrogate are forward's.
    """
    forward = [_noted(ready, trial.point) for ready in _forwards(trial)]
    backward = _noted(partial(_backward, trial.subject), trial.point)
    compared = [number for mode in (*forward, backward) if mode is not None for number in mode.compared]
    computed = [number for mode in forward if mode is not None for number in mode.computed]
    known = tuple(dict.fromkeys(abs(number) for number in (*compared, *computed) if math.isfinite(number) and number))
    few = len({abs(number) for number in compared} & set(known[MOST:]))
    return Constants(known[:MOST], known[MOST : MOST + few])


def scales_of(trial: Trial) -> list[Scaled]:
    """Return how inputs that require grad are scaled for what a Function computes to cross a number it compares with.

    So for what forward computes, and then for what backward does.
    """
    moving = [name for name in trial.wanted if not trial.point[name].is_complex()]
    parts: list[Ready] = [partial(_forward, trial.subject.body), partial(_backward, trial.subject)]
    found = [scaled for ready in parts for scaled in crossings(moving, partial(_sides, trial, ready), negated=True)]
    return list(dict.fromkeys(found))


def _sides(trial: Trial, ready: Ready, change: Scaled) -> Sequence[Tensor]:
    mode = _noted(ready, change.applied(trial.point))
    return mode.sides if mode is not None and mode.finite else []


def _forwards(trial: Trial) -> list[Ready]:
    """Return forward's body, and a surrogate."""
    surrogates = [] if trial.settings.surrogate is None else [trial.function]
    return [partial(_forward, body) for body in (trial.subject.body, *surrogates)]


def _forward(body: Callable[[Values], Any], point: Values) -> Run:
    copies = {name: value.detach().clone() for name, value in point.items()}

    def call() -> Any:
        with torch.no_grad():
            return body(copies)

    return Run(list(copies.values()), call)


def _backward(subject: Subject, point: Values) -> Run:
    applied = apply(subject, point)
    upstream = spread(applied.output, 0.5, 1.5)
    return Run([*applied.given.values(), upstream], lambda: applied.called(upstream))


def _noted(ready: Ready, point: Values) -> _Noting | None:
    """Return what is noted of the calls of code at a point; None if it raises."""
    try:
        run = ready(point)
        mode = _Noting(run.inputs)
        with mode:
            outputs = run.call()
    except ExecutionError:
        return None
    mode.finite = all(map(all_finite, tree.tensors(outputs)))
    return mode


class _Noting(TorchFunctionMode):
    """Notes the numbers among the arguments of every call, and on which side of those that it compares with it is."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.inputs = inputs
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
        """Return whether something is a tensor that the code made; what was saved of an input is that input."""
        return isinstance(item, Tensor) and not any(_is_same(item, value) for value in self.inputs)


def _is_same(one: Tensor, other: Tensor) -> bool:
    return one is other or (one.dtype == other.dtype and one.device == other.device and one.is_set_to(other))


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
