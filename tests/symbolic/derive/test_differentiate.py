from __future__ import annotations

import pytest
from sympy import Expr, IndexedBase, KroneckerDelta, Piecewise, Symbol, exp

from gradcli.symbolic.derive.differentiate import jacobian, vector_jacobian_product
from gradcli.symbolic.derive.entries import build, label, tensor

A, B, i, j, k = (label(name) for name in "ABijk")
a, b, x, y, upstream = (IndexedBase(name, real=True) for name in ("a", "b", "x", "y", "cotangent"))
scalar, scalar_upstream = Symbol("x", real=True), Symbol("cotangent", real=True)
sources, targets = tensor("sources"), tensor("targets")

# A formula, its operands' axes, the labels of its result, and its adjoint by one operand of a rank.
ADJOINTS: dict[str, tuple[str, dict[str, str], str, str, int, set[Expr]]] = {
    "a square": ("x*x + 1", {"x": ""}, "", "x", 0, {2 * scalar * scalar_upstream}),
    "left factor": ("a[i, k]*b[k, j]", {"a": "", "b": ""}, "ij", "a", 2, {upstream[A, j] * b[B, j]}),
    "right factor": ("a[i, k]*b[k, j]", {"a": "", "b": ""}, "ij", "b", 2, {upstream[i, B] * a[i, A]}),
    "a broadcast factor": ("exp(x)*y", {"x": "ij", "y": "j"}, "ij", "y", 1, {upstream[i, A] * exp(x[i, A])}),
    "trace": ("a[i, i]", {"a": ""}, "", "a", 2, {scalar_upstream * KroneckerDelta(A, B)}),
    "diagonal": ("a[i, i]", {"a": ""}, "i", "a", 2, {upstream[A] * KroneckerDelta(A, B)}),
    "sum": ("a[i]", {"a": ""}, "", "a", 1, {scalar_upstream}),
    "two places": ("x[i]*x[j]", {"x": ""}, "ij", "x", 1, {upstream[A, j] * x[j], upstream[i, A] * x[i]}),
    "cumulative sum": (
        "(k <= i)*x[k]",
        {"x": ""},
        "i",
        "x",
        1,
        {upstream[i] * Piecewise((1, i >= A), (0, True))},
    ),
    "gather": (
        "input[sources[j]]",
        {"input": "", "sources": ""},
        "j",
        "input",
        1,
        {upstream[j] * KroneckerDelta(A, sources[j])},
    ),
    "scatter": (
        "delta(i, targets[j])*input[sources[j]]",
        {"input": "", "sources": "", "targets": ""},
        "i",
        "input",
        1,
        {upstream[targets[j]] * KroneckerDelta(A, sources[j])},
    ),
    "not read": ("exp(x)", {"x": "i", "y": "i"}, "i", "y", 1, set()),
}


@pytest.mark.parametrize("case", ADJOINTS)
def test_the_adjoint_of_an_entry(case: str) -> None:
    formula, axes, out, name, rank, wanted = ADJOINTS[case]
    found = vector_jacobian_product(build(formula, axes, {}, out), name, rank)
    assert set(found.terms) == wanted
    assert found.out == (A, B)[:rank]


def test_a_label_that_only_counts_is_kept_as_a_length() -> None:
    (term,) = vector_jacobian_product(build("x + 0*a[i]", {"x": "", "a": ""}, {}, ""), "x", 0).terms
    assert term == scalar_upstream  # nothing is summed: the formula's other term is gone
    (term,) = vector_jacobian_product(build("x*y", {"x": "", "y": "i"}, {}, "i"), "x", 0).terms
    assert term == upstream[i] * y[i]
    (term,) = vector_jacobian_product(build("x + y", {"x": "", "y": "i"}, {}, "i"), "x", 0).terms
    assert term == upstream[i]


def test_a_static_parameter_is_exact() -> None:
    (term,) = vector_jacobian_product(build("x*alpha", {"x": ""}, {"alpha": 0.1}, ""), "x", 0).terms
    assert term == scalar_upstream / 10


def test_the_jacobian_of_a_residual_splits_along_its_diagonal_axes() -> None:
    entry = build("A[..., i, k]*out[..., k, j] - delta(i, j)", {"A": "z", "out": "z"}, {}, "zij")
    found = jacobian(entry, "out", 3)
    assert [(row.name, column.name) for row, column in found.pairs] == [("z", "A"), ("j", "C")]
    assert (found.rows, found.columns) == ((i,), (B,))
    assert found.entry.terms == (tensor("A")[label("z"), i, B],)
