from __future__ import annotations

import math

import pytest

from gradcli.language.constants import ExponentError, fits_double, fold


def test_arithmetic_is_pythons() -> None:
    assert fold("pow", [2, 63], 1000) == 2**63
    assert fold("pow", [2, -1], 1000) == 0.5
    assert fold("neg", [3], 1000) == -3
    assert fold("floor_divide", [7, 2], 1000) == 3
    assert fold("matmul", [7, 2], 1000) is None
    assert fold("mul", [math.inf, 2], 1000) == math.inf


@pytest.mark.parametrize("operands", [[10, 400], [1e300, 2], [2, 1024]])
def test_results_beyond_a_double_are_refused(operands: list[float]) -> None:
    with pytest.raises(OverflowError):
        fold("pow", operands, 5000)


def test_a_large_exponent_is_refused_before_it_is_computed() -> None:
    with pytest.raises(ExponentError):
        fold("pow", [9, 9**9], 1000)


def test_an_integer_cannot_grow_without_bound() -> None:
    value: object = 2
    for _ in range(9):
        value = fold("mul", [value, value], 1000)  # type: ignore[list-item]
    assert value == 2**512
    with pytest.raises(OverflowError):
        fold("mul", [2**512, 2**512], 1000)


def test_fits_double() -> None:
    assert fits_double(10**308)
    assert not fits_double(10**309)
    assert not fits_double(complex(1, math.inf))
