"""What an algorithm chooses of vectors: their signs or phases, and their order; PyTorch's choice in its precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.trace import TracedCall, traced_in

# A phase is another where it is off by more than what single precision rounds.
ANOTHER = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What makes a result PyTorch's: an index of its last axis, of its own shape, and what it is multiplied by then."""

    order: Tensor | None
    turn: Tensor | None


def chosen(call: TracedCall, values: Sequence[Tensor | None]) -> Mapping[int, Choice]:
    """Return PyTorch's choices, by the places of the results; nothing for those that are so.

    `values` are the results as they were found in double precision, where an algorithm may choose otherwise.
    """
    if not (call.op.signs or call.op.ordered):
        return {}
    theirs = [double(traced.tensor.detach()) for traced in traced_in(call.result)]
    pairs = dict(enumerate(zip(theirs, values, strict=False)))
    order = _order(*pairs[call.op.ordered[0]]) if call.op.ordered else None
    found = {}
    for place in sorted({*call.op.signs, *call.op.ordered} & pairs.keys()):
        wanted, value = pairs[place]
        if value is None:
            continue
        own = None if order is None else _along_last(order, value)
        turn = _turn(call.op.signs.get(place), wanted, value if own is None else value.gather(-1, own))
        if own is not None or turn is not None:
            found[place] = Choice(own, turn)
    return found


def _order(wanted: Tensor, value: Tensor | None) -> Tensor | None:
    """Return which of the numbers in each row of `value` is which of `wanted`; None if they are in the same order.

    They stay where they are if no order tells which is which: two may be equal.
    """
    if value is None or not value.numel():
        return None
    nearest = (wanted.to(value).unsqueeze(-1) - value.unsqueeze(-2)).abs().argmin(-1)
    count = torch.arange(value.shape[-1], device=value.device).expand_as(nearest)
    is_order = (nearest.sort(-1).values == count).all(-1, keepdim=True)
    order = torch.where(is_order, nearest, count)
    return None if torch.equal(order, count) else order


def _along_last(order: Tensor, value: Tensor) -> Tensor:
    """Return an order of columns as an index of a result's own shape."""
    return order.reshape(*order.shape[:-1], *[1] * (value.ndim - order.ndim), order.shape[-1]).expand(value.shape)


def _turn(axis: int | None, wanted: Tensor, value: Tensor) -> Tensor | None:
    """Return the signs or phases that make vectors along an axis PyTorch's; None if they are."""
    if axis is None:
        return None
    turn = (value.conj() * wanted.to(value)).sum(axis, keepdim=True).sgn()
    turn = torch.where(((turn - 1).abs() > ANOTHER) & (turn != 0), turn, torch.ones_like(turn))
    return turn if bool((turn != 1).any()) else None
