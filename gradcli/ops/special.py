"""Special functions: formulas that hold over the whole range, and whose derivatives lose no digits there.

Where the plain formula overflows or cancels, an asymptotic series takes over (DLMF 7.12.1 and 10.40.1), at arguments
where its first terms are exact in double precision.
"""

from __future__ import annotations

from fractions import Fraction

from gradcli.ops.family import Family
from gradcli.ops.record import Op

FAMILY = Family("special functions")

SMALL_BESSEL, SMALL_ERFCX = 300, 10
POSITIVE = {"input": "(0, inf)"}


def _bessel_series(order: int, variable: str, terms: int = 9) -> str:
    """Return exp(-x) I(x) for large x, as text."""
    coefficient, parts = Fraction(1), []
    for k in range(terms):
        parts.append(f"({coefficient})*({variable})**-{k}" if k else "1")
        coefficient *= Fraction((2 * k + 1) ** 2 - 4 * order**2, 8 * (k + 1))
    return f"({' + '.join(parts)})/sqrt(2*pi*{variable})"


def _erfcx_series(variable: str, terms: int = 16) -> str:
    """Return exp(x²) erfc(x) for large x, as text."""
    coefficient, parts = Fraction(1), []
    for k in range(terms):
        parts.append(f"({coefficient})*({variable})**-{2 * k + 1}")
        coefficient *= Fraction(-(2 * k + 1), 2)
    return f"({' + '.join(parts)})/sqrt(pi)"


def _scaled_bessel(order: int, function: str) -> str:
    """Return exp(-|x|) I(x): odd for order 1, even for order 0."""
    sign = "-" if order else ""
    large, small = _bessel_series(order, "input"), f"exp(-input)*{function}(input)"
    return (
        f"where(input > {SMALL_BESSEL}, {large}, where(input >= 0, {small}, "
        f"where(input >= -{SMALL_BESSEL}, exp(input)*{function}(input), {sign}({_bessel_series(order, '(-input)')}))))"
    )


SPECIAL: tuple[Op, ...] = (
    FAMILY.pointwise("special.i0e(input)", _scaled_bessel(0, "i0"), "torch.special.i0e(x) | x=2x3", kinks="input == 0"),
    FAMILY.pointwise("special.i1(input)", "special.i1(input)", "torch.special.i1(x) | x=2x3"),
    FAMILY.pointwise("special.i1e(input)", _scaled_bessel(1, "special.i1"), "torch.special.i1e(x) | x=2x3"),
    FAMILY.pointwise(
        "special.erfcx(input)",
        f"where(input > {SMALL_ERFCX}, {_erfcx_series('input')}, exp(input**2)*erfc(input))",
        "torch.special.erfcx(x) | x=2x3",
    ),
    FAMILY.pointwise(
        "special.log_ndtr(input)",
        # The root is |input|: of a negative argument, sympy writes erfc(-x) as 2 - erfc(x), which cancels.
        "where(input < -1, log(special.erfcx(sqrt(input**2/2))/2) - input**2/2, log(1 - erfc(input/sqrt(2))/2))",
        "torch.special.log_ndtr(x) | x=2x3",
        # Far below 0, the exponent is a small difference of large numbers.
        published={"input": "g*exp(-addcmul(out, input, input, value=1/2))/sqrt(2*pi)"},
        stable={"input": "g*sqrt(2/pi)/special.erfcx(-input/sqrt(2))"},
    ),
    FAMILY.pointwise(
        "special.ndtri(input)",
        "-sqrt(2)*erfcinv(2*input)",
        "torch.special.ndtri(x) | x=2x3",
        domain={"input": "(0, 1)"},
    ),
    FAMILY.pointwise(
        "polygamma(n: int, input)",
        "polygamma(n, input)",
        # Not of order 1: there PyTorch's own value has 9 digits.
        "polygamma(2, x) | x=2x3",
        "x.polygamma(3) | x=3",
        "torch.special.polygamma(0, x) | x=3",
        domain=POSITIVE,
        overloads=(FAMILY.pointwise("Tensor.polygamma(input, n: int)", "polygamma(n, input)", domain=POSITIVE),),
        aliases=("special.polygamma",),
    ),
    FAMILY.composite(
        "mvlgamma(input, p)",
        # The number is log(pi).
        """y = p*(p - 1)/4*1.1447298858494002 + lgamma(input)
for j in range(1, p):
    y = y + lgamma(input - j/2)
y""",
        "mvlgamma(x + 1, 3) | x=2x3",
        "torch.special.multigammaln(x, 1) | x=3",
        domain=POSITIVE,
        aliases=("special.multigammaln",),
    ),
)
