"""Right custom Functions, and the bugs that are planted in them.

Each is source text: `forward` and `backward` are bodies, the last line of which is what they return. `mutants` are
replacements in the text of backward for bugs that need one; the other bugs are planted alike in every Function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Function = type[torch.autograd.Function]
Replacement = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Spec:
    """One Function: the shapes of its inputs, and the text of its two halves."""

    name: str
    shapes: Mapping[str, tuple[int, ...]]
    forward: str
    backward: str
    mutants: Mapping[str, Replacement] = field(default_factory=dict)


def spec(name: str, shapes: str, forward: str, backward: str, **mutants: Replacement) -> Spec:
    """Return a Function from `x=2x3 w=3` and the text of its halves, statements separated by semicolons."""
    pairs = (part.split("=") for part in shapes.split())
    sizes = {leaf: tuple(int(n) for n in shape.split("x")) for leaf, shape in pairs}
    return Spec(name, sizes, forward, backward, mutants)


SPECS: tuple[Spec, ...] = (
    # activations
    spec(
        "Sigmoid",
        "x=3x3",
        "y = 1 / (1 + exp(-x)); save(y); y",
        "y, = saved; g*y*(1 - y)",
        dropped=("g*y*(1 - y)", "g*y"),
    ),
    spec("Tanh", "x=3x3", "y = tanh(x); save(y); y", "y, = saved; g*(1 - y*y)", dropped=("1 - y*y", "1 + 0*y")),
    spec(
        "Silu",
        "x=3x3",
        "save(x); x / (1 + exp(-x))",
        "x, = saved; s = 1/(1 + exp(-x)); g*(s + x*s*(1 - s))",
        dropped=("s + x*s*(1 - s)", "s"),
    ),
    spec("Softplus", "x=3x3", "save(x); log(1 + exp(x))", "x, = saved; g/(1 + exp(-x))"),
    spec(
        "Gelu",
        "x=2x4",
        "save(x); x * (1 + torch.erf(x / 2**0.5)) / 2",
        "x, = saved; p = (1 + torch.erf(x / 2**0.5))/2; g*(p + x*exp(-x*x/2)/(2*math.pi)**0.5)",
        dropped=("p + x*exp(-x*x/2)/(2*math.pi)**0.5", "p"),
    ),
    spec(
        "Swiglu",
        "a=3x3 b=3x3",
        "save(a, b); F.silu(a) * b",
        "a, b = saved; s = torch.sigmoid(a); g*b*(s + a*s*(1 - s)), g*a*s",
        dropped=("b*(s + a*s*(1 - s))", "b*s"),
    ),
    spec(
        "Elu",
        "x=2x5",
        "save(x); torch.where(x > 0, x, exp(x) - 1)",
        "x, = saved; g*torch.where(x > 0, torch.ones_like(x), exp(x))",
    ),
    spec(
        "Leaky",
        "x=2x5",
        "save(x); torch.where(x > -0.25, x*x, x/2 + 0.1875)",
        "x, = saved; g*torch.where(x > -0.25, 2*x, torch.full_like(x, 0.5))",
        beyond=("2*x,", "3*x,"),
    ),
    spec(
        "Huber",
        "x=2x5",
        "save(x); torch.where(x.abs() < 1.5, x*x/2, 1.5*x.abs() - 1.125)",
        "x, = saved; g*torch.where(x.abs() < 1.5, x, 1.5*x.sign())",
        beyond=("1.5*x.sign()", "x.sign()"),
    ),
    spec(
        "ClampedProduct",
        "x=6",
        "save(x); torch.clamp(x, min=0.75) * x",
        "x, = saved; g*torch.where(x > 0.75, 2*x, torch.full_like(x, 0.75))",
        beyond=("2*x", "x"),
    ),
    # losses
    spec(
        "MeanSquare",
        "x=3x3 t=3x3",
        "save(x, t); ((x - t)**2).mean()",
        "x, t = saved; d = 2*g*(x - t)/x.numel(); d, -d",
        dropped=("2*g*(x - t)", "2*g*x"),
    ),
    spec(
        "LogisticLoss",
        "x=4 t=4",
        "save(x, t); (log(1 + exp(x)) - t*x).sum()",
        "x, t = saved; g*(torch.sigmoid(x) - t), -g*x",
        dropped=("torch.sigmoid(x) - t", "torch.sigmoid(x)"),
    ),
    spec(
        "CrossEntropy",
        "x=3x3 p=3x3",
        "save(x, p); (p * (torch.logsumexp(x, -1, keepdim=True) - x)).sum()",
        "x, p = saved; n = p.sum(-1, keepdim=True); "
        "g*(n*torch.softmax(x, -1) - p), g*(torch.logsumexp(x, -1, keepdim=True) - x)",
        axis=("n = p.sum(-1, keepdim=True)", "n = p.sum(0, keepdim=True)"),
        dropped=("torch.softmax(x, -1) - p", "torch.softmax(x, -1)"),
    ),
    spec(
        "SquaredHinge",
        "x=5 t=5",
        "save(x, t); (torch.relu(1 - t*x)**2).sum()",
        "x, t = saved; m = torch.relu(1 - t*x); -2*g*m*t, -2*g*m*x",
    ),
    spec(
        "Divergence",
        "p=4 q=4",
        "save(p, q); (p*p*(p - q)).sum()",
        "p, q = saved; g*(3*p*p - 2*p*q), -g*p*p",
        dropped=("3*p*p - 2*p*q", "3*p*p"),
    ),
    # normalisations
    spec(
        "Softmax",
        "x=3x3",
        "e = exp(x - x.max(-1, keepdim=True).values); y = e / e.sum(-1, keepdim=True); save(y); y",
        "y, = saved; y*(g - (g*y).sum(-1, keepdim=True))",
        axis=("sum(-1,", "sum(0,"),
        dropped=("g - (g*y).sum(-1, keepdim=True)", "g"),
    ),
    spec(
        "LogSoftmax",
        "x=3x3",
        "y = x - torch.logsumexp(x, -1, keepdim=True); save(y); y",
        "y, = saved; g - exp(y)*g.sum(-1, keepdim=True)",
        axis=("sum(-1,", "sum(0,"),
        dropped=("g - exp(y)*g.sum(-1, keepdim=True)", "g"),
    ),
    spec(
        "LayerNorm",
        "x=3x3",
        "save(x); (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True, correction=0) + 1e-5)",
        "x, = saved; r = torch.rsqrt(x.var(-1, keepdim=True, correction=0) + 1e-5); "
        "y = (x - x.mean(-1, keepdim=True))*r; "
        "r*(g - g.mean(-1, keepdim=True) - y*(g*y).mean(-1, keepdim=True))",
        axis=("(g*y).mean(-1,", "(g*y).mean(0,"),
        dropped=("- y*(g*y).mean(-1, keepdim=True)", ""),
    ),
    spec(
        "RmsNorm",
        "x=3x3 w=3",
        "save(x, w); x*torch.rsqrt((x*x).mean(-1, keepdim=True) + 1e-6)*w",
        "x, w = saved; r = torch.rsqrt((x*x).mean(-1, keepdim=True) + 1e-6); h = g*w; "
        "r*(h - x*r*r*(h*x).mean(-1, keepdim=True)), (g*x*r).sum(0)",
        axis=("(h*x).mean(-1,", "(h*x).mean(0,"),
        dropped=("h - x*r*r*(h*x).mean(-1, keepdim=True)", "h"),
        broadcast=("(g*x*r).sum(0)", "g*x*r"),
    ),
    spec(
        "BatchNorm",
        "x=4x3 w=3 b=3",
        "save(x, w); (x - x.mean(0)) / torch.sqrt(x.var(0, correction=0) + 1e-5)*w + b",
        "x, w = saved; r = torch.rsqrt(x.var(0, correction=0) + 1e-5); y = (x - x.mean(0))*r; h = g*w; "
        "r*(h - h.mean(0) - y*(h*y).mean(0)), (g*y).sum(0), g.sum(0)",
        dropped=("- h.mean(0) -", "-"),
        broadcast=("g.sum(0)", "g"),
    ),
    spec(
        "Normalise",
        "x=3x3",
        "save(x); x / x.norm(dim=-1, keepdim=True)",
        "x, = saved; n = x.norm(dim=-1, keepdim=True); (g - x*(x*g).sum(-1, keepdim=True)/n**2)/n",
        axis=("(x*g).sum(-1,", "(x*g).sum(0,"),
        dropped=("g - x*(x*g).sum(-1, keepdim=True)/n**2", "g"),
    ),
    spec(
        "LogSumExp",
        "x=3x3",
        "y = torch.logsumexp(x, -1); save(x); y",
        "x, = saved; g.unsqueeze(-1)*torch.softmax(x, -1)",
        axis=("torch.softmax(x, -1)", "torch.softmax(x, 0)"),
    ),
    spec(
        "Variance",
        "x=3x4",
        "save(x); x.var(-1)",
        "x, = saved; g.unsqueeze(-1)*2*(x - x.mean(-1, keepdim=True))/(x.shape[-1] - 1)",
        dropped=("x - x.mean(-1, keepdim=True)", "x"),
    ),
    # products
    spec(
        "Matmul",
        "A=3x3 B=3x3",
        "save(A, B); A @ B",
        "A, B = saved; g @ B.mT, A.mT @ g",
        transposed=("g @ B.mT", "g @ B"),
    ),
    spec(
        "Linear",
        "x=3x3 W=3x3 b=3",
        "save(x, W); x @ W.T + b",
        "x, W = saved; g @ W, g.T @ x, g.sum(0)",
        transposed=("g @ W", "g @ W.T"),
        broadcast=("g.sum(0)", "g"),
        axis=("g.sum(0)", "g.sum(1)"),
    ),
    spec(
        "Quadratic",
        "A=3x3 x=3",
        "save(A, x); x @ A @ x",
        "A, x = saved; g*torch.outer(x, x), g*(A @ x + A.T @ x)",
        dropped=("A @ x + A.T @ x", "A @ x"),
    ),
    spec(
        "BatchMatmul",
        "A=2x3x3 B=3x3",
        "save(A, B); A @ B",
        "A, B = saved; g @ B.mT, (A.mT @ g).sum(0)",
        transposed=("g @ B.mT", "g @ B"),
        broadcast=("(A.mT @ g).sum(0)", "A.mT @ g"),
    ),
    spec(
        "Outer",
        "x=3 y=3",
        "save(x, y); torch.outer(x, y)",
        "x, y = saved; g @ y, g.T @ x",
        transposed=("g @ y", "g.T @ y"),
    ),
    spec(
        "Attention",
        "Q=3x3 K=3x3 V=3x3",
        "save(Q, K, V); torch.softmax(Q @ K.T / 3**0.5, -1) @ V",
        "Q, K, V = saved; P = torch.softmax(Q @ K.T / 3**0.5, -1); dP = g @ V.T; "
        "dS = P*(dP - (dP*P).sum(-1, keepdim=True))/3**0.5; dS @ K, dS.T @ Q, P.T @ g",
        transposed=("P.T @ g", "P @ g"),
        axis=("(dP*P).sum(-1,", "(dP*P).sum(0,"),
        dropped=("dP - (dP*P).sum(-1, keepdim=True)", "dP"),
    ),
    # convolutions and others
    spec(
        "Conv1d",
        "x=1x2x6 w=3x2x3 b=3",
        "save(x, w); F.conv1d(x, w, b)",
        "x, w = saved; t = F.conv1d(x.transpose(0, 1), g.transpose(0, 1)).transpose(0, 1); "
        "F.conv_transpose1d(g, w), t, g.sum((0, 2))",
        broadcast=("g.sum((0, 2))", "g.sum(2)"),
    ),
    spec(
        "Conv2d",
        "x=1x1x4x4 w=1x1x2x2",
        "save(x, w); F.conv2d(x, w)",
        "x, w = saved; t = F.conv2d(x.transpose(0, 1), g.transpose(0, 1)).transpose(0, 1); F.conv_transpose2d(g, w), t",
        transposed=("F.conv_transpose2d(g, w), t", "F.conv_transpose2d(g, w), t.mT"),
    ),
    spec(
        "Affine",
        "x=3x3 w=3 b=3",
        "save(x, w); x*w + b",
        "x, w = saved; g*w, (g*x).sum(0), g.sum(0)",
        broadcast=("(g*x).sum(0)", "g*x"),
        axis=("g.sum(0)", "g.sum(1)"),
    ),
    spec(
        "Cubic",
        "x=4 y=4",
        "save(x, y); x**3 + 2*x*y",
        "x, y = saved; g*(3*x**2 + 2*y), 2*g*x",
        dropped=("3*x**2 + 2*y", "3*x**2"),
    ),
)

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

    import inspect

    forward.__signature__ = inspect.signature(right)  # type: ignore[attr-defined]
    return type(function.__name__, (function,), {"forward": staticmethod(forward)})


def _swapping(_: Any, upstream: tuple[Any, ...], right: Callable[..., Any]) -> Any:
    first, second, *others = right(*upstream)
    return (second, first, *others)


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
}
# What is done to the upstream gradient of a Function that works on each entry by itself, and saves its first input.
LOCAL: Mapping[str, str] = {
    "negative": "g = torch.where({x} < 0, 1.5*g, g)",
    "positive": "g = torch.where({x} > 0, 1.5*g, g)",
    "zero": "g = torch.where({x} == 0, 0*g, g)",
    "zeros": "g = torch.where(g == 0, torch.ones_like(g), g)",
    "single": "g = g*(1.01 if g.dtype == torch.float32 else 1)",
    "strided": "g = g if g.is_contiguous() else 2*g",
    "rows": "g = g*(2 if g.ndim and len(g) > 64 else 1)",
}
ENTRYWISE = frozenset({"Silu", "Softplus", "Gelu", "Swiglu", "Elu", "Cubic"})
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
    "transposed": r"transpose",
    "dropped": r"the (term|factor) .* is missing",
    "axis": r"along the wrong axis",
    "broadcast": r"the sum over .* is missing",
    "negative": r"wrong only where \w < 0",
    "positive": r"wrong only where \w > 0",
    "beyond": r"wrong only where (x|\|x\|) > (-0\.25|1\.5|0\.75)",
    "zero": r"wrong only where \w = 0",
    "zeros": r"grad_output (of|with) zeros",
    "single": r"in float32, the gradient",
    "strided": r"not contiguous|expanded",
    "rows": r"for .* of shape 67",
    "swapped": r"are swapped",
}


def cases(spec: Spec) -> Iterator[tuple[str, Function]]:
    """Yield the kinds of bug that a Function can have, and the Function with each."""
    for kind, plant in ANYWHERE.items():
        yield kind, plant(build(spec))
    for kind, replaced in spec.mutants.items():
        yield kind, build(spec, replaced)
    if spec.name in ENTRYWISE:
        saved = spec.backward.split("; ", maxsplit=1)[0]
        for kind, change in LOCAL.items():
            yield kind, build(spec, (saved, f"{saved}; {change.format(x=next(iter(spec.shapes)))}"))
    shape, *others = spec.shapes.values()
    if others and others[0] == shape:
        yield "swapped", SWAPPED(build(spec))
    square = len(shape) > 1 and shape[-1] == shape[-2]
    if square and "transposed" not in spec.mutants and spec.name not in SYMMETRIC:
        yield "transposed", TRANSPOSED(build(spec))
