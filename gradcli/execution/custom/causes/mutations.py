"""A wrong backward, run again with one of its calls changed: the change that makes it right is the likely cause.

Changed are the axis that a call reduces along, a transpose that is left out, the operands of a matrix product, and
complex operands, which are conjugated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.custom.causes.sites import Changed, Site, run_with, watched
from gradcli.execution.forward.addresses import address_of
from gradcli.execution.targets.function.trial import Trial
from gradcli.language.operator_table import METHODS
from gradcli.ops.record import Op
from gradcli.ops.signature import parse_signature
from gradcli.ops.table import find
from gradcli.tolerance import is_close

MOST_REPAIRS = 80
# What PyTorch calls the axes that an op works along.
AXES = ("dim", "dims")


@dataclass(frozen=True, slots=True)
class Repair:
    """One call in other words."""

    number: int
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    words: str
    skip: bool = False

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], *_: Any) -> Any:
        """Run what stands in the place of the call."""
        return args[0] if self.skip else function(*self.args, **self.keywords)


def repaired(trial: Trial, name: str) -> str | None:
    """Return in words the change of one call in backward that makes the gradient of an input right; None if none."""
    right = trial.right(trial.probe)[name]
    place = [parameter.name for parameter in trial.subject.parameters].index(name)
    try:
        sites = watched(trial.apply(), trial.probe)
    except GradcliError:
        return None
    repairs = [repair for site in sites for repair in _repairs(site)]
    for repair in repairs[:MOST_REPAIRS]:
        found = run_with(trial.apply(), trial.probe, place, Changed({repair.number: repair.run}, {}))
        if found is not None and _is_right(found, right):
            return repair.words
    return None


def _is_right(found: Tensor, right: Tensor) -> bool:
    return found.shape == right.shape and is_close(found, right)


def _is_transpose(args: Any, result: Any) -> bool:
    """Tell whether a call gives its first operand with the axes in a different order."""
    first = args[0] if args else None
    if not isinstance(first, Tensor) or not isinstance(result, Tensor) or address_of(first) != address_of(result):
        return False
    before, after = (list(zip(tensor.shape, tensor.stride(), strict=True)) for tensor in (first, result))
    return before != after and sorted(before) == sorted(after)


def _repairs(call: Site) -> Iterator[Repair]:
    """Yield a call in other words."""
    first = call.args[0] if call.args else None
    if not isinstance(first, Tensor):
        return
    if _is_transpose(call.args, call.result):
        yield Repair(call.number, (), {}, f"without the transpose it is right{call.line}", skip=True)
    yield from _along_other_axes(call, first)
    yield from _other_products(call)
    yield from _conjugates(call)


def _records(name: str) -> tuple[Op, ...]:
    """Return what the op table holds about a function of PyTorch, or about the operator that a method stands for."""
    written = METHODS.get(name)
    op = find(written[0].function if written else name)
    return () if op is None else (op, *op.overloads)


def _along_other_axes(call: Site, first: Tensor) -> Iterator[Repair]:
    """Yield a call that works along an axis with each other one."""
    signatures = [_parameters(record) for record in _records(call.function)]
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
            words = f"along the wrong axis: with {axis}={other} in {call.function} it is right{call.line}"
            yield Repair(call.number, (first,), rest | {axis: other if axis == "dim" else (other,)}, words)


def _other_products(call: Site) -> Iterator[Repair]:
    """Yield a matrix product with its operands exchanged, and with each of them transposed."""
    record = next((record for record in _records(call.function) if record.product), None)
    positions = [_parameters(record).index(name) for name in record.product or ()] if record else []
    operands = [call.args[position] for position in positions if position < len(call.args)]
    if len(operands) != 2 or not all(isinstance(operand, Tensor) for operand in operands):  # noqa: PLR2004 (a pair)
        return
    for changed, words in _changed_operands(*operands):
        args = dict(enumerate(call.args)) | dict(zip(positions, changed, strict=True))
        yield Repair(call.number, tuple(args.values()), call.keywords, f"{words} it is right{call.line}")


def _conjugates(call: Site) -> Iterator[Repair]:
    """Yield a call with each of its complex operands conjugated."""
    if call.function == "conj":
        yield Repair(call.number, (), {}, f"without conj it is right{call.line}", skip=True)
        return
    for position, operand in enumerate(call.args):
        if isinstance(operand, Tensor) and operand.is_complex():
            changed = (*call.args[:position], operand.conj(), *call.args[position + 1 :])
            which = (
                f"operand {position + 1} of {call.function}"
                if len(call.args) > 1
                else f"the operand of {call.function}"
            )
            yield Repair(call.number, changed, call.keywords, f"with {which} conjugated it is right{call.line}")


def _parameters(record: Op) -> tuple[str, ...]:
    return tuple(parameter.name for parameter in parse_signature(record.signature))


def _changed_operands(left: Tensor, right: Tensor) -> Iterator[tuple[tuple[Tensor, Tensor], str]]:
    yield (right, left), "with the operands of the matrix product exchanged"
    if left.ndim > 1:
        yield (left.mT, right), "with the first operand of the matrix product transposed"
    if right.ndim > 1:
        yield (left, right.mT), "with the second operand of the matrix product transposed"
