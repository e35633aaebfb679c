"""Constants: factories, comparisons, and functions whose derivative is zero wherever it exists."""

from __future__ import annotations

from gradcli.ops.family import Family, kernel
from gradcli.ops.record import Op

FAMILY = Family("constants")


def _comparison(name: str, sign: str, aliases: tuple[str, ...] = ()) -> Op:
    formula = f"input {sign} other"
    return FAMILY.constant(f"{name}(input, other)", formula, formula=formula, aliases=aliases)


FACTORIES: tuple[Op, ...] = (
    FAMILY.constant("tensor(data)", "the numbers as they are written"),
    FAMILY.constant("eye(n, m=None)", "1 where the two indices are equal, else 0", torch=kernel("general.eye")),
    FAMILY.constant("zeros(*size)", "0 everywhere"),
    FAMILY.constant("ones(*size)", "1 everywhere"),
    FAMILY.constant("full(size, fill_value)", "one number everywhere"),
    FAMILY.constant(
        "arange(start, end=None, step=1)",
        "start, start + step, … below end",
        torch=kernel("general.arange"),
    ),
    FAMILY.constant("linspace(start, end, steps)", "evenly spaced numbers"),
    FAMILY.constant("zeros_like(input)", "0 everywhere"),
    FAMILY.constant("ones_like(input)", "1 everywhere"),
    FAMILY.constant("full_like(input, fill_value)", "one number everywhere"),
    FAMILY.constant("detach(input)", "the same values, as a constant", torch="torch.Tensor.detach"),
    FAMILY.constant(
        "to(input, dtype)",
        "the same values as integers, as truth values, or rounded to fewer digits",
        torch=kernel("casts.to"),
    ),
    FAMILY.constant(
        "sign(input)",
        "-1, 0 or 1",
        "sign(x)*x | x=2x3",
        discontinuities="input == 0",
        formula="where(input > 0, 1, where(input < 0, -1, 0))",
    ),
    FAMILY.constant(
        "sgn(input)",
        "-1, 0 or 1",
        "sgn(x)*x | x=2x3",
        discontinuities="input == 0",
        formula="where(input > 0, 1, where(input < 0, -1, 0))",
        complex="where(input == 0, input, input/abs(input))",
    ),
    FAMILY.constant(
        "floor(input)",
        "the largest integer that is not larger",
        "floor(x)*x | x=2x3",
        discontinuities="input == round(input)",
        formula="floor(input)",
    ),
    FAMILY.constant(
        "ceil(input)",
        "the smallest integer that is not smaller",
        "ceil(x)*x | x=2x3",
        discontinuities="input == round(input)",
        formula="ceil(input)",
    ),
    FAMILY.constant(
        "round(input)", "the nearest integer", "round(x)*x | x=2x3", discontinuities="input - floor(input) == 0.5"
    ),
    FAMILY.constant("floor_divide(input, other)", "the largest integer that is not larger than the quotient"),
    FAMILY.constant(
        "trunc(input)",
        "the integer part",
        "trunc(x)*x | x=2x3",
        discontinuities="logical_and(input == round(input), input != 0)",
        aliases=("fix",),
    ),
    FAMILY.constant("heaviside(input, values)", "0, `values` or 1"),
    _comparison("lt", "<", aliases=("less",)),
    _comparison("le", "<=", aliases=("less_equal",)),
    _comparison("gt", ">", aliases=("greater",)),
    _comparison("ge", ">=", aliases=("greater_equal",)),
    _comparison("eq", "=="),
    _comparison("ne", "!=", aliases=("not_equal",)),
    FAMILY.constant("logical_and(input, other)", "both are true"),
    FAMILY.constant("logical_or(input, other)", "one is true"),
    FAMILY.constant("logical_xor(input, other)", "exactly one is true"),
    FAMILY.constant("logical_not(input)", "it is false"),
    FAMILY.constant("bitwise_and(input, other)", "both are true; of integers, bit by bit"),
    FAMILY.constant("bitwise_or(input, other)", "one is true; of integers, bit by bit"),
    FAMILY.constant("bitwise_not(input)", "it is false; of integers, bit by bit"),
    FAMILY.constant("signbit(input)", "it is negative, or -0"),
    FAMILY.constant(
        "angle(input)",
        "0 or pi",
        "angle(x)*x | x=2x3",
        discontinuities="input == 0",
        cuts="(imag(input) == 0)*(real(input) <= 0)",
        complex="atan2(imag(input), real(input))",
    ),
    FAMILY.constant("isnan(input)", "it is not a number"),
    FAMILY.constant("isinf(input)", "it is infinite"),
    FAMILY.constant("isposinf(input)", "it is inf"),
    FAMILY.constant("isneginf(input)", "it is -inf"),
    FAMILY.constant("nonzero(input)", "the indices of entries that are not 0"),
    FAMILY.constant("count_nonzero(input, dim=None)", "how many entries are not 0"),
    FAMILY.constant(
        "linalg.matrix_rank(A, tol=None, *, atol=None, rtol=None, hermitian=False)",
        "how many singular values are not 0",
    ),
    FAMILY.constant(
        "searchsorted(sorted_sequence, input, *, right=False)", "the indices at which values would be put in"
    ),
    FAMILY.constant("bucketize(input, boundaries, *, right=False)", "the indices of the buckets that values fall in"),
    FAMILY.constant("isfinite(input)", "it is finite"),
    FAMILY.constant("argsort(input, dim=-1, descending=False, *, stable=False)", "the indices that sort"),
    FAMILY.constant("dim(input)", "the number of axes", torch="torch.Tensor.dim", aliases=("ndimension",)),
    FAMILY.constant("size(input, dim=None)", "the shape, or one of its lengths", torch="torch.Tensor.size"),
)
