"""Ops around rounding: a remainder is its argument less a whole number of steps, and that number is a constant."""

from __future__ import annotations

from gradcli.ops import remedies
from gradcli.ops.family import Family
from gradcli.ops.record import Op

FAMILY = Family("rounding", kernels="rounding")

ROUNDING: tuple[Op, ...] = (
    FAMILY.composite(
        "fmod(input, other)",
        "input - _steps(input, other, 'trunc')*other",
        "fmod(x, 0.7) | x=2x3",
        "fmod(x, y) | x=2x3 y=3",
        discontinuities="logical_and(fmod(input, other) == 0, input != 0)",
        remedy=remedies.DIVISOR,
    ),
    FAMILY.composite(
        "remainder(input, other)",
        "input - _steps(input, other, 'floor')*other",
        "remainder(x, 0.7) | x=2x3",
        "remainder(x, y) | x=2x3 y=3",
        discontinuities="remainder(input, other) == 0",
        remedy=remedies.DIVISOR,
    ),
    FAMILY.composite(
        "frac(input)",
        "input - trunc(input)",
        "frac(x) | x=2x3",
        discontinuities="logical_and(input == trunc(input), input != 0)",
    ),
    FAMILY.composite(
        "frexp(input)",
        "e = _exponent(input); (input*exp2(-e), e)",
        "frexp(x).mantissa | x=2x3",
        discontinuities="abs(frexp(input)[0]) == 0.5",
        fields=("mantissa", "exponent"),
    ),
    FAMILY.composite(
        "copysign(input, other)",
        "where(signbit(input) == _signbit(other), input, -input)",
        "copysign(x, y) | x=2x3 y=3",
        "copysign(x, -1) | x=2x3",
        kinks="input == 0",
        discontinuities="logical_and(other == 0, input != 0) if is_tensor(other) else False",
    ),
    FAMILY.composite(
        "nextafter(input, other)",
        "input + _last_bit(input, other)",
        "nextafter(x, y) | x=2x3 y=3",
    ),
    FAMILY.composite(
        "nan_to_num(input, nan=0.0, posinf=None, neginf=None)",
        "where(isfinite(input), input, nan_to_num(detach(input), nan, posinf, neginf))",
        "nan_to_num(x) | x=2x3",
    ),
    FAMILY.composite(
        "float_power(input, exponent)",
        "pow(input, exponent)",
        "float_power(x, 2) | x=2x3",
        "float_power(x, y) | x=2x3 y=3",
        "float_power(2, x) | x=3",
        domain={"input": "(0, inf)"},
    ),
    FAMILY.helper("_steps(input, other, rounding)", "how often the divisor is taken away"),
    FAMILY.helper("_exponent(input)", "the exponent of a floating-point number"),
    FAMILY.helper("_signbit(input)", "whether it is negative, or -0"),
    FAMILY.helper("_last_bit(input, other)", "the distance to the next number"),
)
