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
    # std's are (x - mean(x))/(2*std(x)) for any x nearby: entries that add up to 0, of length 1/sqrt(2) or less
    ("std(x)", {"x": [2.0, 2.0, 2.0]}, "[0.5, -0.5, 0]", "subgradient"),
    ("std(x)", {"x": [2.0, 2.0, 2.0]}, "[0.3, -0.2, -0.1]", "subgradient"),
    ("std(x)", {"x": [2.0, 2.0, 2.0]}, "[0, 0, 0]", "subgradient"),
    ("std(x)", {"x": [2.0, 2.0, 2.0]}, "[0.6, -0.6, 0]", "mismatch"),
    ("std(x)", {"x": [2.0, 2.0, 2.0]}, "[0.1, 0, 0]", "mismatch"),
    ("norm(x)", {"x": [0.0, 0.0]}, "[0.6, 0.8]", "subgradient"),
    ("norm(x)", {"x": [0.0, 0.0]}, "[0.7, 0.8]", "mismatch"),
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


TIE = ("maximum(x, y)", {"x": 2.0, "y": 2.0})
TWO_TIES = ("maximum(x, y) + maximum(u, v)", {"x": 2.0, "y": 2.0, "u": 3.0, "v": 3.0})
VECTORS = ("maximum(x, y).sum()", {"x": [2.0, 2.0], "y": [2.0, 2.0]})
ALL_EQUAL = ("maximum(maximum(x, y), z)", {"x": 1.0, "y": 1.0, "z": 1.0})
# A program with its leaves, claims, and which of these are wrong together. At a tie the gradients are the hull of the
# unit vectors, for each tie by itself.
TOGETHER: list[tuple[tuple[str, dict[str, Any]], dict[str, str], str]] = [
    (TIE, {"x": "1", "y": "1"}, "xy"),
    (TIE, {"x": "0", "y": "0"}, "xy"),
    (TIE, {"x": "0.5", "y": "0.6"}, "xy"),
    (TIE, {"x": "0.5", "y": "0.5"}, ""),
    (TIE, {"x": "1", "y": "0"}, ""),
    (TIE, {"x": "0", "y": "1"}, ""),
    (TIE, {"x": "1"}, ""),
    # |x - y|: the multiples of (1, -1)
    (("abs(x - y)", {"x": 1.0, "y": 1.0}), {"x": "0.5", "y": "-0.5"}, ""),
    (("abs(x - y)", {"x": 1.0, "y": 1.0}), {"x": "0.5", "y": "0.5"}, "xy"),
    (ALL_EQUAL, {"x": "0.4", "y": "0.4", "z": "0.2"}, ""),
    (ALL_EQUAL, {"x": "0.4", "y": "0.4", "z": "0.4"}, "xyz"),
    (VECTORS, {"x": "tensor([1., 0.])", "y": "tensor([0., 1.])"}, ""),
    (VECTORS, {"x": "tensor([1., 1.])", "y": "tensor([0., 1.])"}, "xy"),
    # along (1, 1, 1, 1) these claim 2, which is right
    (TWO_TIES, {"x": "1", "y": "1", "u": "0", "v": "0"}, "uvxy"),
    (TWO_TIES, {"x": "1", "y": "1", "u": "1", "v": "0"}, "xy"),
    (TWO_TIES, {"x": "1", "y": "1", "v": "0"}, "xy"),
    (TWO_TIES, {"x": "0.3", "y": "0.7", "u": "1", "v": "0"}, ""),
]


@pytest.mark.parametrize(("program", "claims", "wrong"), TOGETHER)
def test_claims_for_several_leaves_are_one_gradient(
    program: tuple[str, dict[str, Any]], claims: dict[str, str], wrong: str
) -> None:
    report = gradcli.check(*program, claims=claims)
    judged = {found.name: found.claim.verdict for found in report.tensors if found.claim is not None}
    assert judged == {name: "mismatch" if name in wrong else "subgradient" for name in claims}
    assert report.verdict == ("mismatch" if wrong else "subgradient")


def test_words_say_which_claims_are_no_gradient_together() -> None:
    report = gradcli.check(*TWO_TIES, claims={"x": "1", "y": "1", "u": "1", "v": "0"})
    words = "each of the claims for x and y lies between the one-sided derivatives by itself, but together they are no"
    assert words in (report["x"].note or "")
    assert report["x"].dissenter == "claim"
    assert "together" not in (report["u"].note or "")


@pytest.mark.parametrize(
    ("claim", "wanted"),
    [
        # of max(x0, x1) + max(x2, x3), whose sum is right, and every entry
        ("tensor([1., 1., 0., 0.])", "mismatch"),
        ("tensor([0.6, 0.5, 0.5, 0.4])", "mismatch"),
        ("tensor([0.25, 0.75, 1., 0.])", "subgradient"),
    ],
)
def test_entries_of_one_claim_are_one_gradient(claim: str, wanted: str) -> None:
    values = {"x": [2.0, 2.0, 3.0, 3.0]}
    found = gradcli.check("maximum(x[0], x[1]) + maximum(x[2], x[3])", values, claims={"x": claim})["x"].claim
    assert found is not None
    assert found.verdict == wanted
