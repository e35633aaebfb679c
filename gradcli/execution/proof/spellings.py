"""Core ATen's calls in terms of the table, where they are spelled in another way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradcli.execution.proof.circuit import UnprovableError

# What ATen's convolution takes beside its operands, in its order.
OF_CONVOLUTIONS = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
# Core ATen's calls in terms of the table: what differs is the order of arguments, or one more that changes nothing.
SPELLINGS: Mapping[str, Callable[..., tuple[str, tuple[Any, ...], dict[str, Any]]]] = {
    "_softmax": lambda x, dim, _half: ("softmax", (x, dim), {}),
    "_log_softmax": lambda x, dim, _half: ("log_softmax", (x, dim), {}),
    "var": lambda x, dim=None, *, correction=1, keepdim=False: (
        "var",
        (x, dim),
        {"correction": correction, "keepdim": keepdim},
    ),
    "var_mean": lambda x, dim=None, *, correction=1, keepdim=False: (
        "var_mean",
        (x, dim),
        {"correction": correction, "keepdim": keepdim},
    ),
    "div": lambda x, y, *, rounding_mode=None: _division(x, y, rounding_mode),
    "leaky_relu": lambda x, slope=0.01: ("leaky_relu", (x, slope), {}),
    "elu": lambda x, alpha=1, scale=1, inner=1: _elu(x, alpha, scale, inner),
    "hardtanh": lambda x, low=-1, high=1: ("hardtanh", (x, low, high), {}),
    "gelu": lambda x, *, approximate="none": ("gelu", (x,), {"approximate": approximate}),
    "native_group_norm": lambda *given: ("native_group_norm", given, {}),
    "avg_pool1d": lambda *given: ("avg_pool1d", given, {}),
    "avg_pool2d": lambda *given: ("avg_pool2d", given, {}),
    "convolution": lambda x, w, b, *options: _convolution((x, w, b), dict(zip(OF_CONVOLUTIONS, options, strict=True))),
    "_conj": lambda x: ("conj", (x,), {}),
    "_conj_physical": lambda x: ("conj", (x,), {}),
    "_neg_view": lambda x: ("neg", (x,), {}),
    "rsub": lambda x, y, alpha=1: ("rsub", (x, y), {"alpha": alpha}),
}


def _division(x: Any, y: Any, mode: str | None) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    return ("div", (x, y), {}) if mode is None else ("_steps", (x, y, mode), {})


def _convolution(operands: tuple[Any, ...], options: dict[str, Any]) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    name = "conv_transpose" if options.pop("transposed") else "conv"
    more = {} if name == "conv_transpose" else {"output_padding": None}
    kept = {key: tuple(v) if isinstance(v, list) else v for key, v in options.items() if key not in more}
    return f"{name}{len(options['stride'])}d", operands, kept


def _elu(x: Any, alpha: float, scale: float, inner: float) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    if (scale, inner) != (1, 1):
        raise UnprovableError("aten.elu with a scale has no definition that a circuit can hold")
    return "elu", (x, alpha), {}
