"""Formulas of what is picked by its values or at indices, which are compared with autograd's gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gradcli

ROWS, LABELS, BAGS = torch.tensor([0, 2]), torch.tensor([2, 0]), torch.tensor([[2, 0], [2, 1]])
POOLED = "sum(g[:, :, None]*one_hot(max_pool1d(x, 2, return_indices=True)[1], 6), dim=1)"
READABLE: list[tuple[str, Any, str, str]] = [
    (
        "F.max_pool1d(x, 2)",
        {"x": (2, 6)},
        "x",
        "sum(g[:, :, None]*one_hot(max_pool1d(x, 2, return_indices=True)[1], 6), dim=1)",
    ),
    ("quantile(x, 0.3)", {"x": (5,)}, "x", "(4*one_hot(argsort(x, dim=0)[1], 5) + one_hot(argsort(x, dim=0)[2], 5))/5"),
    ("msort(x)", {"x": (3, 2)}, "x", "sum(g[:, :, None]*one_hot(argsort(x, dim=0), 3), dim=0).T"),
    ("index_fill(x, 1, i, y)", {"x": (2, 3), "i": ROWS, "y": ()}, "x", "where(sum(one_hot(i, 3), dim=0) > 0, 0, g)"),
    ("index_copy(x, 1, i, y)", {"x": (2, 3), "i": ROWS, "y": (2, 2)}, "y", "g @ one_hot(i, 3).T"),
    ("take(x, i)", {"x": (2, 3), "i": torch.tensor([1, 5])}, "x", "reshape(g @ one_hot(i, 6), (2, 3))"),
    (
        "F.embedding_bag(i, w)",
        {"i": BAGS, "w": (3, 2)},
        "w",
        "mean(one_hot(i, 3), dim=1).T @ g",
    ),
    ("nansum(x)", {"x": (2, 3)}, "x", "where(isnan(x), 0, 1)"),
    ("copysign(x, y)", {"x": (3,), "y": (3,)}, "x", "g*sign(x)*sign(y)"),
    ("x.reshape_as(y)", {"x": (2, 3), "y": (3, 2)}, "x", "reshape(g, (2, 3))"),
]


@pytest.mark.parametrize(("program", "leaves", "wrt", "formula"), READABLE)
def test_a_gradient_reads_so(program: str, leaves: Any, wrt: str, formula: str) -> None:
    found = gradcli.derive(program, leaves, wrt=wrt)[wrt]
    assert (found.formula, found.checked.verdict) == (formula, "match")


FOUND: list[tuple[str, Any]] = [
    ("F.max_pool2d(x, 2)", {"x": (2, 4, 4)}),
    ("F.max_pool1d(x, 3, 2, 1)", {"x": (1, 2, 6)}),
    ("F.adaptive_max_pool2d(x, (2, None))", {"x": (1, 5, 3)}),
    ("quantile(x, tensor([0.2, 0.9]), dim=1, keepdim=True)", {"x": (2, 4)}),
    ("quantile(x, 0.4, 0, interpolation='midpoint')", {"x": (4, 2)}),
    ("a, b = aminmax(x); a*b", {"x": (2, 3)}),
    ("scatter(x, 0, i, y)", {"x": (2, 3), "i": torch.tensor([[1, 0, 1]]), "y": (1, 3)}),
    ("F.multi_margin_loss(x, i, reduction='none')", {"x": (2, 3), "i": LABELS}),
    ("F.embedding_bag(i, w, mode='max')", {"i": BAGS, "w": (3, 2)}),
    ("torch.cdist(x, y, inf)*z", {"x": (2, 3), "y": (4, 3), "z": (2, 4)}),
    ("special.log_ndtr(x)", {"x": (3,)}),
    ("pinverse(x)", {"x": (3, 2)}),
    ("F.conv_transpose1d(x, w, stride=2, padding=1)", {"x": (1, 1, 3), "w": (1, 2, 3)}),
]


@pytest.mark.parametrize(("program", "leaves"), FOUND)
def test_a_gradient_has_a_formula_that_autograd_agrees_with(program: str, leaves: Any) -> None:
    found = gradcli.derive(program, leaves)
    assert all(one.formula is not None for one in found.derivatives)
    assert found.verdict == "match"


@pytest.mark.parametrize(
    ("program", "leaves"),
    [
        ("index_copy(x, 0, i, y)", {"x": (3,), "i": torch.tensor([1, 1]), "y": (2,)}),
        ("scatter(x, 0, i, y)", {"x": (3,), "i": torch.tensor([1, 1]), "y": (2,)}),
    ],
)
def test_an_entry_that_is_written_twice_is_not_written_so(program: str, leaves: Any) -> None:
    found = gradcli.derive(program, leaves)
    assert all(one.formula is None or one.checked.verdict == "match" for one in found.derivatives)
    assert "one_hot" not in str(found["x"].formula)


def test_differences_that_tie_are_one_distance() -> None:
    found = gradcli.derive("torch.cdist(x, y, inf)*z", {"x": (2, 3), "y": (4, 3), "z": (2, 4)}, wrt="z")["z"]
    assert found.formula == "cdist(x, y, inf)*g"


def test_a_number_for_what_is_not_finite_has_a_second_derivative_of_0() -> None:
    found = gradcli.derive("sum(nan_to_num(x)**3)", {"x": (3,)}, order=2)["x"]
    assert (found.formula, found.checked.verdict) == ("6*diag(where(isfinite(x), x, 0))", "match")


def test_a_tangent_is_compared_where_pytorch_has_no_second_derivative() -> None:
    leaves = {"x": (1, 2), "y": (2, 2)}
    assert gradcli.derive("torch.cdist(x, y, 1.0)", leaves, product="jvp").verdict == "match"
    with pytest.raises(gradcli.GradcliError, match="not implemented"):
        gradcli.derive("sum(torch.cdist(x, y, 1.0))", leaves, order=2)
