"""The limits on tensors: a result beyond them is refused before it takes any memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import LimitError
from gradcli.execution.forward import tree
from gradcli.execution.forward.most_entries import most_entries
from gradcli.execution.forward.rehearsal import Audience
from gradcli.execution.forward.rehearsed import shapes_of
from gradcli.limits import Limits
from gradcli.settings import Settings

# Bytes of an entry in double precision; of an item of a list, which may be a tensor; and of one of a call's results,
# which the graph keeps too.
ENTRY, ITEM, RESULT = 8, 1024, 4096
REPORTED = 4  # tensors of a leaf, of each call: its value, and `.grad` before, after and as it should be
LARGEST_POWER = 16  # of a length of 2, and then it is 65,536
WITHOUT_ORDER = frozenset({torch.uint16, torch.uint32, torch.uint64})  # PyTorch takes no maximum of these
DEFAULT = Limits()
_IN_FORCE: ContextVar[Limits] = ContextVar("limits", default=DEFAULT)


@contextmanager
def in_force(limits: Limits) -> Iterator[None]:
    """Hold everything that is computed in the block to these limits: definitions and derivatives too."""
    token = _IN_FORCE.set(limits)
    try:
        yield
    finally:
        _IN_FORCE.reset(token)


def limits_in_force() -> Limits:
    """Return the limits that hold here."""
    return _IN_FORCE.get()


class Memory:
    """What the tensors of a run take; `used` is an estimate in bytes."""

    def __init__(self, limits: Limits, leaves: Iterable[Tensor]) -> None:
        self.limits = limits
        self.used = sum(leaf.numel() * leaf.element_size() for leaf in leaves)

    def check(self, call: partial[Any], *, pointwise: bool) -> None:
        """Refuse a call that has not run yet if its result, or what it makes on the way, is beyond the limits."""
        if _may_exceed(self.limits.elements, call, pointwise=pointwise):
            self._check_shapes(shapes_of(call, self.limits, _audience))

    def add(self, results: Iterable[Tensor]) -> None:
        """Count the results of a call that has run; LimitError if they are beyond the limits."""
        self.used += self._check_shapes([tensor.shape for tensor in results])

    def _check_shapes(self, shapes: Sequence[torch.Size]) -> int:
        """Return the bytes of tensors of these shapes, if the limits allow them."""
        for shape in shapes:
            _check_shape(shape, self.limits)
        size = sum(shape.numel() for shape in shapes) * ENTRY
        check_bytes(self.used + size, "the graph", self.limits)
        return size


def check_call(
    function: Callable[..., Any], positional: Sequence[Any], keywords: dict[str, Any], *, pointwise: bool
) -> None:
    """Refuse a call of a definition's that has not run yet, by the limits in force."""
    limits, call = limits_in_force(), partial(function, *positional, **keywords)
    if _may_exceed(limits.elements, call, pointwise=pointwise):
        for shape in shapes_of(call, limits, _audience):
            check_entries(shape.numel(), "a step of the derivative")


def check_entries(count: int, what: str) -> None:
    """Refuse a tensor of so many entries that has not been made yet, by the limits in force; LimitError."""
    limit = limits_in_force().elements
    if count > limit:
        message = f"{what} needs a tensor of {count:,} elements, more than the limit of {limit:,} (`--max-elements`)"
        raise LimitError(message, hint="`--max-elements` raises the limit")


def check_items(count: int, limits: Limits) -> None:
    """Refuse a list or tuple of so many items that has not been made yet."""
    check_bytes(count * ITEM, f"a list of {count:,} items" if count < 1 << 62 else "a list", limits)


def _check_results(limits: Limits, count: int) -> None:
    check_bytes(count * RESULT, f"a list of {count:,} tensors", limits)


def check_calls(settings: Settings, leaves: Iterable[Tensor]) -> None:
    """Refuse to call backward so often that what is reported of all calls takes too much memory."""
    size = sum(max(leaf.numel() * ENTRY, ITEM) for leaf in leaves) * REPORTED
    check_bytes(settings.times * size, f"what {settings.times:,} calls leave in .grad", settings.limits)


def check_bytes(size: int, what: str, limits: Limits) -> None:
    """Refuse what takes more memory than the limit."""
    if size > limits.memory:
        used, most = size / 2**30, limits.memory / 2**30
        shown = f"{used:.1f}" if used < 1e6 else f"{used:.0e}"  # noqa: PLR2004 (more than anyone has)
        message = f"{what} needs an estimated {shown} GiB, more than {most:g} GiB"
        raise LimitError(message, hint="`--max-memory` raises the limit")


def _may_exceed(limit: int, call: partial[Any], *, pointwise: bool) -> bool:
    """Return whether a call may make a tensor of more entries than that, by what is known without a rehearsal."""
    if _bound([*call.args, *call.keywords.values()], pointwise=pointwise) <= limit:
        return False
    most = most_entries(call.func, call.args, call.keywords)
    return most is None or most > limit


def _bound(arguments: Sequence[Any], *, pointwise: bool) -> int:
    """Return a bound on the number of elements of all that a call makes of arguments: sizes and numbers, multiplied.

    A pointwise op makes what its operands broadcast to. Any other may multiply its operands out (`kron`), pair an
    operand with itself (`cov`) or with each of many (`block_diag`), use a number for several axes (`eye`), or as an
    exponent of a length (`combinations`).
    """
    leaves = tree.leaves(arguments)
    if pointwise:
        return _broadcast([leaf.shape for leaf in leaves if isinstance(leaf, Tensor)])
    power = 2
    exponents = [leaf for leaf in leaves if isinstance(leaf, int) and power < leaf <= LARGEST_POWER]
    sizes = [max(_size(leaf), 1) for leaf in leaves if isinstance(leaf, Tensor)]
    operands = max(math.prod(sizes), sum(sizes) ** max([power, *exponents]))
    numbers = math.prod(max(_size(leaf), 1) for leaf in leaves if not isinstance(leaf, Tensor))
    return operands * (numbers * len(leaves)) ** power


def _broadcast(shapes: Sequence[torch.Size]) -> int:
    """Return how many elements tensors of these shapes broadcast to; no fewer, if they do not."""
    return math.prod(map(max, zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1)))


def _size(leaf: Any) -> int:
    if isinstance(leaf, Tensor):
        return leaf.numel() * _largest(leaf)
    if isinstance(leaf, float) and math.isfinite(leaf) and leaf:  # `scale_factor=1e8`, and the step of a range
        return math.ceil(max(abs(leaf), 1 / max(abs(leaf), 1e-300)))
    return abs(leaf) if isinstance(leaf, int) else 1


def _largest(tensor: Tensor) -> int:
    """Return the largest entry of a tensor of integers: it may be a size (`repeat_interleave`, `one_hot`)."""
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool or not tensor.numel():
        return 1
    numbers = tensor.to(torch.float64) if tensor.dtype in WITHOUT_ORDER else tensor
    return max(abs(int(numbers.max())), abs(int(numbers.min())), 1)


def _audience(limits: Limits) -> Audience:
    return Audience(partial(_check_made, limits), partial(_check_results, limits), partial(_check_workspace, limits))


def _check_workspace(limits: Limits, count: int) -> None:
    check_bytes(count * ENTRY, "what this copies for itself on the way", limits)


def _check_made(limits: Limits, shape: torch.Size) -> None:
    if shape.numel() > limits.elements:
        text = "x".join(str(size) for size in shape)
        msg = f"this makes a tensor of shape {text}: {shape.numel()} elements, more than the limit of {limits.elements}"
        raise LimitError(msg, hint="`--max-elements` raises the limit")


def _check_shape(shape: torch.Size, limits: Limits) -> None:
    text = "x".join(str(size) for size in shape)
    if len(shape) > limits.rank:
        msg = f"a result of shape {text} has {len(shape)} axes, more than the limit of {limits.rank}"
        raise LimitError(msg, hint="`--max-rank` raises the limit")
    if shape.numel() > limits.elements:
        msg = f"a result of shape {text} has {shape.numel()} elements, more than the limit of {limits.elements}"
        raise LimitError(msg, hint="`--max-elements` raises the limit")
