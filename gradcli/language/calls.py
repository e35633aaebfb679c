"""Rules for calls: functions with and without PyTorch's prefixes, and methods."""

from __future__ import annotations

import ast

from gradcli.errors import Span
from gradcli.language.built import Built
from gradcli.language.names import attribute_place, function_name, is_namespaced_function
from gradcli.language.program import Call, Expression, Literal
from gradcli.language.source import Source


def call_children(node: ast.Call) -> list[ast.expr]:
    """Return what is translated before a call: a method's own value, and the arguments."""
    own = [] if isinstance(node.func, ast.Name) or is_namespaced_function(node.func) else [_receiver(node.func)]
    return [*own, *node.args, *(keyword.value for keyword in node.keywords)]


def _receiver(function: ast.expr) -> ast.expr:
    return function.value if isinstance(function, ast.Attribute) else function


def build_call(node: ast.Call, built: Built) -> Expression:
    """Return a call of a function or a method; `float("inf")` is a number."""
    source = built.source
    keywords = _keywords(node, built)
    arguments = tuple(built.argument(argument) for argument in node.args)
    if isinstance(node.func, ast.Attribute) and not is_namespaced_function(node.func):
        place = _checked(node.func, node.func.attr, source)
        receiver = built.operand(node.func.value)
        return Call(node.func.attr, (receiver, *arguments), keywords, source.span(node), place, method=True)
    function, place = _function(node, source)
    infinity = _infinity(function, arguments, source.span(node))
    return infinity or Call(function, arguments, keywords, source.span(node), place)


def _function(node: ast.Call, source: Source) -> tuple[str, Span]:
    if isinstance(node.func, ast.Name):
        return node.func.id, _checked(node.func, node.func.id, source)
    if isinstance(node.func, ast.Attribute):
        name = function_name(node.func, source)
        return name, _checked(node.func, node.func.attr, source)
    called = source.quoted(source.span(node.func))
    hint = (
        f"write a product as `({called})*(...)`"
        if not isinstance(node.func, ast.Call)
        else "call a function by its name"
    )
    raise source.error(f"`{called}` is not a function", node.func, hint)


def _checked(function: ast.Name | ast.Attribute, name: str, source: Source) -> Span:
    """Return where the function's own name stands; refuse private names and functions that work in place."""
    place = source.span(function if isinstance(function, ast.Name) else attribute_place(function))
    if name.startswith("_") and not source.definition:
        raise source.error(f"the name '{name}' begins with `_`", place, "`gradcli ops` lists the functions")
    if name.endswith("_") and not source.definition:
        plain = name.rstrip("_")
        what = f"`{name}` changes its tensor in place, which is not accepted"
        raise source.error(what, place, f"write `x = x.{plain}(...)`" if plain else None)
    if name in ("torch", "F", "math"):
        raise source.error(f"`{name}` is a module, not a function", place, f"write `{name}.exp(x)`, for example")
    return place


def _keywords(node: ast.Call, built: Built) -> tuple[tuple[str, Expression], ...]:
    pairs: list[tuple[str, Expression]] = []
    for keyword in node.keywords:
        if keyword.arg is None:
            raise built.source.error("`**` before an argument is not accepted", keyword)
        if any(keyword.arg == name for name, _ in pairs):
            raise built.source.error(f"the argument '{keyword.arg}' is given twice", keyword)
        pairs.append((keyword.arg, built.argument(keyword.value)))
    return tuple(pairs)


def _infinity(function: str, arguments: tuple[Expression, ...], span: Span) -> Expression | None:
    """Return infinity for `float("inf")`, as PyTorch users write it."""
    if function != "float" or len(arguments) != 1 or not isinstance(arguments[0], Literal):
        return None
    text = str(arguments[0].value).strip().lower()
    infinity = Literal(float("inf"), span, "inf")
    if text in ("inf", "+inf", "infinity"):
        return infinity
    return (
        Call("neg", (infinity,), (), span, Span(span.start, span.start + 1), "-")
        if text in ("-inf", "-infinity")
        else None
    )
