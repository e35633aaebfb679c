"""Rules for operators: arithmetic becomes calls of PyTorch's functions, comparisons nodes of their own."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from gradcli.errors import Span
from gradcli.language.built import Built, after
from gradcli.language.constants import is_number
from gradcli.language.operator_table import (
    ARITHMETIC,
    BITS,
    COMPARISONS,
    INTEGER,
    INVERSION,
    NEGATION,
    PRODUCT,
    Operator,
)
from gradcli.language.program import BooleanOperation, Call, Compare, Expression, Literal
from gradcli.language.source import Source

_BINARY: Mapping[type[ast.AST], Operator] = {row.node: row for row in (*ARITHMETIC, *INTEGER, *BITS, PRODUCT)}
_COMPARISONS: Mapping[type[ast.AST], str] = {
    **{row.node: row.sign for row in COMPARISONS},
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}


def build_binary(node: ast.BinOp, built: Built) -> Expression:
    """Return `a + b` as a call of `add`, and so on."""
    source = built.source
    operator = operator_of(node.op, node, source)
    place = after(source, source.span(node.left).end, source.span(node.right).start, operator.sign)
    operands = (built.operand(node.left), built.operand(node.right))
    return Call(operator.function, operands, (), source.span(node), place, operator.sign)


def operator_of(kind: ast.operator, node: ast.expr | ast.stmt, source: Source) -> Operator:
    """Return an operator of Python's; ProgramError for the shifts and `^`."""
    if type(kind) not in _BINARY:
        raise source.error("this operator is not accepted", node, "operators are + - * / // % ** @")
    return _BINARY[type(kind)]


def build_unary(node: ast.UnaryOp, built: Built) -> Expression:
    """Return `-x` as a call of `neg`, or the negative number; `+x` is x."""
    span = built.source.span(node)
    operand = built.operand(node.operand)
    if isinstance(node.op, ast.UAdd):
        return operand
    if isinstance(node.op, ast.Not):
        _check_truth(node, "not", built)
        return BooleanOperation("not", (operand,), span)
    if isinstance(node.op, ast.Invert):
        return Call(INVERSION.function, (operand,), (), span, Span(span.start, span.start + 1), INVERSION.sign)
    if isinstance(node.operand, ast.Constant) and isinstance(operand, Literal) and is_number(operand.value):
        return Literal(-operand.value, span)  # type: ignore[operator]
    return Call(NEGATION.function, (operand,), (), span, Span(span.start, span.start + 1), NEGATION.sign)


def build_comparison(node: ast.Compare, built: Built) -> Expression:
    """Return `a < b`; a chain is refused because PyTorch's tensors have no truth value between its parts."""
    source = built.source
    operator = _COMPARISONS[type(node.ops[0])]
    if len(node.ops) > 1:
        raise source.error("a chain of comparisons is not accepted", node, "write `logical_and(a < b, b < c)`")
    if operator in ("is", "is not") and not source.definition:
        place = after(source, source.span(node.left).end, source.span(node.comparators[0]).start, operator)
        raise source.error(f"`{operator}` is not accepted", place, "comparisons are < <= > >= == !=")
    get = built.argument if source.definition or operator in ("in", "not in", "==", "!=") else built.operand
    return Compare(operator, get(node.left), get(node.comparators[0]), source.span(node))


def build_boolean(node: ast.BoolOp, built: Built) -> Expression:
    """Return `a and b`, which only definitions of the op table hold."""
    operator = "and" if isinstance(node.op, ast.And) else "or"
    _check_truth(node, operator, built)
    return BooleanOperation(operator, tuple(map(built.operand, node.values)), built.source.span(node))


def _check_truth(node: ast.UnaryOp | ast.BoolOp, operator: str, built: Built) -> None:
    if not built.source.definition:
        arguments = "a" if operator == "not" else "a, b"
        place: Span | ast.expr = node
        if isinstance(node, ast.BoolOp):
            spans = [built.source.span(value) for value in node.values[:2]]
            place = after(built.source, spans[0].end, spans[1].start, operator)
        raise built.source.error(f"`{operator}` is not accepted", place, f"write `logical_{operator}({arguments})`")
