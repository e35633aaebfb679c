"""Writes in place that read the memory which they write to: what they compute depends on the order of their steps.

PyTorch refuses such a call where it sees that memory overlaps. Of most slices it does not see it (`y[:, 1:] +=
y[:, :-1]`): it computes something, and its autograd has the gradient of something else. Which elements are shared, the
tensors' addresses say.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import gcd

import torch
from torch import Tensor

from gradcli.execution.forward import tree
from gradcli.execution.forward.aliasing import Patch, StorageView, storage_of
from gradcli.execution.forward.calls import MadeCall
from gradcli.ops.table import find

SAME_MEMORY = (
    "{} reads and writes the same memory: what it computes depends on the order in which PyTorch takes the entries; "
    "`.clone()` what it reads"
)
# What takes a number out of its operand before it writes.
FILLING = frozenset({"masked_fill", "index_fill"})
# Made entry by entry, though neither PyTorch nor the table says so.
FURTHER = frozenset({"floor_divide"})


def clashes(call: MadeCall, written: Sequence[Tensor]) -> bool:
    """Return whether a call that has run read an element that it wrote for a different entry, or wrote one twice."""
    keywords = {name: value for name, value in call.keywords.items() if name != "out"}
    operands = tree.tensors([call.args if call.outs else call.args[1:], keywords])
    return any(reads_what_it_writes(call.written_as, target, operands) for target in written)


def reads_what_it_writes(name: str, target: Tensor, operands: Sequence[Tensor]) -> bool:
    """Return whether an op in place does so: by its name without an underscore, and its operands but for the first."""
    read = [one for one in operands if not (name in FILLING and one.dim() == 0) and share(target, one)]
    return writes_twice(target) or any(_reads(target, one, is_entrywise=is_entrywise(name)) for one in read)


def reads_what_it_assigns(target: Tensor, patch: Patch, value: Tensor) -> bool:
    """Return whether an assignment of a value to entries of a tensor overwrites what it has yet to read.

    Where the same number is written to an element twice, nothing depends on the order.
    """
    if not (writes_twice(target) or (share(target, value) and StorageView.of(target) != StorageView.of(value))):
        return False
    unit = gcd(target.element_size(), value.element_size())
    entries = patch.source[patch.mask].cpu()
    written, read = _elements(target, unit)[patch.mask.reshape(-1).cpu()], _elements(value, unit)[entries]
    return _collide(written, read if share(target, value) else None, of=read[:, 0])


def writes_twice(target: Tensor) -> bool:
    """Return whether a tensor has an element of its memory more than once."""
    if not _has_addresses(target) or _is_spread(target):
        return False
    written = _elements(target, target.element_size())
    return _collide(written, None, of=torch.arange(len(written)))


def share(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors may have elements in common: they are in one storage, and in one part of it."""
    if not (_has_addresses(one) and _has_addresses(other)) or storage_of(one) != storage_of(other):
        return False
    (begin, end), (other_begin, other_end) = _reach(one), _reach(other)
    return begin < other_end and other_begin < end


@cache
def is_entrywise(name: str) -> bool:
    """Return whether an op makes each entry of one entry of each operand: PyTorch or the table says so."""
    op, own = find(name), getattr(torch.ops.aten, name, None)
    overloads = [] if own is None else [getattr(own, overload) for overload in own.overloads()]
    return (
        name in FURTHER
        or (op is not None and op.is_entrywise)
        or any(torch.Tag.pointwise in one.tags for one in overloads)
    )


def _reads(target: Tensor, operand: Tensor, *, is_entrywise: bool) -> bool:
    """Return whether an operand has elements that may be written before they are read."""
    unit = gcd(target.element_size(), operand.element_size())
    if not is_entrywise:
        return bool(torch.isin(_elements(operand, unit), _elements(target, unit)).any())
    operand = operand.detach().expand(target.shape)
    if StorageView.of(target) == StorageView.of(operand):
        return False
    written = _elements(target, unit)
    return _collide(written, _elements(operand, unit), of=torch.arange(len(written)))


def _collide(written: Tensor, read: Tensor | None, *, of: Tensor) -> bool:
    """Return whether a row has an element that another one writes, and the two are of something different.

    `written` and `read` have a row for each entry, with its elements; `of` says of what each row is.
    """
    if not written.numel():
        return False
    begin, end = int(written.min()), int(written.max()) + 1
    writer = torch.full((end - begin,), -1)
    writer[written - begin] = torch.arange(len(written))[:, None].expand(written.shape)
    if bool((of[writer[written - begin]] != of[:, None]).any()):
        return True
    if read is None:
        return False
    row = torch.where((read >= begin) & (read < end), writer[(read - begin).clamp(0, end - begin - 1)], -1)
    return bool(((row >= 0) & (of[row] != of[:, None])).any())


def _elements(tensor: Tensor, unit: int) -> Tensor:
    """Return where each entry is in its storage, in units of so many bytes: a row an entry."""
    parts = tensor.element_size() // unit
    return StorageView.of(tensor).addresses.reshape(-1, 1) * parts + torch.arange(parts)


def _reach(tensor: Tensor) -> tuple[int, int]:
    """Return the first byte of a tensor in its storage, and the one after the last."""
    size, begin = tensor.element_size(), int(tensor.storage_offset())
    furthest = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return begin * size, (begin + furthest + 1) * size


def _is_spread(tensor: Tensor) -> bool:
    """Return whether each stride steps over all that the shorter ones reach, so that no two entries are one element."""
    reach = 0
    for stride, length in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if length > 1 and stride <= reach:
            return False
        reach += (length - 1) * stride
    return True


def _has_addresses(tensor: Tensor) -> bool:
    return tensor.layout is torch.strided and not tensor.is_nested and tensor.numel() > 0
