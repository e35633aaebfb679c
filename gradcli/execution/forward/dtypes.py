"""Names of dtypes, the default dtype of a run, and double precision for what is compared with it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from gradcli.settings import Settings

# The complex dtype of a real one's precision; PyTorch has next to no functions of lower ones.
COMPLEX: Mapping[torch.dtype, torch.dtype] = {
    torch.float64: torch.complex128,
    torch.float32: torch.complex64,
    torch.float16: torch.complex64,
    torch.bfloat16: torch.complex64,
}


DTYPES: Mapping[str, torch.dtype] = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "complex64": torch.complex64,
    "complex128": torch.complex128,
}
_DOUBLE = frozenset({torch.float64, torch.complex128})


def is_inexact(tensor: Tensor) -> bool:
    """Return whether a tensor holds real or complex numbers, and not integers or truth values, as NumPy has it.

    Only such a tensor is rounded, and has a gradient.
    """
    return tensor.is_floating_point() or tensor.is_complex()


def converted(tensor: Tensor, device: str, dtype: torch.dtype) -> Tensor:
    """Return a tensor on a device in a precision: a complex one stays complex, and integers are as they are."""
    if tensor.is_complex():
        return tensor.to(device, COMPLEX[dtype])
    return tensor.to(device, dtype) if tensor.is_floating_point() else tensor.to(device)


@contextmanager
def default_dtype(settings: Settings) -> Iterator[None]:
    """Make factories give the dtype that the leaves have."""
    before, dtype = torch.get_default_dtype(), DTYPES[settings.dtype]
    set_default(dtype if dtype.is_floating_point else dtype.to_real())
    try:
        yield
    finally:
        set_default(before)


def set_default(dtype: torch.dtype) -> None:
    """Make factories give a dtype, if they do not: to set it takes PyTorch as long as to add two small tensors."""
    if torch.get_default_dtype() is not dtype:
        torch.set_default_dtype(dtype)


def double(tensor: Tensor) -> Tensor:
    """Return a tensor without its history in double precision; integers and booleans stay what they are.

    It is on the CPU, where all that is compared with it is computed; a copy only if it was not.
    """
    tensor = tensor.detach()
    tensor = tensor if tensor.is_cpu or tensor.is_meta else tensor.cpu()
    if tensor.dtype in _DOUBLE:
        return tensor
    if tensor.is_complex():
        return tensor.to(torch.complex128)
    return tensor.to(torch.float64) if tensor.is_floating_point() else tensor


@contextmanager
def double_precision() -> Iterator[None]:
    """Make factories inside definitions give float64, and warnings silent: the user's own run has shown them."""
    before = torch.get_default_dtype()
    set_default(torch.float64)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        set_default(before)
