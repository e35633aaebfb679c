"""A formula as a line of text: with signs of mathematics, or in ASCII as Python has it."""

from __future__ import annotations

import ast

from gradcli.derivation.notation.parsed import is_sum_over_indices, parsed
from gradcli.derivation.notation.ranges import last_of
from gradcli.derivation.notation.written import text_of

PLACE = "sum_over_indices_{}"


def unicode(text: str) -> str:
    """Return a formula with its sums over indices as sums with limits; a formula without one is as it is."""
    formula = parsed(text)
    if not any(isinstance(node, ast.expr) and is_sum_over_indices(node) for node in ast.walk(formula.body)):
        return text
    shown = _Sums()
    body = text_of(shown.visit(formula.body))
    for place, written in reversed([*shown.found.items()]):
        body = written if body == place else body.replace(place, f"({written})")
    return body if formula.indices is None else f"[{', '.join(formula.indices)}]: {body}"


class _Sums(ast.NodeTransformer):
    """Takes sums out of an expression: `found` has the text of each by the name that stands in its place."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a name in the place of a sum."""
        self.generic_visit(node)
        if not is_sum_over_indices(node):
            return node
        inner = node.args[0]
        assert isinstance(inner, ast.GeneratorExp)  # noqa: S101 (what a sum over indices sums)
        signs = "".join(_limits(loop) for loop in inner.generators)
        body = text_of(inner.elt)
        body = f"({body})" if isinstance(inner.elt, ast.IfExp) or _is_sum(inner.elt) else body
        name = PLACE.format(len(self.found))
        self.found[name] = f"{signs} {body}"
        return ast.Name(name)


def _is_sum(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def _limits(loop: ast.comprehension) -> str:
    assert isinstance(loop.iter, ast.Call)  # noqa: S101 (range)
    *start, stop = loop.iter.args
    low = text_of(start[0]) if start else "0"
    return f"\u03a3[{ast.unparse(loop.target)}={low}..{text_of(last_of(stop))}]"
