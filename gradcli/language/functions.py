"""The parameters of functions, and `lambda`."""

from __future__ import annotations

import ast

from gradcli.language.built import Built
from gradcli.language.names import check_target
from gradcli.language.program import Expression, Function, Return
from gradcli.language.source import Source


def check_parameters(given: ast.arguments, source: Source, *, hides: bool = False) -> tuple[str, ...]:
    """Return the names of parameters, without those of `*rest` and `**options`; they may hide constants."""
    parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    for parameter in (*parameters, *(several for several in (given.vararg, given.kwarg) if several is not None)):
        check_target(ast.copy_location(ast.Name(parameter.arg), parameter), source, hides=hides)
    return tuple(parameter.arg for parameter in parameters)


def several(given: ast.arguments) -> tuple[str | None, str | None]:
    """Return the names of `*rest` and `**options`."""
    return (given.vararg and given.vararg.arg) or None, (given.kwarg and given.kwarg.arg) or None


def lambda_children(node: ast.Lambda) -> list[ast.expr]:
    """Return what is translated before a `lambda`: defaults, and what it returns."""
    return [*node.args.defaults, node.body]


def build_lambda(node: ast.Lambda, built: Built) -> Expression:
    """Return a `lambda` as a function."""
    source = built.source
    span = source.span(node)
    names = check_parameters(node.args, source)
    defaults = tuple(built.argument(value) for value in node.args.defaults)
    body = Return(built.operand(node.body), source.span(node.body))
    return Function("lambda", names, defaults, (body,), span, *several(node.args))
