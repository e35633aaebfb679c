"""Products of all other entries, as a reader writes them: prod(x)/x, where no entry is zero."""

from __future__ import annotations

import ast

from gradcli.derivation.notation.brackets import compact
from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.written import text_of
from gradcli.python_trees import expression_tree

NAME = "prod_of_others"
THERE = "a product divided by an entry is that of the other entries"


def with_quotients(text: str) -> tuple[str, str | None]:
    """Return a formula with quotients for products of other entries, and where it does not hold; None for nowhere."""
    if NAME not in text or text.startswith("["):
        return text, None
    quotients = _Quotients()
    found = quotients.visit(expression_tree(text))
    places = " or ".join(f"{place} == 0" for place in dict.fromkeys(quotients.places))
    return text_of(found), compact(f"{THERE} where {places}")


class _Quotients(ast.NodeTransformer):
    def __init__(self) -> None:
        self.places: list[str] = []

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a product divided by the entry."""
        self.generic_visit(node)
        if callee(node) != NAME:
            return node
        (factors,) = node.args
        self.places.append(ast.unparse(factors))
        whole: ast.expr = ast.Call(ast.Name("prod"), node.args, node.keywords)
        axis = int(ast.unparse(node.keywords[0].value)) if node.keywords else 0
        if axis:
            whole = ast.Subscript(whole, ast.Tuple([*(ast.Slice() for _ in range(axis)), ast.Constant(None)]))
        return ast.BinOp(whole, ast.Div(), factors)
