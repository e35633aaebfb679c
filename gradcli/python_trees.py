"""Python's own parser, for processes in which several threads call it."""

from __future__ import annotations

import ast
from contextlib import suppress
from typing import cast

ATTEMPTS = 100


def module_tree(text: str) -> ast.Module:
    """Return the tree of statements; raises what `ast.parse` does."""
    return cast("ast.Module", _tree(text, "exec"))


def expression_tree(text: str) -> ast.expr:
    """Return the tree of an expression; raises what `ast.parse` does."""
    return cast("ast.Expression", _tree(text, "eval")).body


def _tree(text: str, mode: str) -> ast.AST:
    # Python 3.11 counts the depth of the tree that it builds in one place for all threads: where another one builds
    # a tree meanwhile, the count is wrong in the end, and that is a SystemError (python/cpython#106905).
    for _ in range(ATTEMPTS - 1):
        with suppress(SystemError):
            return ast.parse(text, mode=mode)  # noqa: TID251
    return ast.parse(text, mode=mode)  # noqa: TID251
