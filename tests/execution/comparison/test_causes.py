"""The likely cause of a wrong gradient is the one that was planted."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gradcli.execution.comparison.causes import Clues, cause_of_shape, likely_cause

INF = math.inf
MATRIX = torch.tensor([[1.0, 2.0], [-3.0, 5.0]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("gradient", "cause"),
    [
        (-MATRIX, "sign"),
        (MATRIX * 2, "times 2"),
        (MATRIX * -0.5, "times -0.5"),
        (MATRIX.T, "transpose"),
        (MATRIX * 0, "zero everywhere"),
        (MATRIX + 1, "1 is added"),
        (MATRIX * INF, None),
    ],
)
def test_the_likely_cause(gradient: Tensor, cause: str | None) -> None:
    found = likely_cause(gradient, MATRIX)
    assert found is None if cause is None else cause in (found or "")


def test_a_factor_of_one_is_no_cause() -> None:
    off = torch.tensor([[0.0, 0.0], [0.0, 3e-9]], dtype=torch.float64)
    gradient = MATRIX * (1 + 5e-10) + off  # too far off to be equal, and not too far to be a multiple by nearly 1
    assert likely_cause(gradient, MATRIX) is None


def test_a_factor_that_is_nearly_whole_is_no_fraction() -> None:
    assert likely_cause(MATRIX * (3 - 2e-9), MATRIX) == "autograd's gradient is the right one times 3"


def test_nothing_is_said_about_a_derivative_that_is_zero() -> None:
    assert likely_cause(MATRIX, MATRIX * 0) is None


UPSTREAM = torch.tensor([[2.0, 0.5], [7.0, -1.0]], dtype=torch.float64)
COLUMN = torch.tensor([[3.0], [-2.0]], dtype=torch.float64)
CLUES = Clues(
    "the claim", "the claim", {"g": UPSTREAM, "a": COLUMN}, {"through p": MATRIX - UPSTREAM, "through q": UPSTREAM}
)


@pytest.mark.parametrize(
    ("gradient", "cause"),
    [
        (MATRIX / UPSTREAM, "the factor g is missing"),
        (MATRIX * UPSTREAM, "a factor g too many"),
        (MATRIX / COLUMN, "the factor a is missing"),
        (MATRIX - UPSTREAM, "the term through q is missing"),
        (MATRIX - 2 * UPSTREAM, "the term through q has the wrong sign"),
        (MATRIX + UPSTREAM, "the term through q is counted twice"),
        (MATRIX + UPSTREAM / 2, "the term through q is taken times 1.5"),
        (MATRIX / 3, "times 1/3"),
        (MATRIX * 3, "the claim is the right one times 3"),
        (MATRIX + 0.5, "0.5 is added to every entry"),
        (MATRIX.flip(0), "in the wrong places"),
        (MATRIX + torch.tensor([[0.0, 0.0], [0.0, 1e-3]], dtype=torch.float64), None),
    ],
)
def test_the_cause_by_what_the_right_one_is_made_of(gradient: Tensor, cause: str | None) -> None:
    found = likely_cause(gradient, MATRIX, CLUES)
    assert found is None if cause is None else cause in (found or "")


@pytest.mark.parametrize("factor", [[0.0, 1.0], [2.0, 1.0], [0.0, 3.0]])
@pytest.mark.parametrize("is_missing", [True, False])
def test_a_factor_of_0_and_1_where_the_derivative_is_not_0_is_no_cause(
    factor: list[float], *, is_missing: bool
) -> None:
    by = torch.tensor(factor, dtype=torch.float64)
    right = torch.tensor([0.0, 1.0], dtype=torch.float64) * by.clamp(min=1)
    wrong = torch.tensor([4.0, 1.0], dtype=torch.float64) if is_missing else right * by
    found = likely_cause(wrong, right, Clues(factors={"x": by}, elsewhere=True))
    assert ("factor x" in (found or "")) == (factor == [0.0, 3.0])


TWOS = torch.full((4,), 2.0, dtype=torch.float64)


@pytest.mark.parametrize(
    ("factor", "cause"),
    [
        (TWOS, "autograd's gradient is the right one times 2 (x is 2 here)"),
        (TWOS[:1], "autograd's gradient is the right one times 2 (x is 2 here)"),
        (TWOS[0], "autograd's gradient is the right one times 2 (x is 2 here)"),
        (1 / TWOS, "autograd's gradient is the right one divided by 0.5 (x is 0.5 here)"),
        (
            torch.tensor([2.0, 2, 2, 7], dtype=torch.float64),
            "autograd's gradient is the right one times 2 (x is 2 here)",
        ),
    ],
)
def test_a_factor_that_is_one_number_may_be_a_constant(factor: Tensor, cause: str) -> None:
    right = torch.tensor([12.0, 12.0, 12.0, 0.0], dtype=torch.float64)
    assert likely_cause(right * 2, right, Clues(factors={"x": factor})) == cause
    also = likely_cause(right * 2, right, Clues(factors={"x": factor}, elsewhere=True))
    assert also is not None
    assert "factor x" in also


@pytest.mark.parametrize(
    ("gradient", "reference", "cause"),
    [
        (MATRIX, MATRIX.sum(0), "the sum over axis 0"),
        (MATRIX, MATRIX.sum(1, keepdim=True), "the sum over axis 1"),
        (MATRIX, MATRIX.sum(), "the sum over the axes 0, 1"),
        (MATRIX[:1].expand(3, 2).T, MATRIX[:1].expand(3, 2), "transpose"),
        (MATRIX, MATRIX.sum(0) * 1.001, None),
    ],
)
def test_the_cause_of_another_shape(gradient: Tensor, reference: Tensor, cause: str | None) -> None:
    found = cause_of_shape(gradient, reference)
    assert found is None if cause is None else cause in (found or "")


ONE = torch.tensor([3.0], dtype=torch.float64)
TERMS = Clues(terms={"through p": ONE - 1, "through q": ONE / 3})


@pytest.mark.parametrize(
    ("gradient", "clues", "cause"),
    [
        (ONE * 0.7, Clues(), None),
        (ONE * 0.7, TERMS, None),
        (ONE - 1, TERMS, "the term through q is missing"),
        (ONE * 0.7, Clues(others=((MATRIX * 0.7, MATRIX),)), "times 0.7"),
        (ONE * 0.7, Clues(others=((MATRIX * 0.8, MATRIX),)), None),
        (-ONE, Clues(), "sign"),
        (-ONE, Clues(others=((MATRIX, MATRIX),)), None),
        (ONE * 0, Clues(others=((MATRIX, MATRIX),)), None),
    ],
)
def test_one_number_is_no_cause_by_itself(gradient: Tensor, clues: Clues, cause: str | None) -> None:
    found = likely_cause(gradient, ONE, clues)
    assert found is None if cause is None else cause in (found or "")


def test_equal_entries_are_one_number() -> None:
    assert likely_cause(ONE.expand(4) * 0.7, ONE.expand(4)) is None


def test_an_infinite_factor_is_no_cause() -> None:
    clues = Clues(factors={"'r'": torch.tensor([INF, 2.0])})
    assert likely_cause(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 5.0]), clues) is None
