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
        return BooleanOperation("not", (operand,), span)
    if isinstance(node.op, ast.Invert):
        return Call(INVERSION.function, (operand,), (), span, Span(span.start, span.start + 1), INVERSION.sign)
    if isinstance(node.operand, ast.Constant) and isinstance(operand, Literal) and is_number(operand.value):
        return Literal(-operand.value, span)  # type: ignore[operator]
    return Call(NEGATION.function, (operand,), (), span, Span(span.start, span.start + 1), NEGATION.sign)


def build_comparison(node: ast.Compare, built: Built) -> Expression:
    """Return `a < b`, and `a < b < c` as Python has it: `a < b and b < c`."""
    source = built.source
    operands = [node.left, *node.comparators]
    parts = tuple(
        _compared(operator, left, right, built)
        for operator, left, right in zip(node.ops, operands[:-1], operands[1:], strict=True)
    )
    return parts[0] if len(parts) == 1 else BooleanOperation("and", parts, source.span(node))


def _compared(kind: ast.cmpop, left: ast.expr, right: ast.expr, built: Built) -> Compare:
    operator = _COMPARISONS[type(kind)]
    texts = built.source.definition or operator in ("in", "not in", "==", "!=", "is", "is not")
    get = built.argument if texts else built.operand
    span = Span(built.source.span(left).start, built.source.span(right).end)
    return Compare(operator, get(left), get(right), span)


def build_boolean(node: ast.BoolOp, built: Built) -> Expression:
    """Return `a and b`, or `a or b`."""
    operator = "and" if isinstance(node.op, ast.And) else "or"
    return BooleanOperation(operator, tuple(map(built.operand, node.values)), built.source.span(node))
