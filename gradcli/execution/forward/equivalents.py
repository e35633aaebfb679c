"""Calls that the table does not have, as ones that it has: random numbers that were drawn, and definitions as code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.forward.attention import attention
from gradcli.execution.forward.calls import MadeCall, bound
from gradcli.execution.forward.composites import is_python
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.recurrent import NETWORKS
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.forward.twins import RandomState, random_numbers
from gradcli.execution.kernels.layers import slopes_of
from gradcli.ops.record import Op
from gradcli.ops.table import find

# What is affine in each entry of its first operand, for the numbers that it draws and at the places that it fills.
DROPPING = ("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout", "native_dropout")
FILLING = ("fill_diagonal_", "normal_", "uniform_", "bernoulli_", "exponential_", "log_normal_", "random_", "zero_")
AFFINE = frozenset({*DROPPING, *FILLING, *(f"{name}_" for name in DROPPING)})
# The arguments that make a call of the table draw, all of them, with their places and defaults; its definition is that
# of the call that draws nothing.
DRAWN_IF: Mapping[str, Mapping[str, tuple[int, Any]]] = {
    "scaled_dot_product_attention": {"dropout_p": (4, 0.0)},
    "multi_head_attention_forward": {"dropout_p": (10, 0.0), "training": (13, True)},
    "rrelu": {"training": (3, False)},
}
Definition = Callable[..., Any]


def is_random(call: MadeCall) -> bool:
    """Return whether a call that the table has is made in a way that it does not have: with random numbers."""
    told = DRAWN_IF.get(call.short.removesuffix("_"), {})
    return bool(told) and all(_given(call, name, *where) for name, where in told.items())


def _given(call: MadeCall, name: str, place: int, default: Any) -> Any:
    return call.keywords.get(name, call.args[place] if len(call.args) > place else default)


def definition_of(call: MadeCall) -> Definition | None:
    """Return the definition of a call as code, if it has one."""
    if call.short == "scaled_dot_product_attention":
        return attention
    if call.short in CHOOSING:
        return None if is_python(call.func) else _chosen(call)  # PyTorch's own functions of that name draw and call it
    if call.short.removesuffix("_") == "rrelu":
        return None if is_python(call.func) else sloped
    return _weight_norm if call.short == "_weight_norm" else NETWORKS.get(call.short)


def equivalent(call: MadeCall, operand: TracedTensor, drawn: RandomState) -> tuple[Op, BoundCall] | None:
    """Return a call that has just run as one of the table's for its first operand; None if there is none."""
    if call.short not in AFFINE:
        return None

    def at(value: Tensor) -> Tensor:
        with torch.no_grad(), random_numbers(drawn):
            found = call.func(value, *call.args[1:], **call.keywords)
        return found[0] if isinstance(found, tuple) else found

    like = operand.tensor.detach()
    shift, ones = at(torch.zeros_like(like)), at(torch.ones_like(like))
    factor = constant(torch.where(ones == shift, 0.0, ones - shift))
    if not bool(shift.any()):
        return entry("mul", operand, factor)
    return entry("addcmul", constant(shift), operand, factor)


def constant(tensor: Tensor) -> TracedTensor:
    """Return a value that no gradient passes through."""
    return TracedTensor(tensor.detach(), None, "constant", is_leaf=True)


def entry(name: str, *values: TracedTensor | Sequence[TracedTensor]) -> tuple[Op, BoundCall]:
    """Return a call of the table."""
    op = find(name)
    assert op is not None, name  # noqa: S101 (the table has it)
    return bound(op, list(values), {}, method=False)


def conversion(value: TracedTensor, converted: TracedTensor) -> tuple[Op, BoundCall] | None:
    """Return a change of the dtype as a call of the table: all is in double precision there, and it is a copy."""
    same_kind = value.tensor.is_complex() == converted.tensor.is_complex()
    return entry("clone", value) if same_kind else None


def _weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """Return v with the norm g along all axes but one, as in Salimans and Kingma (2016)."""
    others = [axis for axis in range(v.ndim) if axis != dim % v.ndim]
    return v * (g / torch.linalg.vector_norm(v, 2, others, keepdim=True))


def sloped(x: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, *_: Any, **__: Any) -> Tensor:
    """Return what `rrelu` makes in training: its entries that are not positive times slopes, which it draws."""
    return torch.where(x > 0, x, x * slopes_of(x, lower, upper))


CHOOSING = {"fractional_max_pool2d": 2, "fractional_max_pool3d": 3}


def _chosen(call: MadeCall) -> Definition:
    """Return what picks the entries that a pooling picked, which it draws."""

    def pooled(x: Tensor, *args: Any, **keywords: Any) -> Any:
        with torch._C.DisableTorchFunction():  # noqa: SLF001 (the picked places are constants)
            found = call.func(x.detach(), *args, **keywords)
        axes = CHOOSING[call.short]
        places = found[1].flatten(-axes)
        picked = x.flatten(-axes).gather(-1, places).reshape(found[0].shape)
        return picked, found[1]

    return pooled
