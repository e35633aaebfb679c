"""How far rounding moves gradients, asked of inputs with other last bits: some functions refuse these."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from made import function
from torch import Tensor

import gradcli
from gradcli.errors import ExecutionError
from gradcli.execution.custom.rounding import RUNS, WIDTH, rounding_error

UNIT = torch.finfo(torch.float32).eps


def at(least: float) -> Mapping[str, float]:
    """Return the rounding error at 1 of x, which is refused below a number."""

    def results(point: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if float(point["x"].detach()) < least:
            raise ExecutionError("forward refuses it")
        return point

    return rounding_error(results, {"x": torch.ones(1, requires_grad=True)})


def test_a_neighbour_that_is_refused_leaves_it_to_the_others() -> None:
    assert RUNS > 1
    assert at(0.0)["x"] == at(1.0)["x"] == pytest.approx(WIDTH * UNIT)


def test_a_point_that_is_refused_itself_is_an_error() -> None:
    with pytest.raises(ExecutionError):
        at(2.0)


def test_a_matrix_beside_one_that_no_solver_takes_is_no_error_of_backward() -> None:
    """Where rows tie, a matrix is singular but for rounding; its neighbours may be singular to the last bit."""

    def backward(a: Tensor, b: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        by_b = torch.linalg.solve(a.mH, g)
        return -by_b @ torch.linalg.solve(a, b).mH, by_b

    drawn = torch.Generator().manual_seed(0)
    a, b = (torch.randn(3, columns, generator=drawn, dtype=torch.complex128) for columns in (3, 1))
    solve = function(torch.linalg.solve, backward, "a b")
    report = gradcli.check_function(solve, {"a": a, "b": b}, dtype="complex64")
    assert report.verdict == "match"


def orthogonal(a: Tensor) -> Tensor:
    """Return the nearest orthogonal matrix, which jumps where `a` is singular."""
    u, _, v = torch.linalg.svd(a)
    return u @ v


def of_orthogonal(a: Tensor, g: Tensor) -> Tensor:
    """Return its gradient, which divides by sums of singular values."""
    u, s, v = torch.linalg.svd(a)
    m = u.mT @ g @ v.mT
    return u @ ((m - m.mT) / (s[:, None] + s)) @ v


def test_a_backward_that_is_nan_where_forward_jumps_is_not_wrong() -> None:
    """Of a matrix whose entries are all equal, two singular values are 0."""
    a = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).float()
    assert torch.autograd.gradcheck(function(orthogonal, of_orthogonal).apply, a.double().requires_grad_())
    assert of_orthogonal(a[:1, :1].expand(3, 3), torch.eye(3)).isnan().any()
    report = gradcli.check_function(function(orthogonal, of_orthogonal), {"x": a}, dtype="float32")
    assert report.verdict == "match"
