"""A wrong backward, run again with one of its calls changed: the change that makes it right is the likely cause.

Changed are the axis that a call reduces along, a transpose that is left out, the operands of a matrix product, and
complex operands, which are conjugated.
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
from gradcli.execution.targets.frames import is_own
from gradcli.execution.targets.function.trial import Trial, copied
from gradcli.language.operator_table import METHODS
from gradcli.ops.record import Op
from gradcli.ops.signature import parse_signature
from gradcli.ops.table import find
from gradcli.tolerance import is_close

MOST_REPAIRS = 80
# What PyTorch calls the axes that an op works along.
AXES = ("dim", "dims")


@dataclass(frozen=True, slots=True)
class ObservedCall:
    """One call that backward makes: its number, name, arguments, the line of the user's code, and what it does."""

    number: int
    name: str
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    line: str
    transposes: bool


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
        self.calls: list[ObservedCall] = []
        self._begun = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call."""
        name = resolve_name(func) or "?"
        short = name.split(".")[-2] if name.endswith("__get__") else name.rpartition(".")[2]
        # Counted as they begin: after one that raises, contexts are left by calls, which must run as they are.
        number, keywords = self._begun, dict(kwargs or {})
        self._begun += 1
        line = _line()
        result = self._run(func, number, args, keywords)
        self.calls.append(ObservedCall(number, short, tuple(args), keywords, line, _is_transpose(args, result)))
        return result

    def _run(self, func: Any, number: int, args: Any, keywords: dict[str, Any]) -> Any:
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
        applied, upstream = trial.apply(), copied(trial.probe)
        with watch:
            found = applied.called(upstream)
    except GradcliError:
        return None
    item = found[place] if place < len(found) else None
    return item if isinstance(item, Tensor) else None


def _is_right(found: Tensor, right: Tensor) -> bool:
    return found.shape == right.shape and is_close(found, right)


def _is_transpose(args: Any, result: Any) -> bool:
    """Tell whether a call gives its first operand with the axes in a different order."""
    first = args[0] if args else None
    if not isinstance(first, Tensor) or not isinstance(result, Tensor) or first.data_ptr() != result.data_ptr():
        return False
    before, after = (list(zip(tensor.shape, tensor.stride(), strict=True)) for tensor in (first, result))
    return before != after and sorted(before) == sorted(after)


def _repairs(call: ObservedCall) -> Iterator[Repair]:
    """Yield a call in other words."""
    first = call.args[0] if call.args else None
    if not isinstance(first, Tensor):
        return
    if call.transposes:
        yield Repair(call.number, (), {}, f"without the transpose it is right{call.line}", skip=True)
    yield from _along_other_axes(call, first)
    yield from _other_products(call)
    yield from _conjugates(call)


def _records(name: str) -> tuple[Op, ...]:
    """Return what the op table holds about a function of PyTorch, or about the operator that a method stands for."""
    written = METHODS.get(name)
    op = find(written[0].function if written else name)
    return () if op is None else (op, *op.overloads)


def _along_other_axes(call: ObservedCall, first: Tensor) -> Iterator[Repair]:
    """Yield a call that works along an axis with each other one."""
    signatures = [_parameters(record) for record in _records(call.name)]
    names, axis = next(((names, axis) for names in signatures for axis in AXES if axis in names), ((), ""))
    if not axis or len(call.args) > len(names):
        return
    bound = dict(zip(names, call.args, strict=False)) | call.keywords
    given = bound.get(axis, bound.get("axis"))
    used = [given] if isinstance(given, int) else list(given or [])
    if isinstance(given, bool) or not all(isinstance(number, int) for number in used):
        return
    rest = {name: value for name, value in bound.items() if name not in {names[0], axis, "axis"}}
    for other in range(first.ndim):
        if [other] != [number % first.ndim for number in used]:
            words = f"along the wrong axis: with {axis}={other} in {call.name} it is right{call.line}"
            yield Repair(call.number, (first,), rest | {axis: other if axis == "dim" else (other,)}, words)


def _other_products(call: ObservedCall) -> Iterator[Repair]:
    """Yield a matrix product with its operands exchanged, and with each of them transposed."""
    record = next((record for record in _records(call.name) if record.product), None)
    positions = [_parameters(record).index(name) for name in record.product or ()] if record else []
    operands = [call.args[position] for position in positions if position < len(call.args)]
    if len(operands) != 2 or not all(isinstance(operand, Tensor) for operand in operands):  # noqa: PLR2004 (a pair)
        return
    for changed, words in _changed_operands(*operands):
        args = dict(enumerate(call.args)) | dict(zip(positions, changed, strict=True))
        yield Repair(call.number, tuple(args.values()), call.keywords, f"{words} it is right{call.line}")


def _conjugates(call: ObservedCall) -> Iterator[Repair]:
    """Yield a call with each of its complex operands conjugated."""
    if call.name == "conj":
        yield Repair(call.number, (), {}, f"without conj it is right{call.line}", skip=True)
        return
    for position, operand in enumerate(call.args):
        if isinstance(operand, Tensor) and operand.is_complex():
            changed = (*call.args[:position], operand.conj(), *call.args[position + 1 :])
            which = f"operand {position + 1} of {call.name}" if len(call.args) > 1 else f"the operand of {call.name}"
            yield Repair(call.number, changed, call.keywords, f"with {which} conjugated it is right{call.line}")


def _parameters(record: Op) -> tuple[str, ...]:
    return tuple(parameter.name for parameter in parse_signature(record.signature))


def _changed_operands(left: Tensor, right: Tensor) -> Iterator[tuple[tuple[Tensor, Tensor], str]]:
    yield (right, left), "with the operands of the matrix product exchanged"
    if left.ndim > 1:
        yield (left.mT, right), "with the first operand of the matrix product transposed"
    if right.ndim > 1:
        yield (left, right.mT), "with the second operand of the matrix product transposed"


def _line() -> str:
    """Return the place in the user's code that makes the call being watched."""
    frame: Any = sys._getframe(2)  # noqa: SLF001 (what inspect does, without reading files)
    while frame is not None and not is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return "" if frame is None else f" ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"
