"""Truth values as they are tested: `(x > 0) & (x < 1) != 0` is `logical_and(x > 0, x < 1)`."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.ranks import rank
from gradcli.derivation.notation.terms import call
from gradcli.derivation.notation.written import text_of
from gradcli.python_trees import expression_tree

CONNECTED: Mapping[type[ast.operator], str] = {ast.BitAnd: "logical_and", ast.BitOr: "logical_or"}

# The functions of entries that are true or false.
OF_ENTRIES = frozenset({"isnan", "isinf", "isfinite"})


def with_tests(text: str, ranks: Mapping[str, int], masks: frozenset[str] = frozenset()) -> str:
    """Return a formula in which truth values are tests themselves, not compared with 0; `ranks` are tensors' own.

    `masks` are the names of tensors of truth values.
    """
    indices, colon, body = text.rpartition("]: ") if text.startswith("[") else ("", "", text)
    signs = (
        "&",
        "|",
        "~",
        "logical_",
        ") != 0",
        ") == 0",
        *(f"{name} " for name in masks),
        *(f"{name}[" for name in masks),
    )
    if not body or not any(sign in body for sign in signs):
        return text
    tree = expression_tree(body)
    before = ast.dump(tree)
    found = _Tests(ranks, masks).visit(tree)
    return text if ast.dump(found) == before else f"{indices}{colon}{text_of(found)}"


class _Tests(ast.NodeTransformer):
    def __init__(self, ranks: Mapping[str, int], masks: frozenset[str]) -> None:
        self.ranks = ranks
        self.masks = masks

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Return a truth value, or its opposite, for what says that it is not 0, or is."""
        is_zero = isinstance(node.comparators[0], ast.Constant) and node.comparators[0].value == 0
        test = self._test(node.left) if is_zero and isinstance(node.ops[0], ast.Eq | ast.NotEq) else None
        if test is None:
            return node
        return test if isinstance(node.ops[0], ast.NotEq) else call("logical_not", test)

    def _test(self, node: ast.expr) -> ast.expr | None:
        """Return truth values as a test; None of what holds numbers."""
        match node:
            case ast.Compare():
                return node
            case ast.Name(id=name) if name in self.masks:
                return node
            case ast.Call() if callee(node) in OF_ENTRIES:
                return node
            case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() as sign, right=right):
                return self._called(CONNECTED[type(sign)], left, right)
            case ast.UnaryOp(op=ast.Invert(), operand=inner):
                is_not = ast.Compare(inner, [ast.Eq()], [ast.Constant(0)])
                return self._called("logical_not", inner) or is_not
            case ast.Call() if (callee(node) or "").startswith("logical_"):
                return self._called(callee(node) or "", *node.args)
            case ast.Subscript(value=inner, slice=places):
                test = self._test(inner)
                items = places.elts if isinstance(places, ast.Tuple) else [places]
                return None if test is None else self._at(test, items)
        return None

    def _called(self, name: str, *parts: ast.expr) -> ast.expr | None:
        tests = [self._test(part) for part in parts]
        known = [test for test in tests if test is not None]
        return call(name, *known) if len(known) == len(tests) else None

    def _at(self, node: ast.expr, items: Sequence[ast.expr]) -> ast.expr:
        """Return an expression that is computed entry by entry at a place, which a tensor of fewer axes has less of."""
        match node:
            case ast.Compare(left=left, ops=signs, comparators=[right]):
                return ast.Compare(self._at(left, items), signs, [self._at(right, items)])
            case ast.Call(func=ast.Name() as function) if (callee(node) or "").startswith("logical_"):
                return ast.Call(function, [self._at(part, items) for part in node.args], [])
            case ast.Constant():
                return node
        own = _last(items, rank(node, self.ranks))
        if not own:
            return node
        return ast.Subscript(node, own[0] if len(own) == 1 else ast.Tuple([*own]))


def _last(items: Sequence[ast.expr], axes: int) -> Sequence[ast.expr]:
    """Return of what indexes a tensor what indexes one of the last axes alone; `None` indexes no axis."""
    own = [place for place, item in enumerate(items) if ast.unparse(item) != "None"]
    missing = max(len(own) - axes, 0)
    return items[own[missing - 1] + 1 :] if missing else items if axes else []
