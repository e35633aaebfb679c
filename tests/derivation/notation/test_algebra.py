"""Simplified formulas: as short as a reader would write them, and of the same value."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gradcli.derivation.notation.algebra import simplified
from gradcli.derivation.notation.points import without_points
from gradcli.derivation.notation.sharing import shared
from gradcli.derivation.notation.written import symbols

SHAPES = {"A": (3, 3), "B": (3, 3), "X": (3, 3), "Y": (4, 3), "v": (3,), "w": (3,), "s": (), "t": ()}
SIMPLE = [
    ("(det(X)*inv(X)).T", "det(X)*inv(X).T"),
    ("A.T @ (A @ B)", "A.T @ A @ B"),
    ("A @ (B @ v)", "A @ (B @ v)"),
    ("v[:, None]*w", "outer(v, w)"),
    ("-sum(v*w*(w - v @ w))", "v*w @ (v @ w - w)"),
    ("sum(2*X @ A)/s", None),
    (
        "(X @ X.T @ A.T - A.T) @ A @ X + A.T @ (A @ X @ X.T - A) @ X",
        "(A @ X @ X.T - A).T @ A @ X + A.T @ (A @ X @ X.T - A) @ X",
    ),
    ("2*v[:, None]*w", "2*outer(v, w)"),
    ("-(v @ inv(X))[:, None]*(inv(X) @ w)", "-outer(v @ inv(X), inv(X) @ w)"),
    ("eye(3)*v[:, None]", "diag(v)"),
    ("6*v[:, None]*eye(3)", "6*diag(v)"),
    ("sqrt(sum(X**2))", "norm(X)"),
    ("sqrt(sum((X - A)**2))", "norm(X - A)"),
    ("sum(v*w)", "v @ w"),
    ("sum(v**2)", "v @ v"),
    ("sum(X*A.T)", "trace(X @ A)"),
    ("X @ X @ (X @ X)", "matrix_power(X, 4)"),
    ("X.T @ A.T + A.T @ X.T", "(A @ X + X @ A).T"),
    ("X.T @ inv(A @ X).T @ v", None),
    ("A.T @ inv(A @ X @ B).T @ B.T", "inv(X).T"),
    ("inv(inv(X)).T", "X.T"),
    ("X @ A + X @ A", "2*X @ A"),
    ("X @ A - X @ A", "0"),
    ("(2*v - 2*w) @ X", "2*(v - w) @ X"),
    ("s*(X @ A) + s*(A @ X)", "s*(X @ A + A @ X)"),
    ("v @ A.T", "A @ v"),
    ("A.T @ v", "v @ A"),
    ("w3/4 + 1/4", "w3/4 + 1/4"),
    ("v/3 - w/3", "(v - w)/3"),
    ("s/t*X @ A", None),
    ("1/v @ X", "(1/v) @ X"),
    ("w @ X/s", "w @ X/s"),
    ("X/s", "X/s"),
    ("(X*A.T).T", "X.T*A"),
    ("(X*v).T", None),
    ("(X*v[:, None]).T @ A", None),
    ("(X - v).T @ A", None),
    ("(X - v[:, None] + 1/2).T", None),
    ("4*Y - sum(Y, dim=0)", "4*Y - sum(Y, dim=0)"),
    ("sum(Y.T, dim=1)", "sum(Y, dim=0)"),
    ("sum((Y - Y[:, :1]).T**2, dim=0)", None),
    ("(3*Y - sum(Y, dim=1)[:, None])*(3*Y - sum(Y, dim=1)[:, None])/9", None),
    ("sum(Y, dim=0)", "sum(Y, dim=0)"),
    ("(sum(Y, dim=1)/3)[:, None]", "mean(Y, dim=1)[:, None]"),
    ("sum(2*Y, dim=0)", "2*sum(Y, dim=0)"),
    ("-X*A/2", "-X*A/2"),
    ("(X + A) @ (X - A)", None),
    ("X @ A*B", None),
    ("X*(A @ B)", None),
    ("v*X @ A", None),
    ("v @ (X @ A)", None),
    ("(v @ w)*X", None),
    ("X - 1/2*A", None),
    ("where(X > 0, X.T @ (A @ B), 0)", None),
    ("softmax(2*X/2, dim=-1).T", None),
    ("1/(s*t)*v", None),
    ("v*w/(v @ w)**2", None),
    ("X*v[:, None]*w[:, None]", "X*(v*w)[:, None]"),
    ("X/v[:, None]/w[:, None]", "X/(v*w)[:, None]"),
    ("s*inv(s*X).T", "inv(X).T"),
    ("w @ diag(v)", "v*w"),
    ("w @ inv(diag(v))", "w/v"),
    ("sum(diag(v)*X, dim=0)", "v*diagonal(X)"),
    ("sum((X @ diag(v))*diag(w), dim=1)", "w*diagonal(X)*v"),
    ("X*(A - v/X)", "X*A - v"),
    ("v/(w*w)", "v/w**2"),
    ("s*v*w - t*w*v", "v*w*(s - t)"),
    ("exp(X @ w) @ X - v @ X", "(exp(X @ w) - v) @ X"),
    ("Y @ where(X > 0, (X.T @ B.T + v[:, None] - A.T).T, 0)", "Y @ where(X > 0, B @ X + v - A, 0)"),
]


def value(text: str, parts: tuple[tuple[str, str], ...] = ()) -> torch.Tensor:
    torch.manual_seed(2)
    names: dict[str, Any] = {
        name: getattr(torch, name) for name in ("det", "trace", "outer", "norm", "softmax", "mean", "diagonal")
    }
    names |= {"inv": torch.inverse, "matrix_power": torch.matrix_power, "diag": torch.diag, "sqrt": torch.sqrt}
    names["exp"] = torch.exp
    names |= {"eye": lambda size: torch.eye(size, dtype=torch.float64), "sum": torch.sum, "where": torch.where}
    names |= {name: torch.randn(shape, dtype=torch.float64) for name, shape in SHAPES.items()}
    names["w3"] = names["v"]
    for name, part in parts:
        names[name] = eval(part, names)  # noqa: S307 (ours)
    return torch.as_tensor(eval(text, names), dtype=torch.float64)  # noqa: S307 (above, or ours)


@pytest.mark.parametrize(("text", "expected"), SIMPLE)
def test_a_formula_is_simplified_and_says_the_same(text: str, expected: str | None) -> None:
    found = simplified(text, SHAPES)
    assert expected is None or found == expected
    assert symbols(found) <= symbols(text) + 2
    original = value(text)
    assert torch.allclose(value(found).expand(original.shape), original, rtol=1e-9, atol=1e-11)


def test_an_entry_stays_as_it_is() -> None:
    assert simplified("[p]: sum(v[i]*2*2 for i in range(3))", SHAPES) == "[p]: sum(v[i]*2*2 for i in range(3))"


def test_a_choice_at_a_point_is_told_apart() -> None:
    found = without_points("where(sum(v**2) == 0, 0, v/norm(v))", {"v"})
    assert found == ("v/norm(v)", "0 where sum(v**2) == 0")
    assert without_points("where(v > 0, 1, 0)", {"v"}) == ("where(v > 0, 1, 0)", None)


@pytest.mark.parametrize(
    ("text", "elsewhere"),
    [
        ("where(logical_or(v == 0, w > 0), v, 0)", "where(w > 0, v, 0)"),
        ("where(logical_and(v != 0, w > 0), v, 0)", "where(w > 0, v, 0)"),
        ("where(logical_and(v == 0, w > 0), v, w)", "w"),
        ("where((sum(X, dim=1) == 0)[:, None], 0, where(X > 0, X, 0))", "where(X > 0, X, 0)"),
        ("2*where(v == 0, 1, v)", "2*v"),
    ],
)
def test_tests_for_what_is_exactly_zero_are_decided(text: str, elsewhere: str) -> None:
    assert without_points(text, {"v", "X"})[0] == elsewhere


def test_a_label_may_be_zero() -> None:
    assert without_points("where(y == 0, 1, v)", {"v"}) == ("where(y == 0, 1, v)", None)


def test_what_formulas_have_in_common_is_named_once() -> None:
    formulas = ["softmax(X @ A, dim=-1) @ B + softmax(X @ A, dim=-1)", "softmax(X @ A, dim=-1).T @ v"]
    found = shared(formulas, {*SHAPES})
    assert found.parts == (("u", "softmax(X @ A, dim=-1)"),)
    assert found.formulas == ("u @ B + u", "u.T @ v")


def test_parts_stand_after_those_that_they_read() -> None:
    formulas = ["softmax(X @ A - B, dim=-1) @ (X @ A - B)", "softmax(X @ A - B, dim=-1).T @ (X @ A - B)"]
    found = shared(formulas, {*SHAPES})
    assert len(found.parts) > 1
    for text, original in zip(found.formulas, formulas, strict=True):
        assert torch.allclose(value(text, found.parts), value(original))


def test_what_occurs_once_has_no_name() -> None:
    assert shared(["X @ A @ B @ v"], {*SHAPES}).parts == ()
