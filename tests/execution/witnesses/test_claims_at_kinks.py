"""Claims at kinks: valid ones are elements of Clarke's generalised gradient, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

import gradcli

# A program, its leaves, a claim for x, and the verdict on it.
CLAIMS: list[tuple[str, dict[str, Any], str, str]] = [
    # the hull of the unit vectors of the largest
    ("amax(x, dim=0)", {"x": [2.0, 2.0, 1.0]}, "tensor([1., 0., 0.])", "subgradient"),
    ("amax(x, dim=0)", {"x": [2.0, 2.0, 1.0]}, "tensor([0.25, 0.75, 0.])", "subgradient"),
    ("amax(x, dim=0)", {"x": [2.0, 2.0, 1.0]}, "tensor([1., 1., 0.])", "mismatch"),
    ("amax(x, dim=0)", {"x": [2.0, 2.0, 1.0]}, "tensor([0., 0., 1.])", "mismatch"),
    ("abs(x)", {"x": 0.0}, "0.7*g", "subgradient"),
    ("abs(x)", {"x": 0.0}, "1.2*g", "mismatch"),
    # by hand, where no op has a kink
    ("where(x > 0, x, 2*x)", {"x": 0.0}, "1.5*g", "subgradient"),
    ("where(x > 0, x, 2*x)", {"x": 0.0}, "2.5*g", "mismatch"),
    # x itself: its derivative is 1, and autograd's 0 is none
    ("relu(x) - relu(-x)", {"x": 0.0}, "g", "match"),
    ("relu(x) - relu(-x)", {"x": 0.0}, "0*g", "mismatch"),
    # it jumps
    ("where(x > 0, x + 1, x)", {"x": 0.0}, "g", "undefined"),
    # away from a kink there is one gradient
    ("abs(x)", {"x": 2.0}, "0.7*g", "mismatch"),
]


@pytest.mark.parametrize(("program", "values", "claim", "wanted"), CLAIMS)
def test_a_claim_at_a_kink_is_judged_by_itself(program: str, values: dict[str, Any], claim: str, wanted: str) -> None:
    found = gradcli.check(program, values, claims={"x": claim})["x"].claim
    assert found is not None
    assert found.verdict == wanted


def test_words_say_that_a_claim_is_another_choice() -> None:
    right = gradcli.check("amax(x, dim=0)", {"x": [2.0, 2.0]}, claims={"x": "tensor([1., 0.])"})
    assert right.verdict == "subgradient"
    assert "at a kink of the program the claim lies between the one-sided derivatives" in (right["x"].note or "")
    wrong = gradcli.check("amax(x, dim=0)", {"x": [2.0, 2.0]}, claims={"x": "tensor([1., 1.])"})
    assert (wrong.verdict, wrong["x"].dissenter) == ("mismatch", "claim")
    assert "the claim is not between the one-sided derivatives" in (wrong["x"].note or "")


def test_a_claim_that_is_right_at_ties_is_not_wrong_at_further_points() -> None:
    claim = {"x": "g*where(x >= y, 1., 0.)", "y": "g*where(x >= y, 0., 1.)"}
    assert gradcli.check("where(x > y, x, y)", claims=claim).verdict == "match"
