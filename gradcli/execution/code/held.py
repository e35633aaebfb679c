"""Tensors that code is not given and has from elsewhere: those that it reads again, and other values of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from gradcli.execution.forward.followed import held_by
from gradcli.execution.forward.trace import TracedTensor


def found_again(leaves: Sequence[TracedTensor], read: Mapping[int, Tensor]) -> dict[TracedTensor, Tensor]:
    """Return the leaves that code has from elsewhere, which it has read again, in double precision."""
    known = {leaf: held_by(leaf) for leaf in leaves if leaf.tensor.requires_grad}
    wide = {torch.float64, torch.complex128}
    return {
        leaf: tensor
        for leaf, tensor in known.items()
        if tensor is not None and id(tensor) in read and tensor.dtype in wide
    }


@contextmanager
def holding(own: Sequence[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Let tensors hold other values meanwhile."""
    before = [(tensor, tensor.data) for tensor, _ in own]
    try:
        for tensor, value in own:
            tensor.data = value.to(tensor)
        yield
    finally:
        for tensor, data in before:
            tensor.data = data
