"""Gradients through solutions by factors are those through the inverse, as books on Gaussian processes have them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gradcli
from gradcli.report.verdict import Verdict

QUADRATIC = "L = linalg.cholesky(K); y @ cholesky_solve(y[:, None], L)[:, 0]"
LU = "f, p = linalg.lu_factor(A); linalg.lu_solve(f, p, B)"


def matrices() -> dict[str, torch.Tensor]:
    """Return a symmetric positive definite matrix and others."""
    generator = torch.Generator().manual_seed(0)
    a, b, g = (torch.randn(4, 4, generator=generator, dtype=torch.float64) for _ in range(3))
    return {"K": a @ a.T + torch.eye(4), "A": a + 4 * torch.eye(4), "B": b, "g": g, "y": b[0]}


CASES = {
    (QUADRATIC, "K", "-outer(inv(K) @ y, inv(K) @ y)"): "Ky",
    (QUADRATIC, "y", "2*inv(K) @ y"): "Ky",
    ("cholesky_solve(B, linalg.cholesky(K, upper=True), upper=True)", "B", "inv(K) @ g"): "KB",
    ("cholesky_solve(B, linalg.cholesky(K))", "K", "-(inv(K) @ B @ g.T + inv(K) @ g @ B.T) @ inv(K)/2"): "KB",
    ("trace(B @ cholesky_inverse(linalg.cholesky(K)))", "K", "-inv(K) @ (B + B.T) @ inv(K)/2"): "KB",
    (LU, "B", "inv(A).T @ g"): "AB",
    (LU, "A", "-inv(A).T @ g @ B.T @ inv(A).T"): "AB",
}


@pytest.mark.parametrize(("program", "wrt", "formula"), CASES)
def test_a_solution_by_factors_has_the_gradient_of_one_by_the_matrix(program: str, wrt: str, formula: str) -> None:
    shapes = {name: (4,) if name == "y" else (4, 4) for name in CASES[program, wrt, formula]}
    derivation = gradcli.derive(program, shapes, wrt=wrt)
    assert (derivation[wrt].formula, derivation.verdict) == (formula, Verdict.MATCH)


@pytest.mark.parametrize(
    ("formula", "wrt", "value"),
    [
        ("-outer(inv(K) @ y, inv(K) @ y)", "K", lambda t: t["y"] @ torch.linalg.solve((t["K"] + t["K"].T) / 2, t["y"])),
        ("-inv(K) @ (B + B.T) @ inv(K)/2", "K", lambda t: ((t["K"] + t["K"].T) / 2).inverse().mul(t["B"].T).sum()),
        ("-inv(A).T @ g @ B.T @ inv(A).T", "A", lambda t: (torch.linalg.solve(t["A"], t["B"]) * t["g"]).sum()),
    ],
)
def test_the_formulas_are_what_autograd_has_of_the_matrix(formula: str, wrt: str, value: Any) -> None:
    known = matrices()
    known[wrt].requires_grad_()
    (gradient,) = torch.autograd.grad(value(known), known[wrt])
    found = eval(formula, {"inv": torch.inverse, "outer": torch.outer, **known})  # noqa: S307 (of this file)
    torch.testing.assert_close(found, gradient)


def test_the_likelihood_of_a_gaussian_process_has_the_gradient_of_books() -> None:
    program = "L = linalg.cholesky(K); y @ cholesky_solve(y[:, None], L)[:, 0]/2 + sum(log(diag(L)))"
    derivation = gradcli.derive(program, {"K": ("n", "n"), "y": ("n",)}, wrt="K")
    # Rasmussen and Williams (2006), equation 5.9, of the negative of it
    assert derivation["K"].formula == "(inv(K) - outer(inv(K) @ y, inv(K) @ y))/2"
    assert derivation.verdict is Verdict.MATCH


def test_factors_whose_gradient_is_asked_for_stay() -> None:
    derivation = gradcli.derive(LU, {"A": (3, 3), "B": (3, 2)}, wrt="f")
    assert "inv(A)" not in str(derivation["f"].formula)
    assert derivation["f"].formula != "0"
