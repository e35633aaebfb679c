"""What a mask hides from a softmax is 0 already: where(m, s*r, 0) is s*r, if s is softmax(where(m, x, -inf))."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.written import text_of
from gradcli.python_trees import expression_tree

CHOICE = 3  # a test, and what it chooses between
NOTHING, LEAST = "0", "-inf"


def without_hidden(text: str) -> str:
    """Return a formula of a whole tensor without choices of 0 where a softmax, as a factor, is 0."""
    if text.startswith("[") or "-inf" not in text or "softmax(" not in text:
        return text
    return text_of(_Hidden().visit(expression_tree(text)))


class _Hidden(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return what is chosen where a mask does not hide it."""
        self.generic_visit(node)
        chosen = _beside(node, NOTHING)
        if chosen is None:
            return node
        value, test, truth = chosen
        return value if (ast.dump(test), truth) in map(_mask, _factors(value)) else node


def _beside(node: ast.expr, other: str) -> tuple[ast.expr, ast.expr, bool] | None:
    """Return what a choice takes in the place of a value, the test, and whether it takes it where that holds."""
    if not (isinstance(node, ast.Call) and callee(node) == "where" and len(node.args) == CHOICE):
        return None
    test, *branches = node.args
    texts = [ast.unparse(branch) for branch in branches]
    return (branches[texts[0] == other], test, texts[0] != other) if other in texts else None


def _mask(factor: ast.expr) -> tuple[str, bool] | None:
    """Return the test of a softmax of what is -inf elsewhere, and whether it is where that holds that it is not."""
    if not (isinstance(factor, ast.Call) and callee(factor) == "softmax"):
        return None
    chosen = _beside(factor.args[0], LEAST)
    return None if chosen is None else (ast.dump(chosen[1]), chosen[2])


def _factors(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield from (*_factors(left), *_factors(right))
        case ast.BinOp(left=inner, op=ast.Div()) | ast.UnaryOp(op=ast.USub(), operand=inner):
            yield from _factors(inner)
        case _:
            yield node
