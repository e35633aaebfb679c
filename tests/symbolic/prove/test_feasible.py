"""Cells that no point is in are told from others, by linear algebra alone."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pytest

from gradcli.symbolic.prove.cells import Cell, Interval
from gradcli.symbolic.prove.feasible import is_empty
from gradcli.symbolic.prove.polynomials import Factor

X, Y, Z = range(3)
ABOVE, BELOW = Interval(low=Fraction(0)), Interval(high=Fraction(0))


def form(powers: Mapping[int, int], degree: int = 1) -> Factor:
    return tuple((((variable, Fraction(degree)),), Fraction(factor)) for variable, factor in powers.items())


X_Y, Y_Z, X_Z = form({X: 1, Y: -1}), form({Y: 1, Z: -1}), form({X: 1, Z: -1})

SQUARE: Factor = ((((X, Fraction(2)),), Fraction(1)),)


@pytest.mark.parametrize(
    ("intervals", "points", "expected"),
    [
        ({X_Y: BELOW, Y_Z: BELOW, X_Z: ABOVE}, {}, True),
        ({X_Y: BELOW, Y_Z: BELOW, X_Z: BELOW}, {}, False),
        ({X_Y: BELOW, Y_Z: ABOVE, X_Z: ABOVE}, {}, False),
        ({X_Y: BELOW}, {Y_Z: Fraction(0), X_Z: Fraction(0)}, True),
        ({X_Y: BELOW}, {Y_Z: Fraction(0)}, False),
        ({X_Y: BELOW, X_Z: ABOVE}, {Y_Z: Fraction(0)}, True),
        ({}, {X_Y: Fraction(1), Y_Z: Fraction(2), X_Z: Fraction(3)}, False),
        ({}, {X_Y: Fraction(1), Y_Z: Fraction(2), X_Z: Fraction(4)}, True),
        ({form({X: 1}): Interval(Fraction(0), Fraction(1)), form({X: 2}): Interval(low=Fraction(2))}, {}, True),
        ({form({X: 1}): Interval(Fraction(0), Fraction(1)), form({X: 2}): Interval(low=Fraction(1))}, {}, False),
        # A square is an unknown of its own: what only its sign would show is not looked for.
        ({form({X: 1}, degree=2): BELOW}, {}, False),
        ({form({X: 1}, degree=2): BELOW}, {form({X: 1}, degree=2): Fraction(1)}, True),
        # Beside what an interval of an entry says of its powers.
        ({form({X: 1}): Interval(Fraction(-1), Fraction(0)), SQUARE: Interval(low=Fraction(1))}, {}, True),
        ({form({X: 1}): Interval(Fraction(-2), Fraction(0)), SQUARE: Interval(low=Fraction(1))}, {}, False),
        ({form({X: 1}): Interval(low=Fraction(2)), SQUARE: Interval(high=Fraction(4))}, {}, True),
        ({form({X: 1}): Interval(Fraction(-1), Fraction(1)), SQUARE: Interval(low=Fraction(1))}, {}, False),
        ({SQUARE: Interval(high=Fraction(4))}, {form({X: 1}): Fraction(-2)}, True),
        ({SQUARE: Interval(high=Fraction(5))}, {form({X: 1}): Fraction(-2)}, False),
        ({}, {}, False),
    ],
)
def test_a_cell_is_empty(intervals: dict[Factor, Interval], points: dict[Factor, Fraction], expected: bool) -> None:
    assert is_empty(Cell(intervals=intervals, points=points)) == expected
