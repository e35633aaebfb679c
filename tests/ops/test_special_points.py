"""Definitions hold where formulas are fragile: singular matrices, double values, zeros; the truth is known by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gradcli.engine import evaluate_program
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

POINTS = {
    "det at rank n - 1": ("det(A)", [[1, 2], [2, 4]], [[4, -2], [-2, 1]]),
    "det at rank n - 2": ("det(A)", [[1, 2, 3], [2, 4, 6], [3, 6, 9]], [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),
    "det of zeros": ("det(A)", [[0, 0], [0, 0]], [[0, 0], [0, 0]]),
    "det that underflows": ("det(A)", [[1e-170, 0], [0, 1e-170]], [[1e-170, 0], [0, 1e-170]]),
    "a singular matrix's LU": ("torch.linalg.lu(A).U.sum()", [[1, 2], [2, 4]], [[-2, 1], [2, 0.5]]),
    "one of two singular values": ("svdvals(A)[0]", [[2, 0], [0, 0]], [[1, 0], [0, 0]]),
    "a nuclear norm, singular values equal": ("torch.linalg.norm(A, 'nuc')", [[2, 0], [0, 2]], [[1, 0], [0, 1]]),
    "a matrix's exponential at 0": ("trace(matrix_exp(A))", [[0, 0], [0, 0]], [[1, 0], [0, 1]]),
    "binary cross-entropy at 0": ("F.binary_cross_entropy(A, zeros(1, 1))", [[0]], [[1]]),
    "softmax of a masked row": ("F.scaled_dot_product_attention(A, A, A, A > 9).sum()", [[[1]]], [[[0]]]),
}
KINKS = {
    "a spectral norm, singular values equal": ("torch.linalg.matrix_norm(A, 2)", [[1, 0], [0, 1]]),
    "double eigenvalues": ("torch.linalg.eigvalsh(A)[0]", [[1, 0], [0, 1]]),
    "a nuclear norm at rank 1": ("torch.linalg.matrix_norm(A, 'nuc')", [[1, 0], [0, 0]]),
    "equal columns' sums": ("torch.linalg.matrix_norm(A, 1)", [[1, 1], [1, -1]]),
    "a window's two maxima": ("F.max_pool1d(A, 2).sum()", [[1, 1]]),
}


def tensor(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def evaluate(program: str, **leaves: Tensor) -> Report:
    return evaluate_program(program, Settings(formulas=False), leaves)


@pytest.mark.parametrize("name", POINTS)
def test_the_derivative_is_right(name: str) -> None:
    program, point, wanted = POINTS[name]
    found = evaluate(program, A=tensor(point))["A"].symbolic.value
    torch.testing.assert_close(found, tensor(wanted), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", KINKS)
def test_a_choice_at_a_kink_lies_between(name: str) -> None:
    program, point = KINKS[name]
    assert evaluate(program, A=tensor(point)).verdict is Verdict.SUBGRADIENT


def test_what_is_not_determined_is_undecided() -> None:
    program = "u = torch.linalg.svd(A).U; (u[:, 2:] @ u[:, 2:].T @ B).sum()"
    report = evaluate(program, A=tensor([[1, 2], [3, 4], [5, 7]]), B=tensor([[1.0, 2, 3]] * 3))
    assert report["A"].verdict is Verdict.UNDECIDED
    assert "not determined" in str(report["A"].note)


@pytest.mark.parametrize("size", [3, 7, 20])
@pytest.mark.parametrize("factor", [0.3, 1.1, 1 / 3, 2.5])
def test_nearest_entries_are_those_that_pytorch_reads(size: int, factor: float) -> None:
    if math.floor(size * factor) == 0:
        pytest.skip("nothing is left")
    x = torch.arange(size, dtype=torch.float64).reshape(1, 1, size)
    read = torch.nn.functional.interpolate(x, scale_factor=factor).flatten().to(torch.int64)
    found = evaluate(f"F.interpolate(x, scale_factor={factor}).sum()", x=x)["x"].symbolic.value
    # PyTorch's own gradient is not this one where the size stays the same: docs/findings.md.
    assert found.flatten().tolist() == torch.bincount(read, minlength=size).tolist()


MATRICES = torch.tensor([[[2.0, 0], [1, 3]], [[3.0, 0], [-1, 2]]], dtype=torch.float64)


@pytest.mark.parametrize(
    "program",
    [
        "torch.cholesky_solve(b, tril(L))",
        "torch.cholesky_solve(b, triu(L.mT), upper=True)",
        "torch.linalg.solve_triangular(L, b, upper=False)",
        "torch.linalg.solve_triangular(L, b, upper=False, left=False)",
        "torch.triangular_solve(b, L, upper=False)[0]",
        "torch.linalg.solve(L, unsqueeze(b, 0))",
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_right_hand_side_broadcasts_over_a_batch(program: str) -> None:
    right = torch.tensor([[1.0, 2], [-1, 3]], dtype=torch.float64)
    report = evaluate(f"({program}*tensor([1.0, -2])).sum()", L=MATRICES, b=right)
    assert (report["b"].verdict, report["L"].verdict) == (Verdict.MATCH, Verdict.MATCH)
    assert report["b"].symbolic.value.shape == right.shape


def test_equal_numbers_are_at_the_kink_of_their_distance_from_the_mean_but_for_rounding() -> None:
    point = tensor([0.1, 0.1, 0.1])
    assert 0 < (point - point.mean()).norm() < 1e-16  # PyTorch's own: the mean is not quite 0.1
    assert evaluate("norm(A - A.mean())", A=point).verdict is Verdict.SUBGRADIENT


def test_a_deviation_that_is_all_rounding_is_no_mismatch() -> None:
    # PyTorch's gradient has a slope along all ones, in which nothing changes: no choice at the kink, and no digits.
    assert evaluate("A.std()", A=tensor([0.1, 0.1, 0.1])).verdict is Verdict.UNDECIDED


def test_a_tie_of_distances_within_the_step_of_a_quotient_is_a_kink() -> None:
    point = torch.ones(2, 3, dtype=torch.float64)
    report = evaluate("F.triplet_margin_loss(A, p, n, swap=True)", A=point, p=point.clone(), n=point.clone())
    assert {report[name].verdict for name in ("A", "p")} == {Verdict.SUBGRADIENT}
    assert report["n"].verdict is Verdict.MATCH  # both distances of the minimum change alike with n
