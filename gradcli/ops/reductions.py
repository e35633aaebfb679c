"""Reductions, norms and cumulative ops."""

from __future__ import annotations

from typing import Any

from gradcli.ops import remedies
from gradcli.ops.family import Family, kernel
from gradcli.ops.record import ALIKE, Op
from gradcli.ops.remedies import Remedy

FAMILY = Family("reductions")

VAR = "var(input, dim, correction=correction, keepdim=keepdim)"
STD = "std(input, dim, correction=correction, keepdim=keepdim)"
# The variance is 0 of other numbers too, whose squares underflow.
NO_SPREAD = f"""x = real(input + 0j)
y = imag(input + 0j)
({VAR} == 0)*(amax(x, dim, keepdim) == amin(x, dim, keepdim))*(amax(y, dim, keepdim) == amin(y, dim, keepdim))"""


def _spread(name: str, definition: str, *, remedy: tuple[Remedy, ...] = (), **more: Any) -> Op:
    """Return `var` or a relative of it: PyTorch still takes `unbiased`, by its place or its name."""
    first = "[0]" if name.endswith("_mean") else ""
    both = f"a, b = {name}(x, 0, correction=0); a*b | x=4x2"
    return FAMILY.composite(
        f"{name}(input, dim: ints = None, *, correction=1, keepdim=False)",
        definition,
        f"{name}(x){first} | x=2x3",
        both if first else f"{name}(x, dim=0, correction=0) | x=4x2",
        f"{name}(x, False){first} | x=2x3",
        f"{name}(x, 1, unbiased=False, keepdim=True){first} | x=2x3",
        remedy=remedy,
        overloads=(
            FAMILY.composite(
                f"{name}(input, unbiased: bool)",
                f"{name}(input, correction=1 if unbiased else 0)",
                complex=ALIKE,
                remedy=remedy,
            ),
            FAMILY.composite(
                f"{name}(input, dim: ints, unbiased: bool = True, keepdim=False)",
                f"{name}(input, dim, correction=1 if unbiased else 0, keepdim=keepdim)",
                complex=ALIKE,
                remedy=remedy,
            ),
        ),
        **{"complex": ALIKE, **more},
    )


def _extreme(name: str, pointwise: str) -> Op:
    """Return `max` or `min`: of all entries, along an axis with the indices, or of two tensors."""
    sign = 1 if name == "max" else -1
    return FAMILY.composite(
        f"{name}(input)",
        f"_at(_rows(input, None), arg{name}(_rows(input, None), -1))",
        f"{name}(x) | x=2x3",
        f"{name}(x, dim=1).values | x=2x3",
        f"{name}(x, 0, True)[0] | x=2x3",
        f"{name}(x, y) | x=2x3 y=3",
        kinks=f"_tied(input, None, {sign})",
        overloads=(
            FAMILY.composite(
                f"{name}(input, dim: int, keepdim=False)",
                f"v, i = {name}(detach(input), dim, True); y = gather(input, dim, i); (y, i) if keepdim else (squeeze(y, dim), squeeze(i, dim))",
                kinks=f"_tied(input, dim, {sign})",
                fields=("values", "indices"),
            ),
            FAMILY.composite(f"{name}(input, other: Tensor)", f"{pointwise}(input, other)"),
        ),
    )


MODULUS = """if ord == 2:
    y = _root(sum(real(x)**2 + imag(x)**2, dim, keepdim))
else:
    y = linalg.vector_norm(abs(x), ord, dim, keepdim)
y"""

REDUCTIONS: tuple[Op, ...] = (
    FAMILY.indexed(
        "sum(input, dim=None, keepdim=False)",
        "input[..., k]",
        "sum(x) | x=2x3",
        "x.sum(dim=0) | x=2x3",
        "sum(x, dim=(0, 2), keepdim=True) | x=2x3x2",
        along="dim",
    ),
    FAMILY.indexed(
        "cumsum(input, dim)",
        "(k <= i)*input[..., k]",
        "cumsum(x, dim=0) | x=4",
        "cumsum(x, dim=0) | x=3x2",
        entry="i",
        along="dim",
    ),
    FAMILY.composite(
        "mean(input, dim=None, keepdim=False)",
        "sum(input, dim, keepdim)*(numel(sum(input, dim))/numel(input))",
        "mean(x) | x=2x3",
        "mean(x, dim=1, keepdim=True) | x=2x3",
        complex=ALIKE,
    ),
    FAMILY.composite(
        "prod(input, dim=None, keepdim=False)",
        """x = _rows(input, dim)
y = ones(x.shape[:-1])
while x.shape[-1] > 0:
    half = x.shape[-1] // 2
    y = y*x[..., 2*half] if 2*half < x.shape[-1] else y
    x = x[..., :half]*x[..., half:2*half]
reshape(y, sum(input, dim, keepdim).shape)""",
        "prod(x) | x=2x3",
        "prod(x, dim=1) | x=2x3",
        complex=ALIKE,
    ),
    _spread(
        "var",
        """d = input - mean(input, dim, True)
n = numel(input)/numel(sum(input, dim))
sum(d*d, dim, keepdim)/(n - (1 if correction is None else correction))""",
        remedy=remedies.VARIANCE,
        complex=f"{VAR.replace('input', 'real(input)')} + {VAR.replace('input', 'imag(input)')}",
    ),
    _spread("std", f"_root({VAR})", kinks=NO_SPREAD, remedy=remedies.SPREAD),
    _spread("var_mean", f"({VAR}, mean(input, dim, keepdim))"),
    _spread("std_mean", f"({STD}, mean(input, dim, keepdim))"),
    FAMILY.composite(
        "nansum(input, dim=None, keepdim=False)",
        "sum(where(isnan(input), 0, input), dim, keepdim)",
        "nansum(x) | x=2x3",
        "nansum(x, dim=1, keepdim=True) | x=2x3",
    ),
    FAMILY.composite(
        "nanmean(input, dim=None, keepdim=False)",
        "missing = isnan(input); sum(where(missing, 0, input), dim, keepdim)/sum(logical_not(missing), dim, keepdim)",
        "nanmean(x) | x=2x3",
        "nanmean(x, dim=(0, 1)) | x=2x3",
    ),
    FAMILY.composite(
        "sum_to_size(input, *size)",
        "axes = _broadcast_axes(input, size); reshape(input if axes == () else sum(_rows(input, axes), -1), size)",
        "x.sum_to_size(2, 1) | x=2x3",
        "x.sum_to_size((3,)) | x=2x2x3",
        "(x*x).sum_to_size(x.shape) | x=2x3",
        torch="torch.Tensor.sum_to_size",
        complex=ALIKE,
    ),
    FAMILY.composite(
        "dist(input, other, p=2)",
        "linalg.vector_norm(input - other, p)",
        "dist(x, y) | x=2x3 y=3",
        "dist(x, y, 3) | x=4 y=4",
        complex=ALIKE,
    ),
    # The factor that PyTorch takes is a little too small, lest rounding leave a norm above the largest one allowed.
    FAMILY.composite(
        "renorm(input, p, dim, maxnorm)",
        """x = movedim(input, dim, 0)
y = reshape(x, (x.shape[0], -1))
n = linalg.vector_norm(y, p, 1, True)
y = where(n > maxnorm, y*(maxnorm/(n + 1e-7)), y) if maxnorm > 0 else 0*y
movedim(reshape(y, x.shape), 0, dim)""",
        "renorm(x, 2, 0, 1) | x=3x2",
        "renorm(x, 1, 1, 0.5) | x=2x3x2",
        discontinuities="x = movedim(input, dim, 0); any(linalg.vector_norm(reshape(x, (x.shape[0], -1)), p, 1) == maxnorm)",
    ),
    FAMILY.composite(
        "cov(input, *, correction=1, fweights=None, aweights=None)",
        """x = input if input.ndim == 2 else reshape(input, (1, -1))
w = ones(x.shape[1]) if fweights is None else fweights
w = w if aweights is None else w*aweights
total = sum(w)
d = x - sum(x*w, 1, True)/total
y = einsum("ik,jk->ij", d, d*w)/(total - correction*(1 if aweights is None else sum(w*aweights)/total))
y if x.shape[0] > 1 else reshape(y, ())""",
        "cov(x) | x=3x4",
        "cov(x, correction=0) | x=5",
        "cov(x, fweights=tensor([1, 2, 1]), aweights=w**2) | x=2x3 w=3",
        integers=("fweights",),
        below={"fweights": "5"},
    ),
    FAMILY.composite(
        "corrcoef(input)",
        """c = cov(input)
s = sqrt(diagonal(c) if c.ndim == 2 else c)
c/(unsqueeze(s, -1)*s) if c.ndim == 2 else c/(s*s)""",
        "corrcoef(x)[0, 1:] | x=3x4",
    ),
    FAMILY.composite(
        "logsumexp(input, dim, keepdim=False)",
        "m = amax(detach(input), dim, True); y = log(sum(exp(input - m), dim, True)) + m; reshape(y, sum(input, dim, keepdim).shape)",
        "logsumexp(x, dim=0) | x=3x2",
        "logsumexp(x, dim=(0, 1), keepdim=True) | x=3x2",
        aliases=("special.logsumexp",),
    ),
    FAMILY.composite(
        "amax(input, dim=None, keepdim=False)",
        "reshape(_at(_rows(input, dim), argmax(_rows(input, dim), -1)), sum(input, dim, keepdim).shape)",
        "amax(x, dim=1) | x=2x5",
        kinks="_tied(input, dim, 1)",
    ),
    FAMILY.composite(
        "amin(input, dim=None, keepdim=False)",
        "reshape(_at(_rows(input, dim), argmin(_rows(input, dim), -1)), sum(input, dim, keepdim).shape)",
        "amin(x, dim=1) | x=2x5",
        kinks="_tied(input, dim, -1)",
    ),
    _extreme("max", "maximum"),
    _extreme("min", "minimum"),
    FAMILY.constant(
        "_broadcast_axes(input, size)",
        "the axes along which a tensor of a size would have to be broadcast",
        torch=kernel("arrange.broadcast_axes"),
    ),
    FAMILY.constant("is_tensor(obj)", "whether it is a tensor"),
    FAMILY.constant(
        "_out_of_range(input, p)",
        "whether a power of a positive entry is too small or too large for a float",
        torch=kernel("general.out_of_range"),
    ),
    FAMILY.constant("_tied(input, dim, sign)", "where the extreme value stands twice", torch=kernel("general.tied")),
    FAMILY.composite(
        "norm(input, p='fro', dim=None, keepdim=False)",
        """if p == 'nuc':
    y = linalg.matrix_norm(input, 'nuc', (-2, -1) if dim is None else dim, keepdim)
else:
    y = vector_norm(input, 2 if p == 'fro' else p, dim, keepdim)
y""",
        "norm(x) | x=4",
        "norm(x, dim=1) | x=2x3",
        "norm(x, p=1) | x=4",
        "norm(x, 'nuc') | x=2x3",
        kinks="_norm_kink(movedim(input, (-2, -1) if dim is None else dim, (-2, -1)), 'nuc') if p == 'nuc' else False if p == 0 else (amin(abs(input), dim, True) if p != 'fro' and p < 0 else amax(abs(input), dim, True)) == 0",
        discontinuities="any(input == 0) if p == 0 else False",
        complex=ALIKE,
        remedy=remedies.NORM,
    ),
    FAMILY.composite(
        "linalg.vector_norm(x, ord=2, dim=None, keepdim=False)",
        """m = amax(abs(detach(x)), dim, True)
p = 1 if ord == 0 or ord == inf or ord == -inf else ord if ord > 0 else -ord
if _out_of_range(m, p):
    m = where(m > 0, m, 1)
    y = reshape(m, sum(x, dim, keepdim).shape)*linalg.vector_norm(x/m, ord, dim, keepdim)
elif ord == inf:
    y = amax(abs(x), dim, keepdim)
elif ord == -inf:
    y = amin(abs(x), dim, keepdim)
elif ord == 0:
    y = sum(0*x + (x != 0), dim, keepdim)
elif ord == 1:
    y = sum(abs(x), dim, keepdim)
elif ord == 2:
    y = _root(sum(x*x, dim, keepdim))
else:
    y = sum(abs(x)**ord, dim, keepdim)**(1/ord)
y""",
        "torch.linalg.vector_norm(x) | x=2x3",
        "torch.linalg.vector_norm(x, 3) | x=4",
        "torch.linalg.vector_norm(x, 1, dim=0) | x=2x3",
        "torch.linalg.vector_norm(x, inf) | x=4",
        "torch.linalg.vector_norm(x, -inf) | x=4",
        "torch.linalg.vector_norm(x, 0)*x | x=4",
        kinks="False if ord == 0 else amin(abs(x), dim, True) == 0 if ord < 0 else amax(abs(x), dim, True) == 0",
        discontinuities="any(x == 0) if ord == 0 else False",
        complex=MODULUS,
        remedy=remedies.NORM,
    ),
    FAMILY.constant("argmax(input, dim=None, keepdim=False)", "the index of the largest entry"),
    FAMILY.constant("argmin(input, dim=None, keepdim=False)", "the index of the smallest entry"),
    FAMILY.constant("all(input, dim=None, keepdim=False)", "whether every entry is true"),
    FAMILY.constant("any(input, dim=None, keepdim=False)", "whether some entry is true"),
    FAMILY.constant("numel(input)", "the number of entries"),
)
