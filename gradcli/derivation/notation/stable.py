"""Formulas without what overflows or loses digits: each rewriting is an identity, and is named where it was made."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from gradcli.derivation.notation.brackets import compact
from gradcli.derivation.notation.parsed import parsed
from gradcli.derivation.notation.stable_logs import hypotenuse, log_of, logsumexp, softmax_of_all, softplus
from gradcli.derivation.notation.stable_parts import Signs
from gradcli.derivation.notation.stable_quotients import exponential_less_one, hyperbolic, logistic, one_of_many
from gradcli.derivation.notation.stable_rests import rest_of_one
from gradcli.derivation.notation.stable_series import NearZero
from gradcli.derivation.notation.stable_squares import (
    conjugate,
    hyperbolic_sine,
    hypotenuse_with_number,
    over_squares,
    sum_of_quotient,
)
from gradcli.derivation.notation.written import text_of
from gradcli.python_trees import expression_tree

OVERFLOWS, CANCELS = "overflows", "loses digits"
Rule = Callable[[ast.expr], ast.expr | None]


def stable(text: str, *, digits: bool = True) -> tuple[str, tuple[str, ...]]:
    """Return a formula in functions that keep their digits, and what was rewritten: `exp(x)/(exp(x) + 1) overflows`.

    Without `digits`, only what overflows is.
    """
    head, _, body = text.rpartition(": ") if parsed(text).indices is not None else ("", "", text)
    rewriter = _Stable([(why, rule) for why, rule in RULES if digits or (why == OVERFLOWS and rule not in COSTLY)])
    tree = rewriter.visit(expression_tree(body))
    near = NearZero()
    tree = near.visit(tree) if digits and not head else tree
    said = [
        *rewriter.said,
        *(f"{compact(whole)} {CANCELS} near 0: it is its power series there" for whole in near.said),
    ]
    if not said:
        return text, ()
    tree = Signs().visit(tree)
    return f"{head}: {text_of(tree)}" if head else text_of(tree), tuple(said)


class _Stable(ast.NodeTransformer):
    """Rewrites from the inside out."""

    def __init__(self, rules: Sequence[tuple[str, Rule]]) -> None:
        self.rules = rules
        self.has_all = len(rules) == len(RULES)
        self.said: dict[str, None] = {}

    def visit(self, node: ast.AST) -> ast.AST:
        """Return an expression rewritten, its parts first: but a whole that is short before what it is made of."""
        whole = sum_of_quotient(node) if isinstance(node, ast.expr) and self.has_all else None
        node = self.generic_visit(node if whole is None else whole)
        for why, rule in self.rules:
            found = rule(node) if isinstance(node, ast.expr) else None
            if found is not None and isinstance(node, ast.expr):
                self.said[f"{text_of(node)} {why}: it is written as {text_of(found)}"] = None
                return self.visit(found)
        return node


RULES: tuple[tuple[str, Rule], ...] = (
    (OVERFLOWS, logistic),
    (OVERFLOWS, one_of_many),
    (OVERFLOWS, hyperbolic),
    (OVERFLOWS, exponential_less_one),
    (OVERFLOWS, logsumexp),
    (OVERFLOWS, softmax_of_all),
    (OVERFLOWS, softplus),
    (OVERFLOWS, hypotenuse),
    (OVERFLOWS, hypotenuse_with_number),
    (OVERFLOWS, over_squares),
    (CANCELS, log_of),
    (CANCELS, conjugate),
    (CANCELS, hyperbolic_sine),
    (CANCELS, rest_of_one),
)
# These cost more than what they are written for; a Function does without.
COSTLY: frozenset[Rule] = frozenset({hypotenuse_with_number, over_squares})
