"""Right custom Functions, and the bugs that are planted in them.

Each is source text: `forward` and `backward` are bodies, the last line of which is what they return. `mutants` are
replacements in the text of backward for bugs that need one; the other bugs are planted alike in every Function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

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
    # at each entry by itself
    spec("Sine", "x=2x5", "save(x); torch.sin(3*x)", "x, = saved; 3*g*torch.cos(3*x)"),
    spec(
        "Softsign",
        "x=2x5",
        "save(x); x / (1 + x*x).sqrt()",
        "x, = saved; g*(1 + x*x)**-1.5",
    ),
    spec("LogCosh", "x=2x5", "save(x); F.softplus(2*x) - x", "x, = saved; g*tanh(x)"),
    spec(
        "SquaredRelu",
        "x=2x5",
        "save(x); torch.relu(x)**2",
        "x, = saved; 2*g*torch.relu(x)",
    ),
    spec(
        "Mish",
        "x=2x5",
        "save(x); x * tanh(F.softplus(x))",
        "x, = saved; t = tanh(F.softplus(x)); g*(t + x*torch.sigmoid(x)*(1 - t*t))",
        dropped=("t + x*torch.sigmoid(x)*(1 - t*t)", "t"),
    ),
    spec(
        "QuickGelu",
        "x=2x5",
        "save(x); x * torch.sigmoid(1.702*x)",
        "x, = saved; s = torch.sigmoid(1.702*x); g*(s + 1.702*x*s*(1 - s))",
        dropped=("s + 1.702*x*s*(1 - s)", "s"),
    ),
    spec(
        "Celu",
        "x=2x5",
        "save(x); torch.clamp(x, min=0) + torch.clamp(2*torch.expm1(x/2), max=0)",
        "x, = saved; g*torch.where(x > 0, torch.ones_like(x), exp(x/2))",
    ),
    spec("Tanhshrink", "x=2x5", "save(x); x - tanh(x)", "x, = saved; g*tanh(x)**2"),
    spec("Gaussian", "x=2x5", "save(x); exp(-x*x/2)", "x, = saved; -g*x*exp(-x*x/2)"),
    spec(
        "SmoothAbsolute",
        "x=2x5",
        "save(x); (x*x + 0.25).sqrt()",
        "x, = saved; g*x/(x*x + 0.25).sqrt()",
    ),
    spec(
        "Gated",
        "x=2x5 b=5",
        "save(x, b); x * torch.sigmoid(x*b)",
        "x, b = saved; s = torch.sigmoid(x*b); g*(s + x*b*s*(1 - s)), (g*x*x*s*(1 - s)).sum(0)",
        broadcast=("(g*x*x*s*(1 - s)).sum(0)", "g*x*x*s*(1 - s)"),
    ),
    # maxima and minima, with a subgradient where entries tie
    spec(
        "RowMaximum",
        "x=3x4",
        "save(x); x.amax(-1)",
        "x, = saved; m = (x == x.amax(-1, keepdim=True)).to(x.dtype); g[..., None]*m/m.sum(-1, keepdim=True)",
        ties=("m/m.sum(-1, keepdim=True)", "m"),
    ),
    spec(
        "RowMinimum",
        "x=3x4",
        "save(x); x.amin(-1)",
        "x, = saved; m = (x == x.amin(-1, keepdim=True)).to(x.dtype); g[..., None]*m/m.sum(-1, keepdim=True)",
        ties=("m/m.sum(-1, keepdim=True)", "m"),
    ),
    spec(
        "Largest",
        "x=6",
        "save(x); x.max()",
        "x, = saved; m = (x == x.max()).to(x.dtype); g*m/m.sum()",
        ties=("m/m.sum()", "m"),
    ),
    spec(
        "Elementwise",
        "x=2x3 y=2x3",
        "save(x, y); torch.maximum(x, y)",
        "x, y = saved; t = (x == y)*0.5; g*((x > y) + t), g*((y > x) + t)",
        ties=("(x == y)*0.5", "(x == y)*1.0"),
    ),
    spec(
        "Lesser",
        "x=2x3 y=2x3",
        "save(x, y); torch.minimum(x, y)*x",
        "x, y = saved; t = (x == y)*0.5; g*(((x < y) + t)*x + torch.minimum(x, y)), g*((y < x) + t)*x",
        ties=("(x == y)*0.5", "(x == y)*1.0"),
    ),
    spec(
        "Range",
        "x=3x4",
        "save(x); x.amax(-1) - x.amin(-1)",
        "x, = saved; m = (x == x.amax(-1, keepdim=True)).to(x.dtype); n = (x == x.amin(-1, keepdim=True)).to(x.dtype); "
        "g[..., None]*(m/m.sum(-1, keepdim=True) - n/n.sum(-1, keepdim=True))",
        ties=("m/m.sum(-1, keepdim=True)", "m"),
    ),
    spec(
        "LargestMagnitude",
        "x=2x4",
        "save(x); x.abs().amax(-1)",
        "x, = saved; m = (x.abs() == x.abs().amax(-1, keepdim=True)).to(x.dtype); "
        "g[..., None]*x.sign()*m/m.sum(-1, keepdim=True)",
        ties=("m/m.sum(-1, keepdim=True)", "m"),
    ),
    spec(
        "AboveTheMean",
        "x=3x4",
        "save(x); x.amax(-1) - x.mean(-1)",
        "x, = saved; m = (x == x.amax(-1, keepdim=True)).to(x.dtype); "
        "g[..., None]*(m/m.sum(-1, keepdim=True) - 1/x.shape[-1])",
        ties=("m/m.sum(-1, keepdim=True)", "m"),
    ),
    spec(
        "LargestSquared",
        "x=3x4",
        "save(x); x.amax(-1)**2",
        "x, = saved; y = x.amax(-1, keepdim=True); m = (x == y).to(x.dtype); "
        "2*g[..., None]*y*m/m.sum(-1, keepdim=True)",
        ties=("m/m.sum(-1, keepdim=True)", "m"),
    ),
    spec(
        "ColumnMaximum",
        "x=4x3",
        "save(x); x.amax(0)",
        "x, = saved; m = (x == x.amax(0)).to(x.dtype); g*m/m.sum(0)",
        ties=("m/m.sum(0)", "m"),
    ),
    spec(
        "MaximumOfThree",
        "x=4 y=4 z=4",
        "save(x, y, z); torch.stack([x, y, z]).amax(0)",
        "x, y, z = saved; s = torch.stack([x, y, z]); m = (s == s.amax(0)).to(x.dtype); d = g*m/m.sum(0); "
        "d[0], d[1], d[2]",
        ties=("m/m.sum(0)", "m"),
    ),
    spec(
        "MaxPool",
        "x=2x6",
        "save(x); x.unfold(-1, 2, 2).amax(-1)",
        "x, = saved; p = x.unfold(-1, 2, 2); m = (p == p.amax(-1, keepdim=True)).to(x.dtype); "
        "d = g[..., None]*m/m.sum(-1, keepdim=True); d = d.flatten(-2); F.pad(d, (0, x.shape[-1] - d.shape[-1]))",
        ties=("m/m.sum(-1, keepdim=True)", "m"),
    ),
    spec(
        "PairDistance",
        "x=5 y=5",
        "save(x, y); (x - y).abs()",
        "x, y = saved; d = g*(x - y).sign(); d, -d",
        ties=("(x - y).sign()", "(2.0*(x > y) - 1 + 4*(x == y))"),
    ),
)
