"""Of a - b and b - a in formulas one is left, and nothing changes its value: Python evaluates both."""

from __future__ import annotations

import ast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcli.derivation.notation.differences import one_way, signs_inside, signs_outside
from gradcli.derivation.notation.sharing import shared
from gradcli.derivation.notation.written import text_of

NAMES = {name: np.random.default_rng(place).uniform(0.5, 2.0, (3, 3)) for place, name in enumerate("abcd")}
KNOWN = {"sum": lambda x: x.sum(), "outer": np.outer, "exp": np.exp, **NAMES}


def grown(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(smaller, st.sampled_from(["+", "-", "*", "/", "@"]), smaller)
    calls = st.tuples(st.sampled_from(["-({})", "({}).T", "exp({})", "sum({})*a", "({})**2", "2*({})"]), smaller)
    return pairs.map(lambda pair: f"({pair[0]}) {pair[1]} ({pair[2]})") | calls.map(lambda one: one[0].format(one[1]))


EXPRESSIONS = st.recursive(st.sampled_from([*NAMES, "a - b", "b - a", "c - a", "a - c"]), grown, max_leaves=8)


def turned(*texts: str) -> list[str]:
    return [ast.unparse(tree) for tree in one_way([ast.parse(text, mode="eval").body for text in texts])]


@given(st.lists(EXPRESSIONS, min_size=1, max_size=3))
def test_a_value_stays_the_same(texts: list[str]) -> None:
    with np.errstate(all="ignore"):
        for before, after in zip(texts, turned(*texts), strict=True):
            np.testing.assert_allclose(eval(after, KNOWN), eval(before, KNOWN), rtol=1e-6, atol=1e-6)  # noqa: S307


@given(EXPRESSIONS)
def test_a_value_stays_the_same_wherever_a_sign_stands(text: str) -> None:
    def tree() -> ast.expr:
        return ast.parse(text, mode="eval").body

    ways = [signs_outside(tree()), signs_inside(tree()), signs_inside(signs_outside(tree()))]
    with np.errstate(all="ignore"):
        for after in map(text_of, ways):
            np.testing.assert_allclose(eval(after, KNOWN), eval(text, KNOWN), rtol=1e-6, atol=1e-6)  # noqa: S307


def test_a_product_has_one_name_with_and_without_a_sign() -> None:
    found = shared(["-(a - b) @ c", "outer((a - b) @ c, d)", "-2*exp(d)"], "abcd")
    assert (found.parts, found.formulas) == ((("s", "(a - b) @ c"),), ("-s", "outer(s, d)", "-2*exp(d)"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["2*(a - b)", "c @ (a - b)", "2*(b - a)"], ["2 * (a - b)", "c @ (a - b)", "-2 * (a - b)"]),
        (["(a - b) @ c", "-a.T @ (b - a)"], ["(a - b) @ c", "a.T @ (a - b)"]),
        (["(a - b)*c", "d - (b - a)"], ["(a - b) * c", "d + (a - b)"]),
        (["(a - b)/c", "d - (b - a).T*c + d"], ["(a - b) / c", "d + (a - b).T * c + d"]),
        (["exp(a - b)", "exp(b - a)", "(b - a)**2"], ["exp(-(b - a))", "exp(b - a)", "(b - a) ** 2"]),
        (["outer(a - b, c)", "outer(c, b - a)"], ["outer(a - b, c)", "outer(c, -(a - b))"]),
        (["a - b", "c - d"], ["a - b", "c - d"]),
    ],
)
def test_the_sign_goes_to_the_front(before: list[str], after: list[str]) -> None:
    assert turned(*before) == after
