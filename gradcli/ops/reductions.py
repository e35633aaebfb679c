"""Reductions, norms and cumulative ops."""

from __future__ import annotations

from gradcli.ops.record import Kind, Op


def _composite(signature: str, definition: str, *examples: str, **rest: object) -> Op:
    name = signature.partition("(")[0]
    return Op(signature, f"torch.{name}", Kind.COMPOSITE, definition, "reductions", examples=examples, **rest)  # type: ignore[arg-type]


REDUCTIONS: tuple[Op, ...] = (
    Op(
        "sum(input, dim=None, keepdim=False)",
        "torch.sum",
        Kind.INDEXED,
        "input[..., k]",
        "reductions",
        along="dim",
        examples=("sum(x) | x=2x3", "x.sum(dim=0) | x=2x3", "sum(x, dim=(0, 2), keepdim=True) | x=2x3x2"),
    ),
    Op(
        "cumsum(input, dim)",
        "torch.cumsum",
        Kind.INDEXED,
        "(k <= i)*input[..., k]",
        "reductions",
        entry="i",
        along="dim",
        examples=("cumsum(x, dim=0) | x=4", "cumsum(x, dim=0) | x=3x2"),
    ),
    _composite(
        "mean(input, dim=None, keepdim=False)",
        "sum(input, dim, keepdim)*(numel(sum(input, dim))/numel(input))",
        "mean(x) | x=2x3",
        "mean(x, dim=1, keepdim=True) | x=2x3",
    ),
    _composite(
        "prod(input, dim=None, keepdim=False)",
        """x = reshape(input, (-1, 1)) if dim is None else reshape(movedim(input, dim, 0), (input.shape[dim], -1))
while x.shape[0] > 1:
    half = x.shape[0] // 2
    x = cat([x[0:half]*x[half:2*half], x[2*half:]])
shape = () if dim is None else sum(input, dim, keepdim).shape
reshape(x, shape)""",
        "prod(x) | x=2x3",
        "prod(x, dim=1) | x=2x3",
    ),
    _composite(
        "var(input, dim=None, *, correction=1, keepdim=False)",
        "d = input - mean(input, dim, True); n = numel(input)/numel(sum(input, dim)); sum(d*d, dim, keepdim)/(n - correction)",
        "var(x) | x=2x3",
        "var(x, dim=0, correction=0) | x=4x2",
    ),
    _composite(
        "std(input, dim=None, *, correction=1, keepdim=False)",
        "sqrt(var(input, dim, correction=correction, keepdim=keepdim))",
        "std(x) | x=2x3",
        "std(x, dim=0, keepdim=True) | x=4x2",
    ),
    _composite(
        "logsumexp(input, dim, keepdim=False)",
        "m = amax(detach(input), dim, True); y = log(sum(exp(input - m), dim, True)) + m; reshape(y, sum(input, dim, keepdim).shape)",
        "logsumexp(x, dim=0) | x=3x2",
        "logsumexp(x, dim=(0, 1), keepdim=True) | x=3x2",
        aliases=("special.logsumexp",),
    ),
    _composite(
        "amax(input, dim=None, keepdim=False)",
        "reshape(_at(_rows(input, dim), argmax(_rows(input, dim), -1)), sum(input, dim, keepdim).shape)",
        "amax(x, dim=1) | x=2x5",
        kinks="_tied(input, dim, 1)",
    ),
    _composite(
        "amin(input, dim=None, keepdim=False)",
        "reshape(_at(_rows(input, dim), argmin(_rows(input, dim), -1)), sum(input, dim, keepdim).shape)",
        "amin(x, dim=1) | x=2x5",
        kinks="_tied(input, dim, -1)",
    ),
    _composite(
        "max(input, dim=None, keepdim=False)",
        """if dim is None:
    result = _at(_rows(input, None), argmax(_rows(input, None), -1))
elif is_tensor(dim):
    result = maximum(input, dim)
else:
    index = argmax(input, dim, keepdim)
    result = (reshape(_at(_rows(input, dim), argmax(_rows(input, dim), -1)), index.shape), index)
result""",
        "max(x) | x=2x3",
        "max(x, dim=1).values | x=2x3",
        "max(x, y) | x=2x3 y=3",
        kinks="_tied(input, dim, 1)",
    ),
    _composite(
        "min(input, dim=None, keepdim=False)",
        """if dim is None:
    result = _at(_rows(input, None), argmin(_rows(input, None), -1))
elif is_tensor(dim):
    result = minimum(input, dim)
else:
    index = argmin(input, dim, keepdim)
    result = (reshape(_at(_rows(input, dim), argmin(_rows(input, dim), -1)), index.shape), index)
result""",
        "min(x) | x=2x3",
        "min(x, dim=1)[0] | x=2x3",
        kinks="_tied(input, dim, -1)",
    ),
    Op("is_tensor(obj)", "torch.is_tensor", Kind.CONSTANT, "whether it is a tensor", "reductions"),
    Op(
        "_tied(input, dim, sign)",
        "gradcli.execution.kernels.tied",
        Kind.CONSTANT,
        "where the extreme value stands twice",
        "reductions",
    ),
    _composite(
        "norm(input, p='fro', dim=None, keepdim=False)",
        "vector_norm(input, 2 if p == 'fro' else p, dim, keepdim)",
        "norm(x) | x=4",
        "norm(x, dim=1) | x=2x3",
        "norm(x, p=1) | x=4",
        kinks="norm(input, p, dim, True) == 0",
    ),
    Op(
        "linalg.vector_norm(x, ord=2, dim=None, keepdim=False)",
        "torch.linalg.vector_norm",
        Kind.COMPOSITE,
        """if ord == inf:
    y = amax(abs(x), dim, keepdim)
elif ord == 1:
    y = sum(abs(x), dim, keepdim)
elif ord == 2:
    y = _root(sum(x*x, dim, keepdim))
else:
    y = sum(abs(x)**ord, dim, keepdim)**(1/ord)
y""",
        "reductions",
        kinks="linalg.vector_norm(x, ord, dim, True) == 0",
        examples=(
            "torch.linalg.vector_norm(x) | x=2x3",
            "torch.linalg.vector_norm(x, 3) | x=4",
            "torch.linalg.vector_norm(x, 1, dim=0) | x=2x3",
            "torch.linalg.vector_norm(x, inf) | x=4",
        ),
    ),
    Op(
        "argmax(input, dim=None, keepdim=False)",
        "torch.argmax",
        Kind.CONSTANT,
        "the index of the largest entry",
        "reductions",
    ),
    Op(
        "argmin(input, dim=None, keepdim=False)",
        "torch.argmin",
        Kind.CONSTANT,
        "the index of the smallest entry",
        "reductions",
    ),
    Op("all(input, dim=None, keepdim=False)", "torch.all", Kind.CONSTANT, "whether every entry is true", "reductions"),
    Op("any(input, dim=None, keepdim=False)", "torch.any", Kind.CONSTANT, "whether some entry is true", "reductions"),
    Op("numel(input)", "torch.numel", Kind.CONSTANT, "the number of entries", "reductions"),
)
