"""Powers beside roots: with the same value, and named once where that is shorter."""

from __future__ import annotations

import math

import pytest

from gradcli.derivation.notation.roots import with_roots
from gradcli.derivation.notation.sharing import shared


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x**(3/2)*sqrt(y)", "x*(sqrt(x)*sqrt(y))"),
        ("sqrt(y)*x**(3/2)", "sqrt(y)*sqrt(x)*x"),
        ("y/(x**(5/2)*sqrt(y))", "y/(x**2*(sqrt(x)*sqrt(y)))"),
        ("x**(3/2)", "x**(3/2)"),
        ("x**(1/2)*y", "x**(1/2)*y"),
        ("y*x**(4/2)", "y*x**(4/2)"),
        ("[i]: x[i]**(3/2)*y[i]", "[i]: x[i]**(3/2)*y[i]"),
    ],
)
def test_the_whole_part_of_a_power_stands_outside_of_roots(text: str, expected: str) -> None:
    assert with_roots(text) == expected
    if not text.startswith("["):
        values = [eval(one, {"x": 1.7, "y": 0.6, "sqrt": math.sqrt}) for one in (text, expected)]  # noqa: S307 (above)
        assert math.isclose(*values, rel_tol=1e-14)


def test_roots_that_formulas_share_have_one_name() -> None:
    found = shared(["a/(sqrt(x + 1)*sqrt(y + 1)) - b/((x + 1)**(3/2)*sqrt(y + 1))"], "abxy")
    whole = found.formulas[0]
    for name, text in reversed(found.parts):
        whole = whole.replace(name, f"({text})")
    assert "3/2" not in whole
    given = {"a": 0.3, "b": 0.7, "x": 1.7, "y": 0.6, "sqrt": lambda value: value**0.5}
    assert math.isclose(eval(whole, given), 0.3 / (2.7 * 1.6) ** 0.5 - 0.7 / (2.7**1.5 * 1.6**0.5))  # noqa: S307 (ours)


def test_a_power_stays_where_nothing_becomes_shorter() -> None:
    assert shared(["(x + y)**(3/2)*z"], "xyz").formulas == ("(x + y)**(3/2)*z",)
