"""Arithmetic between constants, bounded: `9**9**9` is refused before anything computes it."""

from __future__ import annotations

import cmath
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from gradcli.language.operator_table import ARITHMETIC, INTEGER, NEGATION

Number: TypeAlias = "int | float | complex"

_ARITHMETIC: Mapping[str, Callable[..., Number]] = {
    row.function: row.compute for row in (*ARITHMETIC, NEGATION, *INTEGER)
}


class ExponentError(ArithmeticError):
    """A constant exponent is beyond the limit."""


def is_number(value: object) -> bool:
    """Tell whether a value is a number, and not a truth value."""
    return isinstance(value, (int, float, complex)) and not isinstance(value, bool)


def fits_double(value: Number) -> bool:
    """Tell whether a number can be held in double precision."""
    try:
        return cmath.isfinite(value)
    except OverflowError:
        return False


def fold(function: str, operands: Sequence[Number], max_exponent: int) -> Number | None:
    """Compute an operator on numbers; None for an operator that is not arithmetic.

    Raises ExponentError, OverflowError for a result beyond double precision, and ZeroDivisionError. Also meant for
    numbers at run time: with it, no loop can grow an integer without bound.
    """
    if function not in _ARITHMETIC:
        return None
    if function == "pow":
        check_exponent(operands[1], max_exponent)
    result = _ARITHMETIC[function](*operands)
    if not fits_double(result) and all(map(fits_double, operands)):
        raise OverflowError("the result does not fit in double precision")
    return result


def check_exponent(exponent: Number, max_exponent: int) -> None:
    """Raise ExponentError for an exponent beyond the limit; infinities are values, and no large powers."""
    if fits_double(exponent) and abs(exponent) > max_exponent:
        raise ExponentError(str(exponent))
