"""Tensors that are given other numbers before they are used: `nn.init.zeros_(w)`, `w.data.fill_(1.)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.forward.draws import Draws, drawing
from gradcli.execution.forward.refusals import refusals

LEAF = "PyTorch says: a leaf Variable that requires grad is being used in an in-place operation."
IN_NO_GRAD = "write it inside `with torch.no_grad():`, or on `.data`"


def numbers(function: str, tensor: Tensor, given: list[Any], keywords: dict[str, Any], draws: Draws) -> Tensor:
    """Return what a tensor holds after it is filled; drawn numbers are those of the notebook."""
    dtype = draws.dtype if tensor.is_floating_point() else tensor.dtype
    made = tensor.detach().to(dtype, copy=True)
    with refusals(function), drawing(draws), torch.no_grad():
        if function == "copy_":  # in full precision
            return tensor.detach().clone().copy_(*given, **keywords)
        fill: Callable[..., Tensor] = (
            getattr(torch.nn.init, function.removeprefix("init."))
            if function.startswith("init.")
            else getattr(torch.Tensor, function)
        )
        return fill(made, *given, **keywords).detach()


def check_place(tensor: Tensor, text: str, *, is_quiet: bool) -> None:
    """Refuse to fill what autograd has made, or a leaf while autograd looks on."""
    if not tensor.requires_grad:
        return
    if not tensor.is_leaf:
        hint = "build a new tensor, with `where`, `cat`, `stack` or `index_put`"
        raise ExecutionError(f"`{text}` is computed, and cannot be filled", hint=hint)
    if not is_quiet:
        raise ExecutionError(f"{text}: {LEAF}", hint=IN_NO_GRAD)
