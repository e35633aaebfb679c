"""Changes in place, `y += 1`: what PyTorch refuses, and what other names of a program would see."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.forward.aliasing import Patch
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.overlapping import reads_what_it_assigns, reads_what_it_writes
from gradcli.execution.forward.refusals import refusals
from gradcli.language.makers import CALL
from gradcli.language.notebook import IN_PLACE_ALONE
from gradcli.language.operator_table import ARITHMETIC, INTEGER, PRODUCT
from gradcli.language.program import Call

LEAF_IN_PLACE = "a leaf Variable that requires grad is being used in an in-place operation."
BUILT = "build a new tensor, with `where`, `cat`, `stack` or `index_put`"
CLASH = "{} reads and writes the same memory: what it computes depends on the order in which PyTorch takes the entries"
CLONE = "copy what it reads: `.clone()`"
IN_PLACE: Mapping[str, Callable[..., Any]] = {
    row.sign: getattr(operator, f"i{row.python}") for row in (*ARITHMETIC, *INTEGER, PRODUCT)
}


def check_overwrite(
    name: str, tensor: Tensor, call: BoundCall, operands: Sequence[Any], others: Mapping[str, Tensor]
) -> None:
    """Raise what PyTorch raises for `name += operand`, and refuse what `others`, by name, would see.

    Without a sign it is a method such as `sigmoid_`, or an assignment to a part of it.
    """
    sign = call.node.operator or ""
    instead = _instead(name, sign, call.node)
    if tensor.is_leaf and tensor.requires_grad:
        message = f"'{name}' is a leaf, and PyTorch says: {LEAF_IN_PLACE}"
        raise ExecutionError(message, hint=f"{instead}; the step of an optimizer belongs after `backward()`")
    shared = [other for other, seen in others.items() if seen.numel() and _memory(seen) == _memory(tensor)]
    if shared:
        seen = f"'{shared[0]}' is the same memory as '{name}', and would change with it"
        raise ExecutionError(f"`{sign}=` changes '{name}' in place: {seen}", hint=instead)
    if not sign:
        return
    given = [item.detach() if isinstance(item, Tensor) else item for item in operands]
    with refusals(f"`{sign}=`"), torch.no_grad():
        IN_PLACE[sign](tensor.detach().clone(), *given)
    refuse_clash(f"`{sign}=`", call.node.function, tensor, operands)


def refuse_clash(what: str, name: str, target: Tensor, operands: Sequence[Any]) -> None:
    """Refuse a call in place that reads memory which it writes to; the name is that of its op.

    A tensor has no `@=` of its own: Python makes a new one of `y @ z`.
    """
    if name == PRODUCT.function:
        return
    if reads_what_it_writes(name, target, [item for item in operands if isinstance(item, Tensor)]):
        raise ExecutionError(CLASH.format(what), hint=CLONE)


def refuse_assignment(target: Tensor, places: Tensor, value: Any) -> None:
    """Refuse an assignment that reads memory which it writes to; `places` are the numbers of the entries."""
    if not isinstance(value, Tensor):
        return
    mask, source = torch.zeros(target.numel(), dtype=torch.bool), torch.zeros(target.numel(), dtype=torch.int64)
    mask[places] = True
    source[places] = torch.arange(value.numel()).reshape(value.shape).expand(places.shape)
    patch = Patch(mask.reshape(target.shape), source.reshape(target.shape), tuple(value.shape))
    if reads_what_it_assigns(target, patch, value):
        raise ExecutionError(CLASH.format("the assignment"), hint=CLONE)


def _instead(name: str, sign: str, node: Call) -> str:
    """Return what to write for `x += ...`, `x[0] = ...`, `x.sigmoid_()` or `F.relu(x, inplace=True)`."""
    if sign:
        return f"write a new name: `{name}_new = {name} {sign} ...`"
    if node.function in {"index_put", *IN_PLACE_ALONE}:
        return BUILT
    is_method = node.method and node.function != CALL
    return f"leave out the underscore: `y = {name}.{node.function}(...)`" if is_method else "leave `inplace=True` out"


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage().data_ptr())
