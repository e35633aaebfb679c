"""MathML that is well-formed XML and says what the LaTeX says, and Typst whose parentheses and quotes are closed."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

import gradcli
from gradcli.derivation.notation.latex import Writer
from gradcli.derivation.notation.mathml import NAMESPACE, mathml
from gradcli.derivation.notation.parsed import parsed
from gradcli.derivation.notation.typst import typst

RANKS = {"X": 2, "A": 2, "g": 2, "x": 1, "y": 1, "alpha": 0, "w1": 0, "a_b": 0}
FORMULAS = [
    "X.T @ g @ A.T",
    "-inv(X).T @ A @ inv(X)",
    "where(x > 0, y, 0)/norm(x)",
    "where(x <= 0, 1, x) + where(x != 2, 1/2, x)",
    "softmax(X, dim=-1)*(g - sum(g*softmax(X, dim=-1), dim=1)[:, None])",
    "sqrt(alpha)*abs(w1)**2",
    "sum(x[i]*y[i + 1] for i in range(p + 1))",
    "outer(x, y) + eye(3) - x[:, None]*y",
    "a_b*exp(-x**2/2)/sqrt(pi)",
    "sigmoid(x)*log1p(y) + 1e-05",
    "reshape(x, (3, 4))[1:, :2]",
]


def latex(text: str) -> str:
    return Writer(RANKS).write(parsed(text).body).text


@pytest.mark.parametrize("text", FORMULAS)
def test_mathml_is_xml_with_as_many_children_as_each_element_has(text: str) -> None:
    tree = ET.fromstring(mathml(latex(text)))  # noqa: S314 (ours)
    counts = {"mfrac": 2, "msup": 2, "msub": 2, "msubsup": 3, "munderover": 3, "munder": 2}
    for element in tree.iter():
        tag = element.tag.removeprefix(f"{{{NAMESPACE}}}")
        assert counts.get(tag, len(element)) == len(element), tag
        assert (element.text or "").strip() or len(element) or tag == "mrow"


def test_a_relation_is_escaped() -> None:
    assert "<mo>&lt;</mo>" in mathml(latex("where(x < 0, x, y)"))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("x/alpha", "<mfrac><mi>x</mi><mi>\u03b1</mi></mfrac>"),
        ("X.T", "<msup><mi>X</mi><mo>\u22a4</mo></msup>"),
        ("w1", "<msub><mi>w</mi><mn>1</mn></msub>"),
        ("sqrt(x)", "<msqrt><mi>x</mi></msqrt>"),
    ],
)
def test_mathml_of_a_formula(text: str, written: str) -> None:
    assert mathml(latex(text)) == f'<math xmlns="{NAMESPACE}" display="block">{written}</math>'


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("x/alpha", "frac(x, alpha)"),
        ("X.T @ g", "X^(top) g"),
        ("w1**2", "w_(1)^(2)"),
        ("norm(x)", "norm(x)"),
        ("where(x > 0, y, 0)", 'cases(y & x > 0, 0 & op("else"))'),
        ("sum(x[i] for i in range(3))", "sum_(i = 0)^(2) x_(i)"),
        ("softmax(X, dim=-1)", 'op("softmax") (X)'),
    ],
)
def test_typst_of_a_formula(text: str, written: str) -> None:
    assert typst(latex(text)) == written


@pytest.mark.parametrize("text", FORMULAS)
def test_typst_is_closed(text: str) -> None:
    written = re.sub(r"\\.", "", typst(latex(text)))
    assert written.count('"') % 2 == 0
    assert "}" not in written
    for left, right in ("()", "[]"):
        assert written.count(left) == written.count(right)


def test_a_derivation_has_them() -> None:
    derivation = gradcli.derive("trace(A @ X)", {"A": (2, 3), "X": (3, 2)}, wrt="X")
    assert derivation.mathml is not None
    assert "<msup><mi>A</mi><mo>\u22a4</mo></msup>" in derivation.mathml
