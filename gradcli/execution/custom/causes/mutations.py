"""A wrong backward, run again with one of its calls changed: the change that makes it right is the likely cause.

Changed are the axis that a call reduces along, a transpose that is left out, and the operands of a matrix product.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from gradcli.errors import GradcliError
from gradcli.execution.custom.function.trial import Trial
from gradcli.execution.targets.frames import is_own
from gradcli.tolerance import is_close

MOST_REPAIRS = 80
TRANSPOSES = frozenset({"t", "T", "mT", "transpose", "adjoint", "H", "mH"})
PRODUCTS = frozenset({"matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "dot", "mv"})
REDUCTIONS = frozenset(
    {"sum", "mean", "amax", "amin", "max", "min", "prod", "softmax", "log_softmax", "logsumexp", "cumsum", "norm"}
    | {"flip", "roll", "unsqueeze", "squeeze", "var", "std"}
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call that backward makes: its number, name, arguments, and the line of the user's code."""

    number: int
    name: str
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    line: str


@dataclass(frozen=True, slots=True)
class Repair:
    """One call in other words."""

    number: int
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    words: str
    skip: bool = False


class Watch(TorchFunctionMode):
    """Lists the calls of a backward, or changes one of them."""

    def __init__(self, repair: Repair | None = None) -> None:
        super().__init__()
        self.repair = repair
        self.calls: list[Call] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call."""
        name = resolve_name(func) or "?"
        short = name.split(".")[-2] if name.endswith("__get__") else name.rpartition(".")[2]
        number, keywords = len(self.calls), dict(kwargs or {})
        self.calls.append(Call(number, short, tuple(args), keywords, _line()))
        if self.repair is None or self.repair.number != number:
            return func(*args, **keywords)
        if self.repair.skip:
            return args[0]
        return func(*self.repair.args, **self.repair.keywords)


def repaired(trial: Trial, name: str) -> str | None:
    """Return in words the change of one call in backward that makes the gradient of an input right; None if none."""
    right = trial.right(trial.probe)[name]
    place = [parameter.name for parameter in trial.subject.parameters].index(name)
    watch = Watch()
    if _returned(trial, place, watch) is None:
        return None
    repairs = [repair for call in watch.calls for repair in _repairs(call)]
    for repair in repairs[:MOST_REPAIRS]:
        found = _returned(trial, place, Watch(repair))
        if found is not None and _is_right(found, right):
            return repair.words
    return None


def _returned(trial: Trial, place: int, watch: Watch) -> Tensor | None:
    try:
        applied = trial.apply()
        with watch:
            found = applied.returned(trial.probe)
    except GradcliError:
        return None
    item = found[place] if place < len(found) else None
    return item if isinstance(item, Tensor) else None


def _is_right(found: Tensor, right: Tensor) -> bool:
    return found.shape == right.shape and is_close(found, right)


def _repairs(call: Call) -> Iterator[Repair]:
    """Yield a call in other words."""
    first = call.args[0] if call.args else None
    if not isinstance(first, Tensor):
        return
    if call.name in REDUCTIONS:
        yield from _axes(call, first)
    if call.name in TRANSPOSES:
        yield Repair(call.number, (), {}, f"without the transpose it is right{call.line}", skip=True)
    if call.name in PRODUCTS and len(call.args) > 1 and isinstance(call.args[1], Tensor):
        yield from _products(call)


def _axes(call: Call, first: Tensor) -> Iterator[Repair]:
    """Yield a reduction along each other axis."""
    given = call.keywords.get("dim", call.keywords.get("axis", call.args[1] if len(call.args) > 1 else None))
    for axis in range(first.ndim):
        used = [given] if isinstance(given, int) else list(given or [])
        if isinstance(given, bool) or [axis] == [place % first.ndim for place in used if isinstance(place, int)]:
            continue
        keywords = {name: value for name, value in call.keywords.items() if name not in {"dim", "axis"}} | {"dim": axis}
        words = f"along the wrong axis: with dim={axis} in {call.name} it is right{call.line}"
        yield Repair(call.number, (first, *call.args[2:]), keywords, words)


def _products(call: Call) -> Iterator[Repair]:
    left, right = call.args[:2]
    changes: list[tuple[tuple[Tensor, Tensor], str]] = [
        ((right, left), "with the operands of the matrix product exchanged"),
        (
            (left.mT, right) if left.ndim > 1 else (left, right),
            "with the first operand of the matrix product transposed",
        ),
        (
            (left, right.mT) if right.ndim > 1 else (left, right),
            "with the second operand of the matrix product transposed",
        ),
    ]
    for operands, words in changes:
        yield Repair(call.number, operands, call.keywords, f"{words} it is right{call.line}")


def _line() -> str:
    """Return the place in the user's code that makes the call being watched."""
    frame: Any = sys._getframe(2)  # noqa: SLF001 (what inspect does, without reading files)
    while frame is not None and not is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return "" if frame is None else f" ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"
