"""Powers as multiples of roots that stand beside them: x**(3/2) is x*sqrt(x), so that a root may have one name."""

from __future__ import annotations

import ast

from gradcli.derivation.notation.parsed import parsed
from gradcli.derivation.notation.terms import call
from gradcli.derivation.notation.written import text_of


def with_roots(text: str) -> str:
    """Return a formula in which products have roots beside each other; that of an entry stays as it is."""
    if text.startswith("[") or "/2)" not in text.replace(" ", ""):
        return text
    tree: ast.expr = _Roots().visit(parsed(text).body)
    return text_of(tree)


class _Roots(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a product with the whole part of such a power outside: x*(sqrt(x)*y), and y*sqrt(x)*x."""
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.Mult) and (parts := _parts(left)):
            return ast.BinOp(parts[0], ast.Mult(), ast.BinOp(parts[1], ast.Mult(), right))
        if isinstance(node.op, ast.Mult) and (parts := _parts(right)):
            return ast.BinOp(ast.BinOp(left, ast.Mult(), parts[1]), ast.Mult(), parts[0])
        return ast.BinOp(left, node.op, right)


def _parts(node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    """Return x and sqrt(x) of x**(3/2), x**2 and sqrt(x) of x**(5/2); None of anything else."""
    match node:
        case ast.BinOp(
            left=base,
            op=ast.Pow(),
            right=ast.BinOp(left=ast.Constant(value=int(count)), op=ast.Div(), right=ast.Constant(value=2)),
        ) if count > 1 and count % 2:
            whole = base if count == 3 else ast.BinOp(base, ast.Pow(), ast.Constant(count // 2))  # noqa: PLR2004 (3/2)
            return whole, call("sqrt", base)
    return None
