"""Formulas become MathML of the same meaning, and what cannot be read stays text."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from gradcli.render.page.formulas import LONGEST, formula

TIMES = "\N{INVISIBLE TIMES}"


def shown(text: str) -> str:
    """Return a formula's MathML as one line: what stands side by side, and what is a fraction or a power."""
    flat = _flat(ET.fromstring(formula(text)))  # noqa: S314  # our own
    return flat.replace("\N{MINUS SIGN}", "-")


def _flat(element: ET.Element) -> str:
    parts = [_flat(child) for child in element]
    match element.tag:
        case "mfrac":
            return f"frac{{{parts[0]}}}{{{parts[1]}}}"
        case "msup":
            return f"{parts[0]}^{{{parts[1]}}}"
        case "msub":
            return f"{parts[0]}_{{{parts[1]}}}"
        case "msqrt":
            return f"sqrt{{{''.join(parts)}}}"
    return (element.text or "") + "".join(parts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("w3/4 + 1/4", "frac{w3}{4}+frac{1}{4}"),
        ("2*x*y", f"2{TIMES}x{TIMES}y"),
        ("(a + b)*c", f"(a+b){TIMES}c"),
        ("a - (b - c)", "a-(b-c)"),
        ("a - b - c", "a-b-c"),
        ("a/(b*c)", f"frac{{a}}{{b{TIMES}c}}"),
        ("-x**2", "-x^{2}"),
        ("(-x)**2", "(-x)^{2}"),
        ("(a*b)**(-2)", f"(a{TIMES}b)^{{-2}}"),
        ("-(a + b)", "-(a+b)"),
        ("a*(-b)", f"a{TIMES}(-b)"),
        ("exp(-x)", "e^{-x}"),
        ("sqrt(2)*abs(x)", f"sqrt{{2}}{TIMES}|x|"),
        ("sin(x, y)", "sin\N{FUNCTION APPLICATION}(x,y)"),
        ("sum(X, dim=0)", "sum\N{FUNCTION APPLICATION}(X,dim=0)"),
        ("A.T @ g", f"A^{{T}}{TIMES}g"),
        ("X[i, 0]", "X_{i,0}"),
        ("where(x > 0, 1, 0)", "{1if x>00otherwise"),
        ("2*pi", f"2{TIMES}π"),
        ("a if b else c", None),
        ("x y", None),
        ("{1: 2}", None),
        ("x" * (LONGEST + 1), None),
        ("(" * 500 + "x" + ")" * 500, None),
    ],
)
def test_a_formula(text: str, expected: str | None) -> None:
    if expected is None:
        assert formula(text).startswith("<code>")
        assert ET.fromstring(formula(text)).text == text  # noqa: S314
    else:
        assert shown(text) == expected
        assert ET.fromstring(formula(text)).get("alttext") == text  # noqa: S314


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"</math><img src=x>"', "f('<b>')", "a\u202eb", "a < b & c"]
)
def test_hostile_text_stays_text(text: str) -> None:
    found = ET.fromstring(formula(text))  # noqa: S314
    assert {"script", "img", "b"}.isdisjoint(element.tag for element in found.iter())
    assert "\u202e" not in "".join(found.itertext())
    assert formula(text).isascii()
