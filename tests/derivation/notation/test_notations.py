"""A formula in other notations: LaTeX as papers have it, sums with their limits, sympy's own expressions."""

from __future__ import annotations

import pytest
import sympy
import torch

from gradcli.derivation.notation.latex import Writer
from gradcli.derivation.notation.parsed import parsed
from gradcli.derivation.notation.plain import unicode
from gradcli.derivation.notation.sympy import sympy as as_sympy

RANKS = {"A": 2, "B": 2, "X": 2, "g": 2, "x": 1, "y": 1, "s": 0}
LATEX = [
    ("A.T @ g @ B.T", r"A^{\top} g B^{\top}"),
    ("x @ A", r"A^{\top} x"),
    ("x @ A @ y", r"x^{\top} A y"),
    ("(A @ x) @ y", r"x^{\top} A^{\top} y"),
    ("(x @ A)[:, None]*exp(y)", r"A^{\top} x \exp\left(y\right)^{\top}"),
    ("softmax(A @ B, dim=-1)", r"\operatorname{softmax}\left(A B\right)"),
    ("inv(A).T", r"A^{-\top}"),
    ("-inv(A).T @ g", r"-A^{-\top} g"),
    ("A*B", r"A \odot B"),
    ("A*B @ X", r"\left(A \odot B\right) X"),
    ("-A*B @ X", r"\left(-A \odot B\right) X"),
    ("A @ B*X", r"A B \odot X"),
    ("mean(A, dim=1)", r"\operatorname{mean}_{1}\left(A\right)"),
    ("s*A", "s A"),
    ("take(...)*s", r"\operatorname{take}\left(\ldots\right) s"),
    ("2*(A + B)", r"2 \left(A + B\right)"),
    ("x[:, None]*y", r"x y^{\top}"),
    ("sum(A, dim=1)", r"A \mathbf{1}"),
    ("sum(A, dim=0)", r"A^{\top} \mathbf{1}"),
    ("sum(x)", r"\mathbf{1}^{\top} x"),
    ("A**2", r"A^{\circ 2}"),
    ("A - x", r"A - \mathbf{1} x^{\top}"),
    ("A/sum(A, dim=0)", r"\frac{A}{\mathbf{1} \left(A^{\top} \mathbf{1}\right)^{\top}}"),
    ("where(A > x, A, 0)", r"\begin{cases} A & A > \mathbf{1} x^{\top} \\ 0 & \text{else} \end{cases}"),
    ("where(x > 0, A, 0)", r"\begin{cases} A & \mathbf{1} x^{\top} > 0 \\ 0 & \text{else} \end{cases}"),
    ("where(s > 0 != 0, s, 1)", r"\begin{cases} s & s > 0 \\ 1 & \text{else} \end{cases}"),
    (
        "where(logical_and(logical_or(s > 1, s < 0), s < 3), s, 0)",
        r"\begin{cases} s & \left(s > 1 \vee s < 0\right) \wedge s < 3 \\ 0 & \text{else} \end{cases}",
    ),
    ("2*x @ A", r"2 A^{\top} x"),
    ("(-2)*x @ A @ B", r"-2 B^{\top} A^{\top} x"),
    ("A @ (2*x)", r"2 A x"),
    ("(2*A) @ (3*B)", r"2 \cdot 3 A B"),
    ("x + 3*x @ A", r"x + 3 A^{\top} x"),
    ("x - (-3)*x @ A", r"x - \left(-3 A^{\top} x\right)"),
    ("x + 2.5e-07", r"x + 2.5 \cdot 10^{-7}"),
    ("x**2/s", r"\frac{x^{2}}{s}"),
    ("where(x > 0, 1, 0)", r"\begin{cases} 1 & x > 0 \\ 0 & \text{else} \end{cases}"),
    ("sigmoid(alpha_1)", r"\sigma\left(\alpha_{1}\right)"),
    ("[p, q]: sum(A[p, i]*B[q, i] for i in range(3))", r"\sum_{i=0}^{2} A_{p, i} B_{q, i}"),
    ("[p, q]: 1 if p == q else 0", r"\delta_{p, q}"),
    ("[p]: sum(x[i] for i in range(p, 4))", r"\sum_{i=p}^{3} x_{i}"),
]


@pytest.mark.parametrize(("text", "expected"), LATEX)
def test_latex_is_as_papers_have_it(text: str, expected: str) -> None:
    assert Writer(RANKS).write(parsed(text).body).text == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A.T @ g", "A.T @ g"),
        ("[p]: sum(x[i] for i in range(p, 4))", "[p]: \u03a3[i=p..3] x[i]"),
        ("[p]: 2*sum(x[i] + y[i] for i in range(4))", "[p]: 2*(\u03a3[i=0..3] (x[i] + y[i]))"),
        ("[p]: y[p]*sum(x[i] for i in range(p + 1))", "[p]: y[p]*(\u03a3[i=0..p] x[i])"),
    ],
)
def test_sums_have_their_limits(text: str, expected: str) -> None:
    assert unicode(text) == expected


def _rectangle(x: torch.Tensor) -> torch.Tensor:
    return sum(x[i] * x[j].exp() for i in range(4) for j in range(3))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("[p]: sum(x[i] for i in range(p, 4))", {"p": 1}, lambda x: x[1:].sum()),
        ("[p]: x[p]**2/2 if p >= 2 else 1/3", {"p": 1}, lambda _: 1 / 3),
        ("[p]: where(x[p] > 0, x[p], -x[p])", {"p": 2}, lambda x: x[2].abs()),
        ("[p]: sum(x[i]*exp(x[j]) for i in range(4) for j in range(3))", {"p": 0}, _rectangle),
    ],
)
def test_sympy_reads_the_same_number(text: str, place: dict[str, int], expected: object) -> None:
    torch.manual_seed(1)
    x = torch.randn(4, dtype=torch.float64)
    base = sympy.IndexedBase("x", real=True)
    letters = {name: sympy.Symbol(name, integer=True, nonnegative=True) for name in "pqij"}
    expression = eval(as_sympy(parsed(text), {}).text, {**vars(sympy), "x": base, **letters})  # noqa: S307 (ours)
    at = expression.subs({letters[name]: index for name, index in place.items()}).doit().doit()
    value = at.subs({base[i]: float(x[i]) for i in range(4)}).doit()
    assert float(value) == pytest.approx(float(expected(x)), rel=1e-12)  # type: ignore[operator]


def test_a_range_has_its_last_index() -> None:
    assert unicode("[p]: sum(x[i] for i in range(p + 1))") == "[p]: Σ[i=0..p] x[i]"
    assert unicode("[p]: sum(x[i] for i in range(p, 4))") == "[p]: Σ[i=p..3] x[i]"
