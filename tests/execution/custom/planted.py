"""Bugs that are planted in right custom Functions, and what a report must say of each."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from functions import Function, Replacement, Spec  # noqa: TC002 (the annotations are read)

SOURCE = """
class {name}(torch.autograd.Function):
    @staticmethod
    def forward(ctx, {parameters}):
        {save} = ctx.save_for_backward
        {forward}

    @staticmethod
    def backward(ctx, g):
        saved = ctx.saved_tensors
        {backward}
"""


def build(spec: Spec, replaced: Replacement | None = None) -> Function:
    """Return a Function from its text, a part of backward replaced by another."""
    backward = spec.backward
    if replaced is not None:
        assert replaced[0] in backward, replaced
        backward = backward.replace(*replaced, 1)
    text = SOURCE.format(
        name=spec.name,
        parameters=", ".join(spec.shapes),
        save="save",
        forward=_body(spec.forward),
        backward=_body(backward),
    )
    names: dict[str, Any] = {"torch": torch, "F": torch.nn.functional, "math": __import__("math")}
    names |= {name: getattr(torch, name) for name in ("exp", "log", "tanh")}
    exec(compile(text, f"{spec.name}.py", "exec"), names)  # noqa: S102 (the text above)
    return names[spec.name]  # type: ignore[no-any-return]


def _body(text: str) -> str:
    *statements, last = text.split("; ")
    return "\n        ".join([*statements, f"return {last}"])


def _varied(change: Callable[[Any, tuple[Any, ...], Callable[..., Any]], Any]) -> Callable[[Function], Function]:
    """Return how a bug is planted in any Function: `change` gets ctx, the upstream gradients and the right backward."""

    def plant(function: Function) -> Function:
        right = function.backward

        def backward(ctx: Any, *upstream: Any) -> Any:
            return change(ctx, upstream, lambda *v: _tuple(right(ctx, *v)))

        return type(function.__name__, (function,), {"backward": staticmethod(backward)})

    return plant


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _first(change: Callable[[Tensor], Any]) -> Callable[[Any, tuple[Any, ...], Callable[..., Any]], Any]:
    def changed(_: Any, upstream: tuple[Any, ...], right: Callable[..., Any]) -> Any:
        first, *others = right(*upstream)
        return (change(first), *others)

    return changed


def _ignoring(_: Any, upstream: tuple[Any, ...], right: Callable[..., Any]) -> Any:
    return right(*(torch.ones_like(v) for v in upstream))


def _changing(_: Any, upstream: tuple[Any, ...], right: Callable[..., Any]) -> Any:
    found = tuple(value.clone() for value in right(*upstream))
    upstream[0].mul_(2)
    return found


def _saving_copies(function: Function) -> Function:
    """Plant an intermediate result: what forward saves are copies, which the double backward takes for constants."""
    right = function.forward

    class Copying:
        def __init__(self, ctx: Any) -> None:
            self.ctx = ctx

        def save_for_backward(self, *tensors: Tensor) -> None:
            self.ctx.save_for_backward(*(tensor.clone() for tensor in tensors))

    def forward(ctx: Any, *inputs: Tensor) -> Any:
        return right(Copying(ctx), *inputs)

    forward.__signature__ = inspect.signature(right)  # type: ignore[attr-defined]
    return type(function.__name__, (function,), {"forward": staticmethod(forward)})


class _Scratch:
    """A ctx that saves copies, and keeps the first of them to be written into."""

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx
        self.copies: tuple[Tensor, ...] = ()

    def save_for_backward(self, *tensors: Tensor) -> None:
        self.copies = tuple(tensor.clone() for tensor in tensors)
        self.ctx.save_for_backward(*self.copies)


def _overwriting(function: Function) -> Function:
    """Plant a write into what was saved: forward uses it as scratch once more."""
    right = function.forward

    def forward(ctx: Any, *inputs: Tensor) -> Any:
        scratch = _Scratch(ctx)
        result = right(scratch, *inputs).clone()
        scratch.copies[0].mul_(1.5).add_(0.25)
        return result

    forward.__signature__ = inspect.signature(right)  # type: ignore[attr-defined]
    return type(function.__name__, (function,), {"forward": staticmethod(forward)})


def _swapping(_: Any, upstream: tuple[Any, ...], right: Callable[..., Any]) -> Any:
    first, second, *others = right(*upstream)
    return (second, first, *others)


def _at_zero(ctx: Any, upstream: tuple[Any, ...], right: Callable[..., Any]) -> Any:
    """Return gradients the first of which is wrong where what forward saves first is zero."""
    first, *others = right(*upstream)
    return (first + upstream[0] * (ctx.saved_tensors[0] == 0), *others)


def _noisy(value: Tensor) -> Tensor:
    return value * (1 + 1e-12 * torch.rand_like(value))


# What is planted in every Function, and what a report must say of it.
ANYWHERE: Mapping[str, Callable[[Function], Function]] = {
    "factor": _varied(_first(lambda value: value * 1.0005)),
    "sign": _varied(_first(lambda value: -value)),
    "upstream": _varied(_ignoring),
    "none": _varied(_first(lambda _: None)),
    "noise": _varied(_first(_noisy)),
    "mutated": _varied(_changing),
    "detached": _varied(_first(lambda value: value.detach())),
    "saved": _saving_copies,
    "overwritten": _overwriting,
}
# What is done to the upstream gradient of a Function that works on each entry by itself, and saves its first input.
LOCAL: Mapping[str, str] = {
    "negative": "g = torch.where({x} < 0, 1.5*g, g)",
    "positive": "g = torch.where({x} > 0, 1.5*g, g)",
    "zeros": "g = torch.where(g == 0, torch.ones_like(g), g)",
    "single": "g = g*(1.01 if g.dtype == torch.float32 else 1)",
    "strided": "g = g if g.is_contiguous() else 2*g",
    "rows": "g = g*(2 if g.ndim and len(g) > 64 else 1)",
}
ENTRYWISE = frozenset(
    {
        "Silu",
        "Softplus",
        "Gelu",
        "Swiglu",
        "Elu",
        "Cubic",
        "Leaky",
        "Huber",
        "ClampedProduct",
        "Sine",
        "Softsign",
        "LogCosh",
        "SquaredRelu",
        "Mish",
        "QuickGelu",
        "Celu",
        "Tanhshrink",
        "Gaussian",
        "SmoothAbsolute",
        "Gated",
    }
)
# The gradient of these is zero on one side.
ONE_SIDED = frozenset({"SquaredRelu"})
AT_ZERO = _varied(_at_zero)
SWAPPED = _varied(_swapping)
TRANSPOSED = _varied(_first(lambda value: value.mT))
# The first gradient of these is symmetric, whatever the point.
SYMMETRIC = frozenset({"Quadratic"})
CAUSES: Mapping[str, str] = {
    "factor": r"times 1\.0005",
    "sign": r"the sign is wrong",
    "upstream": r"ignores",
    "none": r"returns None for",
    "noise": r"changed between two runs",
    "mutated": r"changes grad_output in place",
    "detached": r"detached",
    "saved": r"an intermediate result",
    "overwritten": r"forward saves .* and then changes it in place",
    "transposed": r"transpose",
    "dropped": r"the (term|factor) .* is missing",
    "axis": r"along the wrong axis",
    "broadcast": r"the sum over .* is missing",
    "negative": r"wrong only where \w < 0",
    "positive": r"wrong only where \w > 0",
    "beyond": r"wrong only where (x|\|x\|) > (-0\.25|1\.5|0\.75)",
    "zero": r"wrong only where \w = 0",
    "ties": r"wrong only where (entries of \w tie|\w = [a-z])|together they are none",
    "zeros": r"grad_output (of|with) zeros",
    "single": r"in float32, the gradient",
    "strided": r"not contiguous|expanded",
    "rows": r"for .* of shape 67",
    "swapped": r"are swapped",
}


def cases(spec: Spec) -> Iterator[tuple[str, Function]]:
    """Yield the kinds of bug that a Function can have, and the Function with each."""
    if "ties" in spec.mutants:  # its gradient is a mask, which most bugs leave as it is
        yield "ties", build(spec, spec.mutants["ties"])
        return
    for kind, plant in ANYWHERE.items():
        yield kind, plant(build(spec))
    for kind, replaced in spec.mutants.items():
        yield kind, build(spec, replaced)
    if spec.name in ENTRYWISE:
        yield "zero", AT_ZERO(build(spec))
        saved = spec.backward.split("; ", maxsplit=1)[0]
        for kind, change in LOCAL.items():
            if kind in {"negative", "positive"} and spec.name in ONE_SIDED:
                continue
            yield kind, build(spec, (saved, f"{saved}; {change.format(x=next(iter(spec.shapes)))}"))
    shape, *others = spec.shapes.values()
    if others and others[0] == shape:
        yield "swapped", SWAPPED(build(spec))
    square = len(shape) > 1 and shape[-1] == shape[-2]
    if square and "transposed" not in spec.mutants and spec.name not in SYMMETRIC:
        yield "transposed", TRANSPOSED(build(spec))
