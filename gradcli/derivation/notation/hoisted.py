"""One choice in the place of several by the same test: where(t, 0, a)*where(t, b, c) is where(t, 0, a*c).

A test of a whole tensor, such as that of a norm, is true or false for all entries at once.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Mapping

from gradcli.derivation.notation.parsed import bound_names, callee, names_read
from gradcli.derivation.notation.ranks import rank
from gradcli.derivation.notation.terms import call
from gradcli.derivation.notation.written import text_of
from gradcli.python_trees import expression_tree

CHOICE = 3  # a test, and what it chooses between
BOUNDS: Mapping[str, type[ast.cmpop]] = {"clamp_min": ast.Lt, "clamp_max": ast.Gt}
OTHER_WAY: Mapping[type[ast.cmpop], type[ast.cmpop]] = {ast.Gt: ast.Lt, ast.GtE: ast.LtE}
# The most tests by which a formula is taken apart: each doubles it.
MOST = 2


def with_one_choice(text: str, ranks: Mapping[str, int], simplified: Callable[[str], str]) -> str:
    """Return a formula of a whole tensor in which a test of a number is asked once; each branch `simplified`."""
    if text.startswith("[") or not any(name in text for name in ("where(", *BOUNDS)):
        return text
    return _hoisted(text, ranks, simplified, MOST)


def _hoisted(text: str, ranks: Mapping[str, int], simplified: Callable[[str], str], most: int) -> str:
    tree = expression_tree(text)
    test = _shared(tree, ranks) if most else None
    if test is None:
        return text
    branches = [
        expression_tree(_hoisted(simplified(_decided(text, test, truth)), ranks, simplified, most - 1))
        for truth in (True, False)
    ]
    return text_of(call("where", test, *branches))


def _shared(tree: ast.expr, ranks: Mapping[str, int]) -> ast.expr | None:
    """Return a test of a number by which several choices are made; None if there is none."""
    bound = {*bound_names(tree)}
    tests = [test for node in ast.walk(tree) if (test := _test(node)) is not None]
    counts = Counter(map(ast.dump, tests))
    return next(
        (
            test
            for test in tests
            if counts[ast.dump(test)] > 1 and not rank(test, ranks) and not bound & {*names_read(test)}
        ),
        None,
    )


def _test(node: ast.AST) -> ast.expr | None:
    """Return the test by which a call chooses: that of `clamp_min(v, c)` is `v < c`."""
    if not isinstance(node, ast.Call):
        return None
    name = callee(node) or ""
    if name == "where" and len(node.args) == CHOICE:
        return _in_one_order(node.args[0])
    return ast.Compare(node.args[0], [BOUNDS[name]()], [node.args[1]]) if name in BOUNDS else None


def _in_one_order(test: ast.expr) -> ast.expr:
    """Return `v < c` for `c > v`."""
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1):
        return test
    other = OTHER_WAY.get(type(test.ops[0]))
    is_number = isinstance(test.left, ast.Constant)
    return ast.Compare(test.comparators[0], [other()], [test.left]) if other is not None and is_number else test


def _decided(text: str, test: ast.expr, truth: bool) -> str:  # noqa: FBT001 (what the test comes to)
    found: ast.expr = _Decided(ast.dump(test), truth).visit(expression_tree(text))
    return text_of(found)


class _Decided(ast.NodeTransformer):
    """Takes the branch of a test."""

    def __init__(self, test: str, truth: bool) -> None:  # noqa: FBT001 (as above)
        self.test, self.truth = test, truth

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Return what is chosen."""
        test = _test(node)
        if test is None or ast.dump(test) != self.test:
            return self.generic_visit(node)
        value, other = node.args[1:] if callee(node) == "where" else reversed(node.args)
        chosen: ast.AST = self.visit(value if self.truth else other)
        return chosen
