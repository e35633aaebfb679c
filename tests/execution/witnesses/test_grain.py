"""Very large and very small numbers beside usual ones: verdicts worked out by hand from one-sided derivatives."""

from __future__ import annotations

from typing import Any

import pytest

import gradcli

SMOOTH: list[tuple[str, dict[str, Any], str]] = [
    # no kink but at 0
    ("hypot(y, abs(y)).sum()", {"y": [1e160, 1e160, 6.0]}, "y"),
    # x - x, which is 0 whatever the last digits of x are
    ("F.l1_loss(x, clamp(x, min=0), reduction='none').sum()", {"x": [1e300, 2.0, 0.25]}, "x"),
    ("sort(F.l1_loss(x, clamp(x, min=0), reduction='none'))[0].sum()", {"x": [1e300, 2.0, 0.25]}, "x"),
    ("F.l1_loss(where(x > x, x, x), x, reduction='none').sum()", {"x": [1e-160, 1e-160, -0.2]}, "x"),
    # x/x is computed twice, and rounded twice in the same way
    ("abs(x/x - F.threshold(x/x, 0.5, 0.5)).sum()", {"x": [1e160, 0.875]}, "x"),
    # both are 1, and stay so
    ("std(F.hardtanh(y))", {"y": [1e17, 6.0]}, "y"),
    ("F.huber_loss(x, clamp(x, min=0), reduction='none').amax()/x.sum()", {"x": [1e-5, 1.0, 1.0]}, "x"),
    # the kinks are at 0, a part of 1 away from 1e-160; that of equal entries of x/x is none by x
    ("hypot(x, h).sum() + x.sum()", {"x": [1e-160, 1.0], "h": [0.0, 1.0]}, "h"),
    ("norm(cummax(F.hardswish(x/clamp(x, min=0)), 0)[0], 1)", {"x": [1e-160, 1.4, 1.4]}, "x"),
    # a slope of 2.7e17, no jump
    ("expm1(c**x)", {"c": 1.0, "x": 1e17}, "c"),
    ("tanh(1e17*x)", {"x": 0.0}, "x"),
]


@pytest.mark.parametrize(("program", "values", "name"), SMOOTH)
@pytest.mark.parametrize("run", [gradcli.check, gradcli.evaluate])
def test_what_is_smooth_is_no_kink(run: Any, program: str, values: dict[str, Any], name: str) -> None:
    assert run(program, values)[name].verdict == "match"


OTHERS: list[tuple[str, dict[str, Any], str, str]] = [
    # one-sided derivatives 1/√2 and -1/(4√2) by the second entry, of which 0 is between
    ("std(cumsum(F.leaky_relu(l, 0.25), 0))", {"l": [0.0, 0.0]}, "l", "subgradient"),
    # -1 and -3 times 5/6 of 1e160, autograd's being the first
    ("norm(cummax(F.hardswish(x/c), 0)[0], 1)", {"x": [1e-160, 1.4, 1.4], "c": [1e-160, 1.4, 1.4]}, "c", "subgradient"),
    # -1 and 2 by the entry that is 0; the kink at 0 is hidden by rounding from 1e-10
    ("(where(x > 0, 2*x, -x) + (0.5 - x).min()).sum()", {"x": [1e-10, 0.0, 1.0]}, "x", "subgradient"),
    # they jump only if all entries go up, or down
    ("round(x).min()", {"x": [0.5, 0.5]}, "x", "undefined"),
    ("median(floor(x))", {"x": [0.0, 0.4, 0.0]}, "x", "undefined"),
    # every double as large as these is an integer
    ("F.huber_loss(x, floor(x), reduction='none').sum()", {"x": [1e300, 1e300]}, "x", "undecided"),
    ("norm(hypot(y, floor(y)))", {"y": [1e17, 2e17]}, "y", "undefined"),
    # half of each of the two largest, whose sum with log(2) is lost; autograd gives both 1
    ("logsumexp(x, 0)", {"x": [1e160, 1e160, 6.0]}, "x", "mismatch"),
    # 0 to any power above 0
    ("((x*x)**y).sum()", {"x": [-0.5, 0.0], "y": [1e-10, 1e-10]}, "y", "match"),
]


@pytest.mark.parametrize(("program", "values", "name", "wanted"), OTHERS)
@pytest.mark.parametrize("run", [gradcli.check, gradcli.evaluate])
def test_what_is_seen_beside_large_and_small_numbers(
    run: Any, program: str, values: dict[str, Any], name: str, wanted: str
) -> None:
    assert run(program, values)[name].verdict == wanted


@pytest.mark.parametrize("run", [gradcli.check, gradcli.evaluate])
def test_a_kink_that_is_too_near_another_is_no_mismatch(run: Any) -> None:
    """By the entry that is 0 the slope is -1, from there to 1e-10 it is 2, and then -1 again."""
    values = {"x": [1e-10, 0.0, -1.0]}
    assert run("(where(x > 0, 2*x, -x) + (0.5 - x).min()).sum()", values)["x"].verdict != "mismatch"


@pytest.mark.parametrize("run", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize(
    ("program", "values", "name"),
    [
        # min(1e300 - s, 1e300 - t) at s = t: slopes of 0 and -1 by each
        ("((F.softshrink(x, 0.5)) - s).min()", {"x": [1e300, 1e300], "s": [1.0, 1.0]}, "s"),
        ("(x - s).amax()", {"x": [1e17, 1e17], "s": [2.0, 2.0]}, "s"),
        # sin(7.5e-11)/4, and 0, by each of two equal ones
        ("(cos(lerp(y, x, 0.25))).amax()", {"y": [1e-10, 1e-10, 0.25], "x": [0.0, 0.0, 0.0]}, "x"),
        ("abs(s - 1) + 1e200", {"s": 1.0}, "s"),
    ],
)
def test_a_kink_that_large_numbers_hide_is_not_called_smooth(
    run: Any, program: str, values: dict[str, Any], name: str
) -> None:
    assert run(program, values)[name].verdict in {"subgradient", "undecided"}


@pytest.mark.parametrize("run", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize("smallest", [5e-324, -5e-324, 1e-320])
def test_no_step_is_a_part_of_the_smallest_numbers(run: Any, smallest: float) -> None:
    """The slopes are 0 or 1 by the first, and any between by the second, which is at its kink."""
    for program in ("clamp(x, 0, 1).sum()", "relu(x - 1).sum() + x.sum()"):
        assert run(program, {"x": [smallest, 1.0]})["x"].verdict in {"subgradient", "undecided"}


def test_where_no_step_is_short_enough_the_witnesses_say_so() -> None:
    """Next to 1e160 doubles are 2^479 apart, and the period is 2π; at 1e17 they are 16 apart."""
    for value, apart in ((1e160, "2e+144"), (1e17, "2e+01")):
        found = gradcli.check("cos(x)", {"x": value})["x"]
        assert found.witnesses is not None
        for witness in (found.witnesses["finite-difference"], found.witnesses["taylor"]):
            assert witness.verdict == "undecided"
            assert f"are {apart} apart" in str(witness.note)
            assert witness.order is None
