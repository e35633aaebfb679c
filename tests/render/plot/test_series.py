from __future__ import annotations

import math
from itertools import pairwise

import pytest

from gradcli.render.plot.braille import ASCII, HEIGHT, WIDTH, chart
from gradcli.render.plot.maps import extremes, shaded
from gradcli.render.plot.series import Range, derivative_pieces, range_of, value_pieces
from gradcli.report.plot import Break, Curve
from gradcli.report.verdict import Verdict

KINK = Break(0.0, "kink", 0.0, -1.0, 1.0, 0.0, Verdict.SUBGRADIENT)
JUMP = Break(0.0, "jump", 1.0, 0.0, 0.0, 0.0, Verdict.UNDEFINED, values=(0.0, 1.0))


def curve(value: tuple[float, ...], derivative: tuple[float, ...], *breaks: Break) -> Curve:
    points = tuple(float(place) for place in range(-(len(value) // 2), len(value) // 2 + 1))
    return Curve("f", "x", points, value, derivative, None, breaks, {}, None, None)


def test_a_function_is_connected_across_a_kink_and_its_derivative_is_not() -> None:
    one = curve((1.0, 0.0, 1.0), (-1.0, 0.0, 1.0), KINK)
    assert value_pieces(one) == [[(-1, 1), (0, 0), (1, 1)]]
    assert derivative_pieces(one) == [[(-1, -1), (0, -1)], [(0, 1), (1, 1)]]


def test_a_function_is_not_connected_across_a_jump_and_reaches_up_to_it_from_both_sides() -> None:
    assert value_pieces(curve((0.0, 1.0, 1.0), (0.0, 0.0, 0.0), JUMP)) == [[(-1, 0), (0, 0)], [(0, 1), (1, 1)]]


def test_nothing_is_connected_across_what_is_no_number() -> None:
    pieces = value_pieces(curve((1.0, math.nan, 2.0), (0.0, 0.0, 0.0)))
    assert pieces == [[(-1, 1)], [(1, 2)]]


@pytest.mark.parametrize(
    ("numbers", "low", "high"),
    [([0, 1], -0.05, 1.05), ([2, 2], 1, 3), ([], -1, 1), ([math.nan, math.inf, 0, 1], -0.05, 1.05)],
)
def test_a_range_goes_a_little_beyond_the_numbers(numbers: list[float], low: float, high: float) -> None:
    found = range_of(numbers)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_a_range_leaves_a_pole_out() -> None:
    found = range_of([1 / (place - 50.5) for place in range(100)])
    assert -3 < found.low < found.high < 3


def dots(line: str) -> list[int]:
    return [place for place, character in enumerate(line) if 0x2800 < ord(character) <= 0x28FF]


def test_a_line_goes_from_corner_to_corner() -> None:
    lines = chart([[(0.0, 0.0), (1.0, 1.0)]], Range(0.0, 1.0), Range(0.0, 1.0))
    assert len(lines) == HEIGHT + 2
    drawn = [dots(line) for line in lines[:HEIGHT]]
    assert drawn[0][-1] - drawn[-1][0] == WIDTH - 1
    assert all(lower[0] <= upper[0] for upper, lower in pairwise(drawn))
    assert lines[0].split()[0] == "1"
    assert lines[-1].split() == ["0", "1"]


def test_what_is_out_of_the_picture_is_not_drawn() -> None:
    lines = chart([[(0.0, 5.0), (1.0, 6.0)]], Range(0.0, 1.0), Range(0.0, 1.0))
    assert not any(map(dots, lines))
    chart([[(0.0, 0.0), (0.5, 1e300), (1.0, 1.0)]], Range(0.0, 1.0), Range(0.0, 1.0))


def test_the_dots_are_asterisks_in_ascii() -> None:
    lines = chart([[(0.0, 0.5), (1.0, 0.5)]], Range(0.0, 1.0), Range(0.0, 1.0))
    plain = [line.translate(ASCII) for line in lines]
    assert all(line.isascii() for line in plain)
    assert sum(line.count("*") for line in plain) == WIDTH


def test_shades_go_from_the_least_to_the_most() -> None:
    assert shaded([[0.0, 1.0], [math.nan, 0.5]]) == ("  @@", "??==")
    assert extremes([[1.0, -2.0], [math.inf, math.nan]]) == (-2.0, 1.0)
