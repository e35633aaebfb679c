"""An entry in index notation as an expression of sympy's, over `IndexedBase`s and whole indices."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from gradcli.derivation.notation.parsed import Parsed, callee, is_sum_over_indices
from gradcli.derivation.notation.ranges import last_of
from gradcli.errors import NotSupportedError

FUNCTIONS = (
    *("exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh"),
    *("atanh", "sqrt", "erf", "erfc", "erfinv", "sign", "floor", "polygamma", "digamma"),
)
RENAMED = {"abs": "Abs", "ceil": "ceiling", "lgamma": "loggamma", "where": "where"}
RENAMED |= {"logical_and": "And", "logical_or": "Or", "logical_not": "Not"}
RELATIONS: Mapping[type[ast.cmpop], str] = {ast.Eq: "Eq", ast.NotEq: "Ne"}


def sympy(formula: Parsed) -> str:
    """Return the text of sympy's expression; NotSupportedError if the entry holds what sympy has no word for."""
    return ast.unparse(_Expression().visit(formula.body))


class _Expression(ast.NodeTransformer):
    """Turns Python's words for sums and choices into sympy's."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Return a number; text is none."""
        if not isinstance(node.value, int | float):
            raise NotSupportedError(f"sympy has no word for `{ast.unparse(node)}`")
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return arithmetic; a quotient of whole numbers is exact."""
        if isinstance(node.op, ast.MatMult):
            raise NotSupportedError("an entry holds no product of matrices")
        numbers = [side.value for side in (node.left, node.right) if isinstance(side, ast.Constant)]
        if isinstance(node.op, ast.Div) and len(numbers) == 2 and all(isinstance(side, int) for side in numbers):  # noqa: PLR2004
            return _call("Rational", node.left, node.right)
        if isinstance(node.op, ast.FloorDiv):
            return _call("floor", self._generic(ast.BinOp(node.left, ast.Div(), node.right)))
        return self._generic(node)

    def _generic(self, node: ast.AST) -> ast.expr:
        changed = self.generic_visit(node)
        assert isinstance(changed, ast.expr)  # noqa: S101 (of an expression)
        return changed

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """Return a choice."""
        return self._choice(node.test, node.body, node.orelse)

    def _choice(self, test: ast.expr, body: ast.expr, otherwise: ast.expr) -> ast.expr:
        rest = self.visit(otherwise)
        first = ast.Tuple([self.visit(body), self.visit(test)])
        if isinstance(rest, ast.Call) and callee(rest) == "Piecewise":
            return _call("Piecewise", first, *rest.args)
        return _call("Piecewise", first, ast.Tuple([rest, ast.Constant(value=True)]))

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Return a relation; Python's own would compare expressions, and not say that they are equal."""
        left, right = self.visit(node.left), self.visit(node.comparators[0])
        name = RELATIONS.get(type(node.ops[0]))
        return _call(name, left, right) if name else ast.Compare(left, node.ops, [right])

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """Return a conjunction or disjunction."""
        name = "And" if isinstance(node.op, ast.And) else "Or"
        return _call(name, *[self.visit(part) for part in node.values])

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a function, or a sum with its limits."""
        if is_sum_over_indices(node):
            return self._sum(node.args[0])
        name = callee(node)
        if name == "where":
            return self._choice(*node.args)
        if node.keywords or name not in {*FUNCTIONS, *RENAMED}:
            raise NotSupportedError(f"sympy has no word for `{ast.unparse(node)}`")
        return _call(RENAMED.get(name, name), *[self.visit(argument) for argument in node.args])

    def _sum(self, node: ast.expr) -> ast.expr:
        assert isinstance(node, ast.GeneratorExp)  # noqa: S101 (what a sum over indices sums)
        limits = []
        for loop in reversed(node.generators):
            assert isinstance(loop.iter, ast.Call)  # noqa: S101 (range)
            *start, stop = loop.iter.args
            low = self.visit(start[0]) if start else ast.Constant(0)
            limits.append(ast.Tuple([loop.target, low, self.visit(last_of(stop))]))
        return _call("Sum", self.visit(node.elt), *limits)


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name), [*arguments], [])
