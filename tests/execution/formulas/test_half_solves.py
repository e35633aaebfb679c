"""Gradients through solutions by a triangle, twice, are those through the inverse."""

from __future__ import annotations

import pytest
import torch

import gradcli
from gradcli.report.verdict import Verdict

HALF = "L = linalg.cholesky(K); a = linalg.solve_triangular(L, {}, upper=False); "
ONE = HALF.format("y[:, None]")
QUADRATIC = "-outer(inv(K) @ y, inv(K) @ y)"
CASES = [
    (ONE + "(a*a).sum()", "K", QUADRATIC),
    (ONE + "a.square().sum()", "y", "2*inv(K) @ y"),
    (ONE + "v = a[:, 0]; v @ v", "K", QUADRATIC),
    (ONE + "norm(a)**2", "K", QUADRATIC),
    (ONE + "sum(a**2)/2 + sum(log(diag(L)))", "K", "(inv(K) - outer(inv(K) @ y, inv(K) @ y))/2"),
    (ONE + "b = linalg.solve_triangular(L.T, a, upper=True); y @ b.squeeze(1)", "K", QUADRATIC),
    (HALF.format("B") + "trace(a.mT @ a)", "K", "-inv(K) @ B @ B.T @ inv(K)"),
]


@pytest.mark.parametrize(("program", "wrt", "formula"), CASES)
def test_what_a_triangle_solves_twice_has_the_gradient_of_the_inverse(program: str, wrt: str, formula: str) -> None:
    shapes = {"K": (3, 3), **({"B": (3, 3)} if "B" in program else {"y": (3,)})}
    derivation = gradcli.derive(program, shapes, wrt=wrt)
    assert (derivation[wrt].formula, derivation.verdict) == (formula, Verdict.MATCH)


@pytest.mark.parametrize("formula", [QUADRATIC, "-inv(K) @ B @ B.T @ inv(K)"])
def test_the_formulas_are_what_autograd_has_of_the_inverse(formula: str) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(4, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    known = {"K": (a @ a.T + torch.eye(4)).requires_grad_(), "B": b, "y": b[0]}
    right = b if "B" in formula else b[0][:, None]
    (gradient,) = torch.autograd.grad((right * torch.linalg.solve(known["K"], right)).sum(), known["K"])
    found = eval(formula, {"inv": torch.inverse, "outer": torch.outer, **known})  # noqa: S307 (of this file)
    torch.testing.assert_close(found, gradient)


@pytest.mark.parametrize(
    "last",
    [
        "a.sum()",
        "sum(a*a*a)",
        "norm(a, p=1)**2",
        "linalg.vector_norm(a, 0.5)**2",
        "M = linalg.cholesky(2*K); sum(a*linalg.solve_triangular(M, y[:, None], upper=False))",
        "sum(a*linalg.solve_triangular(L.T, y[:, None], upper=True))",
    ],
)
def test_other_sums_of_what_a_triangle_solves_are_not_those_of_the_inverse(last: str) -> None:
    derivation = gradcli.derive(ONE + last, {"K": (2, 2), "y": (2,)}, wrt="y")
    assert derivation.verdict is Verdict.MATCH


def test_the_gradient_by_what_a_triangle_solves_is_its_own() -> None:
    derivation = gradcli.derive(ONE + "(a*a).sum()", {"K": (3, 3), "y": (3,)}, wrt="a")
    assert derivation.verdict in {Verdict.MATCH, Verdict.UNDECIDED}
    assert "inv(K)" not in (derivation["a"].formula or "")
