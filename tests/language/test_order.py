from __future__ import annotations

from gradcli.language.order import postorder
from gradcli.language.parser import parse
from gradcli.language.program import Conditional, Evaluate, Expression


def texts(source: str, opaque: tuple[type, ...] = ()) -> list[str]:
    program = parse(source)
    (statement,) = program.statements
    assert isinstance(statement, Evaluate)
    return [source[node.span.start : node.span.end] for node in postorder(statement.value, opaque=opaque)]


def test_operands_come_before_what_uses_them() -> None:
    assert texts("f(a, dim=b) + c.T") == ["a", "b", "f(a, dim=b)", "c", "c.T", "f(a, dim=b) + c.T"]


def test_index_items_are_visited_too() -> None:
    assert texts("x[i:, ..., j]") == ["x", "i", "i:", "...", "j", "x[i:, ..., j]"]


def test_opaque_nodes_are_not_entered() -> None:
    assert texts("-(a if c else b)", (Conditional,)) == ["a if c else b", "-(a if c else b)"]
    assert texts("a if c else b") == ["c", "a", "b", "a if c else b"]


def test_a_deep_chain_needs_no_recursion() -> None:
    (statement,) = parse("+".join(["w"] * 1500)).statements
    assert isinstance(statement, Evaluate)
    value: Expression = statement.value
    assert sum(1 for _ in postorder(value)) == 2999
