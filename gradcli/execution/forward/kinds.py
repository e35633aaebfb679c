"""Kinds of tensors: those whose entries are all there, and others, of which some have a dense form."""

from __future__ import annotations

import torch
from torch import Tensor

from gradcli.errors import UnfollowedError

NO_FORM = "of a {} tensor, no gradient is known here"

SPARSE = frozenset({torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc})


def is_sparse(tensor: Tensor) -> bool:
    """Return whether a tensor is sparse, in any of the layouts for that."""
    return tensor.layout in SPARSE


def kind_of(tensor: Tensor) -> str | None:
    """Return what a tensor is where it does not hold all its entries as plain numbers; None of one that does."""
    if tensor.is_nested:
        return "nested"
    if tensor.layout is not torch.strided:
        return str(tensor.layout).removeprefix("torch.").removeprefix("_")
    if tensor.is_quantized:
        return "quantized"
    if tensor.is_meta:
        return "meta"
    return type(tensor).__name__ if _dispatches(type(tensor)) else None


def dense(tensor: Tensor) -> Tensor:
    """Return a tensor dense and without its history, on the same memory if it was; UnfollowedError if it cannot be."""
    plain, kind = tensor.detach(), kind_of(tensor)
    if kind is None:
        return plain
    if kind == "quantized":
        return plain.dequantize()
    if tensor.is_nested or tensor.layout is torch.strided:
        raise UnfollowedError(NO_FORM.format(kind))
    return plain.to_dense()


def dense_only(tensor: Tensor) -> None:
    """Refuse a tensor of any other kind; UnfollowedError."""
    kind = kind_of(tensor)
    if kind is not None:
        raise UnfollowedError(NO_FORM.format(kind))


def _dispatches(kind: type[Tensor]) -> bool:
    """Return whether tensors of a class compute in a way of their own, beneath PyTorch's functions."""
    own: object = kind.__torch_dispatch__
    return own is not Tensor.__torch_dispatch__ and own is not torch._C._disabled_torch_dispatch_impl  # noqa: SLF001 (there is no public name)
