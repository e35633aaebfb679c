"""Parentheses for readers: where what is multiplied entry by entry meets `@`; to Python they say nothing new."""

from __future__ import annotations

import ast

import pytest

from gradcli.derivation.notation.brackets import bracketed, readable

RANKS = {"x": 1, "y": 1, "w": 1, "A": 2, "B": 2, "X": 2, "g": 2, "c": 0, "d": 0}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x*y @ A", "(x*y) @ A"),
        ("-x*y @ A/c", "-(x*y) @ A/c"),
        ("2*c*x*y @ A", "2*c*(x*y) @ A"),
        ("-(c + 1)*x*y @ A", "-(c + 1)*(x*y) @ A"),
        ("softmax(A, dim=-1)*(B - x[:, None]) @ X", "(softmax(A, dim=-1)*(B - x[:, None])) @ X"),
        ("x**2*X.T @ X", "(x**2*X.T) @ X"),
        ("x @ y*w @ A", "(x @ y)*w @ A"),
        ("A @ x*y", "(A @ x)*y"),
        ("A @ x*(x @ y)/c", "(A @ x)*(x @ y)/c"),
        ("A @ B/(B @ x)[:, None]", "(A @ B)/(B @ x)[:, None]"),
        ("1/x @ A", "(1/x) @ A"),
        ("-x*w/y @ A", "-(x*w/y) @ A"),
        ("c*A @ x", "c*A @ x"),
        ("-2*A.T @ B/c", "-2*A.T @ B/c"),
        ("A @ x/c", "A @ x/c"),
        ("2*(x*y) @ A", "2*(x*y) @ A"),
        ("x*(y*w @ A)", "x*((y*w) @ A)"),
        ("[p]: x[p]*y[p]", "[p]: x[p]*y[p]"),
    ],
)
def test_a_product_is_written_with_the_parentheses_that_readers_need(text: str, shown: str) -> None:
    assert readable(text, RANKS) == shown
    if not text.startswith("["):
        factors = sorted(ast.unparse(ast.parse(shown)).replace("(", "").replace(")", ""))
        assert factors == sorted(ast.unparse(ast.parse(text)).replace("(", "").replace(")", ""))


def test_without_ranks_only_a_quotient_has_them() -> None:
    assert bracketed(ast.parse("x*y @ A", mode="eval").body) == "x * y @ A"
    assert bracketed(ast.parse("x/y @ A", mode="eval").body) == "(x / y) @ A"
