"""Python's parser is asked again where another thread has disturbed it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest

from gradcli.python_trees import expression_tree, module_tree

MISMATCH = "AST constructor recursion depth mismatch (before=54, after=46)"


def disturbed(times: int) -> Callable[..., ast.AST]:
    """Return `ast.parse` as it is while another thread parses: it raises SystemError some times."""
    parse, errors = ast.parse, [SystemError(MISMATCH)] * times

    def parsed(*args: Any, **keywords: Any) -> ast.AST:
        if errors:
            raise errors.pop()
        return parse(*args, **keywords)

    return parsed


def test_a_tree_is_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ast, "parse", disturbed(3))
    assert ast.unparse(expression_tree("f(x) + 1")) == "f(x) + 1"
    monkeypatch.setattr(ast, "parse", disturbed(3))
    assert ast.unparse(module_tree("y = f(x)\ny + 1")) == "y = f(x)\ny + 1"


def test_an_error_that_stays_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ast, "parse", disturbed(10_000))
    with pytest.raises(SystemError, match="recursion depth mismatch"):
        expression_tree("x")


def test_what_is_no_python_is_said_at_once() -> None:
    with pytest.raises(SyntaxError):
        expression_tree("x +")
    with pytest.raises(SyntaxError):
        module_tree("y =")
