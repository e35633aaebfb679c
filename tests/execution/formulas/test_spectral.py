"""Formulas of what factorisations say, as they are published; their code is compared with autograd here too."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gradcli

SQUARE, TALL = {"A": (3, 3)}, {"A": (4, 3)}
# The program, its leaves, the formula, and what is named in it.
PUBLISHED: list[tuple[str, Any, str, dict[str, str]]] = [
    ("linalg.eigvalsh(A)", SQUARE, "(g*s[1]) @ s[1].T", {"s": "linalg.eigh(A)"}),
    ("linalg.eigh(A)[0]", SQUARE, "(g*s[1]) @ s[1].T", {"s": "linalg.eigh(A)"}),
    ("svdvals(A)", TALL, "(g*s[0]) @ s[2]", {"s": "linalg.svd(A, False)"}),
    ("linalg.matrix_norm(A, 2)", TALL, "outer(s[0][:, 0], s[2][0])", {"s": "linalg.svd(A, False)"}),
    ("linalg.norm(A, -2)", TALL, "outer(s[0][:, -1], s[2][-1])", {"s": "linalg.svd(A, False)"}),
    ("norm(A, 'nuc')", TALL, "s[0] @ s[2]", {"s": "linalg.svd(A, False)"}),
    (
        "linalg.cholesky(A)",
        {"A": torch.tensor([[2.0, 0.3], [0.3, 1.0]]).double()},
        "inv(s).T @ (tril(s.T @ g) + triu(g.T @ s, 1)) @ inv(s)/2",
        {"s": "linalg.cholesky(A)"},
    ),
]


@pytest.mark.parametrize(("program", "leaves", "formula", "named"), PUBLISHED)
def test_a_gradient_is_as_published(program: str, leaves: Any, formula: str, named: dict[str, str]) -> None:
    found = gradcli.derive(program, leaves)
    assert (dict(found.where.formulas)["A"], dict(found.where.parts)) == (formula, named)
    assert found.verdict == "match"


def gradients(program: str, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return autograd's gradient at a value, and that of the code."""
    leaf = value.clone().requires_grad_()
    output = eval(program, {"linalg": torch.linalg, "sum": torch.sum, "A": leaf, "log": torch.log})  # noqa: S307
    (reference,) = torch.autograd.grad(output, leaf)
    space: dict[str, Any] = {}
    exec(gradcli.derive(program, {"A": tuple(value.shape)}).code("torch"), space)  # noqa: S102 (what is tested)
    return reference, space["gradient"](value)


@pytest.mark.parametrize(
    "program",
    ["linalg.cond(A)", "sum(linalg.eigvalsh(A, UPLO='U')**2)", "sum(linalg.cholesky(A @ A.T, upper=True))"],
)
def test_the_code_is_what_autograd_says(program: str) -> None:
    torch.manual_seed(4)
    reference, found = gradients(program, torch.randn(3, 3, dtype=torch.float64))
    assert torch.allclose(found, reference, rtol=1e-9)


@pytest.mark.parametrize(
    ("program", "shape"), [("linalg.eigvalsh(A)", "nxn"), ("linalg.norm(A, 2)", "mxn"), ("norm(A, 'nuc')", "mxn")]
)
def test_they_hold_for_lengths_by_name(program: str, shape: str) -> None:
    found = gradcli.derive(program, {"A": tuple(shape.split("x"))})
    assert found["A"].formula is not None
    assert found.verdict == "match"


@pytest.mark.parametrize("program", ["sum(linalg.eigvalsh(A)**2)", "linalg.matrix_norm(A, 2)**2", "norm(A, 'nuc')"])
def test_a_second_derivative_is_none_of_constant_factors(program: str) -> None:
    found = gradcli.derive(program, SQUARE, order=2)["A"]
    assert found.formula is None
    assert gradcli.derive(program, SQUARE, product="hvp")["A"].formula is None


def test_vectors_that_are_read_have_a_gradient_of_their_own() -> None:
    found = gradcli.derive("w, v = linalg.eigh(A); v @ w", SQUARE)
    assert (found.verdict, found["A"].formula is None) == ("match", False)


FUNCTIONS = [
    ("linalg.pinv(A)", (3, 2), "Shapes: A (n, m)."),
    ("linalg.eigvalsh(A + A.T)", (3, 3), "Shapes: A (n, n)."),
    ("logcumsumexp(A, 0)", (4,), "Shapes: A (n,)."),
]


@pytest.mark.parametrize(("program", "shape", "lengths"), FUNCTIONS)
def test_a_function_is_for_all_lengths_and_has_a_jvp(program: str, shape: tuple[int, ...], lengths: str) -> None:
    code = gradcli.derive(program, {"A": shape}).function()
    assert lengths in code
    assert "def jvp(" in code


def test_the_tangent_is_that_of_the_factors() -> None:
    found = gradcli.derive("linalg.eigvalsh(A)", SQUARE, product="jvp")["A"]
    assert found.checked.verdict == "match"


# Of vectors the gradient is that of PyTorch's signs: NumPy may choose others.
FACTORS = [
    ("linalg.eigh(A)[1]", (3, 3), False),
    ("linalg.svd(A, full_matrices=False)[0]", (4, 3), False),
    ("linalg.svd(A, full_matrices=False)[2]", (3, 4), False),
    ("torch.svd(A)[2]", (3, 2), False),
    ("linalg.eigvals(A).abs()", (3, 3), False),
    ("linalg.eig(A)[0].imag", (4, 4), False),
    ("linalg.qr(A)[0]", (4, 3), True),
    ("linalg.qr(A)[1]", (2, 3), True),
    ("linalg.lstsq(A, torch.ones(2, 1, dtype=torch.float64))[0]", (2, 3), True),
]


@pytest.mark.parametrize(("program", "shape", "is_of_numpy"), FACTORS)
def test_the_code_of_factors_is_what_autograd_says(program: str, shape: tuple[int, int], is_of_numpy: bool) -> None:
    torch.manual_seed(4)
    leaf = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    output = eval(program, {"linalg": torch.linalg, "torch": torch, "A": leaf})  # noqa: S307
    upstream = torch.randn_like(output)
    (reference,) = torch.autograd.grad(output, leaf, upstream)
    found = gradcli.derive(program, {"A": shape})
    space: dict[str, Any] = {}
    exec(found.code("torch"), space)  # noqa: S102 (what is tested)
    assert torch.allclose(space["gradient"](leaf.detach(), upstream), reference, rtol=1e-9, atol=1e-11)
    assert ("numpy" in found.codes) is is_of_numpy


@pytest.mark.parametrize("program", ["linalg.lu(A)[1]", "linalg.lu(A).U", "linalg.lu_factor(A).LU"])
def test_triangular_factors_have_a_gradient(program: str) -> None:
    found = gradcli.derive(program, SQUARE)
    assert (found.verdict, found["A"].formula is None) == ("match", False)


def test_least_squares_are_those_of_the_pseudo_inverse() -> None:
    found = gradcli.derive("linalg.lstsq(A, B).solution", {"A": (4, 2), "B": (4, 3)})
    assert dict(found.where.formulas)["B"] == "s.T @ g"
    assert (dict(found.where.parts), found.verdict) == ({"s": "linalg.pinv(A)"}, "match")
