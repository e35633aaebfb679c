"""Constants: factories, comparisons, and functions whose derivative is zero wherever it exists."""

from __future__ import annotations

from gradcli.ops.record import Kind, Op


def _constant(
    signature: str,
    definition: str,
    *examples: str,
    torch: str = "torch",
    aliases: tuple[str, ...] = (),
    discontinuities: str | None = None,
    complex: str | None = None,  # noqa: A002 (the record's own word)
) -> Op:
    name = signature.partition("(")[0]
    dotted = torch if torch.count(".") > 1 else f"{torch}.{name}"
    return Op(
        signature,
        dotted,
        Kind.CONSTANT,
        definition,
        "constants",
        aliases=aliases,
        examples=examples,
        discontinuities=discontinuities,
        complex=complex,
    )


FACTORIES: tuple[Op, ...] = (
    _constant("tensor(data)", "the numbers as they are written"),
    _constant(
        "eye(n, m=None)", "1 where the two indices are equal, else 0", torch="gradcli.execution.kernels.general.eye"
    ),
    _constant("zeros(*size)", "0 everywhere"),
    _constant("ones(*size)", "1 everywhere"),
    _constant("full(size, fill_value)", "one number everywhere"),
    _constant(
        "arange(start, end=None, step=1)",
        "start, start + step, … below end",
        torch="gradcli.execution.kernels.general.arange",
    ),
    _constant("linspace(start, end, steps)", "evenly spaced numbers"),
    _constant("zeros_like(input)", "0 everywhere"),
    _constant("ones_like(input)", "1 everywhere"),
    _constant("full_like(input, fill_value)", "one number everywhere"),
    _constant("detach(input)", "the same values, as a constant", torch="torch.Tensor.detach"),
    _constant("sign(input)", "-1, 0 or 1", "sign(x)*x | x=2x3", discontinuities="input == 0"),
    _constant(
        "sgn(input)",
        "-1, 0 or 1",
        "sgn(x)*x | x=2x3",
        discontinuities="input == 0",
        complex="where(input == 0, input, input/abs(input))",
    ),
    _constant(
        "floor(input)",
        "the largest integer that is not larger",
        "floor(x)*x | x=2x3",
        discontinuities="input == round(input)",
    ),
    _constant(
        "ceil(input)",
        "the smallest integer that is not smaller",
        "ceil(x)*x | x=2x3",
        discontinuities="input == round(input)",
    ),
    _constant(
        "round(input)", "the nearest integer", "round(x)*x | x=2x3", discontinuities="input - floor(input) == 0.5"
    ),
    _constant(
        "trunc(input)",
        "the integer part",
        "trunc(x)*x | x=2x3",
        discontinuities="logical_and(input == round(input), input != 0)",
        aliases=("fix",),
    ),
    _constant("heaviside(input, values)", "0, `values` or 1"),
    _constant("lt(input, other)", "input < other", aliases=("less",)),
    _constant("le(input, other)", "input <= other", aliases=("less_equal",)),
    _constant("gt(input, other)", "input > other", aliases=("greater",)),
    _constant("ge(input, other)", "input >= other", aliases=("greater_equal",)),
    _constant("eq(input, other)", "input == other"),
    _constant("ne(input, other)", "input != other", aliases=("not_equal",)),
    _constant("logical_and(input, other)", "both are true"),
    _constant("logical_or(input, other)", "one is true"),
    _constant("logical_xor(input, other)", "exactly one is true"),
    _constant("logical_not(input)", "it is false"),
    _constant("signbit(input)", "it is negative, or -0"),
    _constant(
        "angle(input)",
        "0 or pi",
        "angle(x)*x | x=2x3",
        discontinuities="input == 0",
        complex="atan2(imag(input), real(input))",
    ),
    _constant("isnan(input)", "it is not a number"),
    _constant("isinf(input)", "it is infinite"),
    _constant("isposinf(input)", "it is inf"),
    _constant("isneginf(input)", "it is -inf"),
    _constant("nonzero(input)", "the indices of entries that are not 0"),
    _constant("count_nonzero(input, dim=None)", "how many entries are not 0"),
    _constant("searchsorted(sorted_sequence, input, *, right=False)", "the indices at which values would be put in"),
    _constant("bucketize(input, boundaries, *, right=False)", "the indices of the buckets that values fall in"),
    _constant("isfinite(input)", "it is finite"),
    _constant("argsort(input, dim=-1, descending=False, *, stable=False)", "the indices that sort"),
    _constant("dim(input)", "the number of axes", torch="torch.Tensor.dim", aliases=("ndimension",)),
    _constant("size(input, dim=None)", "the shape, or one of its lengths", torch="torch.Tensor.size"),
)
