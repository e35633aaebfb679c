"""The limits on tensors: a result beyond them is refused before it takes any memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import LimitError
from gradcli.execution.forward import tree
from gradcli.limits import Limits

# Below this bound on the size of a result, measured only from sizes and integers, no check on the meta device is due.
SURELY_SMALL = 1 << 16


class Memory:
    """What the tensors of a run take; `used` is an estimate in bytes."""

    def __init__(self, limits: Limits, leaves: Iterable[Tensor]) -> None:
        self.limits = limits
        self.used = sum(leaf.numel() * leaf.element_size() for leaf in leaves)

    def check(self, call: partial[Any]) -> None:
        """Refuse a call that has not run yet if its result is beyond the limits."""
        if _bound([call.args, call.keywords]) > SURELY_SMALL:
            self._check_shapes(_shapes(call))

    def add(self, results: Iterable[Tensor]) -> None:
        """Count the results of a call that has run; LimitError if they are beyond the limits."""
        self.used += self._check_shapes([tensor.shape for tensor in results])

    def _check_shapes(self, shapes: Sequence[torch.Size]) -> int:
        """Return the bytes of tensors of these shapes, if the limits allow them."""
        for shape in shapes:
            _check_shape(shape, self.limits)
        size = sum(shape.numel() for shape in shapes) * 8
        used, most = (self.used + size) / 2**30, self.limits.memory / 2**30
        if used > most:
            message = f"the graph needs an estimated {used:.1f} GiB, more than {most:g} GiB"
            raise LimitError(message, hint="`--max-memory` raises the limit")
        return size


def _bound(arguments: Any) -> int:
    """Return a bound on the number of elements of any result: sizes and integers, multiplied."""
    return math.prod(max(_size(leaf), 1) for leaf in tree.leaves(arguments))


def _size(leaf: Any) -> int:
    if isinstance(leaf, Tensor):
        return leaf.numel()
    return abs(leaf) if isinstance(leaf, int) else 1


def _shapes(call: partial[Any]) -> list[torch.Size]:
    """Return the shapes of a call's results, found on the meta device without computing them."""
    try:
        with torch.no_grad(), torch.device("meta"):
            result = call.func(*tree.map(_on_meta, call.args), **tree.map(_on_meta, call.keywords))
    except NotImplementedError:
        return []  # the size depends on the data (masked_select): it cannot be larger than its input
    except Exception:  # noqa: BLE001 (the real call says what is wrong, in better words)
        return []
    return [tensor.shape for tensor in tree.tensors(result)]


def _on_meta(leaf: Any) -> Any:
    return leaf.detach().to("meta") if isinstance(leaf, Tensor) else leaf


def _check_shape(shape: torch.Size, limits: Limits) -> None:
    text = "x".join(str(size) for size in shape)
    if len(shape) > limits.rank:
        msg = f"a result of shape {text} has {len(shape)} axes, more than the limit of {limits.rank}"
        raise LimitError(msg, hint="`--max-rank` raises the limit")
    if shape.numel() > limits.elements:
        msg = f"a result of shape {text} has {shape.numel()} elements, more than the limit of {limits.elements}"
        raise LimitError(msg, hint="`--max-elements` raises the limit")
