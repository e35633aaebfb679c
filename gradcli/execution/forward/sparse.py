"""Sparse tensors that are made of values which a gradient passes through, as the dense tensors of their entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.forward.calls import MadeCall

# What changes how entries are stored, and none of them: called with the tensor alone.
STORING = frozenset({"coalesce", "to_dense", "to_sparse", "to_sparse_coo", "to_sparse_csr", "to_sparse_csc"})
# What tells where entries are.
PLACES = frozenset({"indices", "_indices", "crow_indices", "col_indices", "ccol_indices", "row_indices"})
Form = Callable[..., Tensor]


def is_storing(call: MadeCall) -> bool:
    """Return whether a call gives the same entries, stored in another way."""
    return call.short in STORING and len(call.args) == 1 and not call.keywords


def dense_form(call: MadeCall) -> Form | None:
    """Return what makes the dense tensor of the sparse one that a call makes, of the same arguments; None of others."""
    return FORMS.get(call.short)


def _by_coordinates(indices: Any, values: Tensor, size: Sequence[int] | None = None, **_: Any) -> Tensor:
    places = torch.as_tensor(indices)
    found = (places.amax(1) + 1).tolist() + list(values.shape[1:]) if size is None else list(size)
    return _placed(tuple(places), values, found)


def _by_rows(starts: Any, columns: Any, values: Tensor, size: Sequence[int] | None = None, **_: Any) -> Tensor:
    rows, places = _numbered(torch.as_tensor(starts)), torch.as_tensor(columns)
    return _placed((rows, places), values, [len(starts) - 1, int(places.max()) + 1] if size is None else list(size))


def _by_columns(starts: Any, rows: Any, values: Tensor, size: Sequence[int] | None = None, **_: Any) -> Tensor:
    columns, places = _numbered(torch.as_tensor(starts)), torch.as_tensor(rows)
    return _placed((places, columns), values, [int(places.max()) + 1, len(starts) - 1] if size is None else list(size))


def _numbered(starts: Tensor) -> Tensor:
    """Return the number of every entry's row, of where the rows begin."""
    return torch.repeat_interleave(torch.arange(len(starts) - 1, device=starts.device), starts.diff())


def _placed(places: tuple[Tensor, ...], values: Tensor, size: Sequence[int]) -> Tensor:
    """Return the dense tensor: entries of one place add up."""
    return torch.zeros(size, dtype=values.dtype, device=values.device).index_put(places, values, accumulate=True)


FORMS: Mapping[str, Form] = {
    "sparse_coo_tensor": _by_coordinates,
    "sparse_csr_tensor": _by_rows,
    "sparse_csc_tensor": _by_columns,
}
