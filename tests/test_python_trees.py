"""Python's parser is asked again where another thread has disturbed it."""

from __future__ import annotations

import ast
from types import SimpleNamespace
from typing import Any

import pytest

from gradcli import python_trees
from gradcli.python_trees import expression_tree, module_tree

MISMATCH = "AST constructor recursion depth mismatch (before=54, after=46)"


def disturb(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let Python's parser be as it is while another thread parses: it raises SystemError some times."""
    errors = [SystemError(MISMATCH)] * times

    def parsed(*args: Any, **keywords: Any) -> ast.AST:
        if errors:
            raise errors.pop()
        return ast.parse(*args, **keywords)

    monkeypatch.setattr(python_trees, "ast", SimpleNamespace(parse=parsed))


def test_a_tree_is_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    disturb(monkeypatch, 3)
    assert ast.unparse(expression_tree("f(x) + 1")) == "f(x) + 1"
    disturb(monkeypatch, 3)
    assert ast.unparse(module_tree("y = f(x)\ny + 1")) == "y = f(x)\ny + 1"


def test_an_error_that_stays_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    disturb(monkeypatch, 10_000)
    with pytest.raises(SystemError, match="recursion depth mismatch"):
        expression_tree("x")


def test_what_is_no_python_is_said_at_once() -> None:
    with pytest.raises(SyntaxError):
        expression_tree("x +")
    with pytest.raises(SyntaxError):
        module_tree("y =")
