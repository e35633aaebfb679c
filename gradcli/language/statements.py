"""Python's statement nodes to gradcli's."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from gradcli.errors import Span
from gradcli.language.expressions import translate
from gradcli.language.names import check_target
from gradcli.language.program import (
    Assign,
    Compare,
    Evaluate,
    Expression,
    For,
    If,
    Literal,
    Name,
    Sequence,
    Statement,
    While,
)
from gradcli.language.source import Source


def build_block(body: list[ast.stmt], source: Source) -> tuple[Statement, ...]:
    """Return the statements of a block."""
    return tuple(build_statement(node, source) for node in body)


def build_statement(node: ast.stmt, source: Source) -> Statement:
    """Return one statement, or raise the error that says why it is none."""
    rule = _RULES.get(type(node))
    if rule is None:
        span = source.span(node)
        raise source.error("this kind of statement is not accepted", Span(span.start, span.start + 1), _STATEMENTS)
    return rule(node, source)


_STATEMENTS = "statements are `name = expression`, expressions, `if`, `while` and `for _ in range(n)`"


def _assign(node: ast.Assign, source: Source) -> Statement:
    if len(node.targets) > 1:
        raise source.error(
            "several `=` in one statement are not accepted", node.targets[1], "write one assignment per statement"
        )
    targets = _targets(node.targets[0], source)
    return Assign(targets, translate(node.value, source), source.span(node))


def _targets(node: ast.expr, source: Source) -> tuple[Name, ...]:
    if not isinstance(node, (ast.Tuple, ast.List)):
        return (_target(node, source),)
    if len(node.elts) in (0, 1):
        raise source.error("unpacking needs at least two names", node, "write `name = value`, and index the value")
    return tuple(_target(element, source) for element in node.elts)


def _target(node: ast.expr, source: Source) -> Name:
    if isinstance(node, ast.Name):
        check_target(node, source)
        return Name(node.id, source.span(node))
    if isinstance(node, (ast.Subscript, ast.Attribute)):
        hint = "build a new tensor, with `where`, `cat`, `stack` or `index_put`"
        raise source.error("an assignment to a part of a tensor changes it in place, which is not accepted", node, hint)
    raise source.error("only names can be assigned to", node)


def _evaluate(node: ast.Expr, source: Source) -> Statement:
    return Evaluate(translate(node.value, source), source.span(node))


def _if(node: ast.If, source: Source) -> Statement:
    test = translate(node.test, source)
    return If(test, build_block(node.body, source), build_block(node.orelse, source), source.span(node))


def _while(node: ast.While, source: Source) -> Statement:
    _check_no_else(node, "while", source)
    test = translate(node.test, source)
    return While(test, build_block(node.body, source), source.span(node))


def _for(node: ast.For, source: Source) -> Statement:
    _check_no_else(node, "for", source)
    if not isinstance(node.target, ast.Name):
        raise source.error("a `for` loop has one variable", node.target, "write `for i in range(n):`")
    target = _target(node.target, source)
    return For(target, _bounds(node.iter, source), build_block(node.body, source), source.span(node))


def _bounds(node: ast.expr, source: Source) -> tuple[Expression, ...]:
    """Return the arguments of `range`, the only thing that loops run over."""
    if (
        not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range")
        or node.keywords
    ):
        raise source.error(
            "a `for` loop runs over `range(...)` only", node, "write `for i in range(n):` and index by i"
        )
    if len(node.args) not in (1, 2, 3):
        raise source.error("`range` takes one to three numbers", node)
    return tuple(translate(argument, source) for argument in node.args)


def _check_no_else(node: ast.While | ast.For, keyword: str, source: Source) -> None:
    if node.orelse:
        raise source.error(
            f"`else` after `{keyword}` is not accepted", node.orelse[0], "put the statements after the loop"
        )


_RULES: Mapping[type[ast.stmt], Callable[..., Statement]] = {
    ast.Assign: _assign,
    ast.Expr: _evaluate,
    ast.If: _if,
    ast.While: _while,
    ast.For: _for,
}


def check_output(statements: tuple[Statement, ...], source: Source) -> None:
    """Refuse a last statement that has no differentiable value, as far as the text shows it."""
    for statement in statements[:-1]:
        if isinstance(statement, Evaluate) and isinstance(statement.value, Compare):
            hint = "`=` assigns" if statement.value.operator == "==" else None
            raise source.error("a comparison by itself does nothing", statement.span, hint)
    last = statements[-1]
    if isinstance(last, (If, While, For)):
        span = Span(last.span.start, last.span.start + 1)
        raise source.error("the program ends with a block", span, "end with an expression: its value is the output")
    if isinstance(last, Assign) and len(last.targets) > 1:
        raise source.error("the last statement assigns several names", last.span, "end with the one that is the output")
    if isinstance(last, Evaluate):
        _check_value(last.value, source)


def _check_value(value: Expression, source: Source) -> None:
    if isinstance(value, Compare):
        hint = "`=` assigns" if value.operator == "==" else "use it as a condition: `where(a > b, a, b)`"
        raise source.error("a comparison has no gradient, so it cannot be the output", value.span, hint)
    if isinstance(value, Sequence):
        raise source.error("the output must be one tensor", value.span, "choose or combine: `cat`, `stack`, a sum")
    if isinstance(value, Literal) and (value.value is None or isinstance(value.value, bool)):
        raise source.error("the output must be a tensor", value.span)
