from __future__ import annotations

import ast

import pytest

from gradcli.language.operator_table import ARITHMETIC, COMPARISONS, INTEGER, METHODS, PRODUCT, Operator
from gradcli.language.parser import parse
from gradcli.language.program import Call, Compare, Evaluate

BINARY = (*ARITHMETIC, PRODUCT, *INTEGER)
PAIRS = [(7, 3), (-7, 3), (3, 3), (2, 5)]


def read(source: str) -> Call | Compare:
    (statement,) = parse(source, definition=True).statements
    assert isinstance(statement, Evaluate)
    assert isinstance(statement.value, Call | Compare)
    return statement.value


@pytest.mark.parametrize("row", BINARY, ids=lambda row: row.function)
def test_a_sign_is_read_as_its_function(row: Operator) -> None:
    call = read(f"a {row.sign} b")
    assert isinstance(call, Call)
    assert (call.function, call.operator) == (row.function, row.sign)


@pytest.mark.parametrize("row", COMPARISONS, ids=lambda row: row.function)
def test_a_comparison_keeps_its_sign(row: Operator) -> None:
    comparison = read(f"a {row.sign} b")
    assert isinstance(comparison, Compare)
    assert comparison.operator == row.sign


@pytest.mark.parametrize("row", [*ARITHMETIC, *INTEGER, *COMPARISONS], ids=lambda row: row.function)
def test_what_python_computes_is_what_the_sign_means(row: Operator) -> None:
    for left, right in PAIRS:
        written = eval(compile(ast.parse(f"({left}) {row.sign} ({right})", mode="eval"), "", "eval"))  # noqa: S307
        assert row.compute(left, right) == written


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_python_s(method: str) -> None:
    row, swapped = METHODS[method]
    if row is PRODUCT:
        return
    arguments = (7, 3)[: 1 if row.function == "neg" else 2]
    assert getattr(arguments[0], method)(*arguments[1:]) == row.compute(*(arguments[::-1] if swapped else arguments))
