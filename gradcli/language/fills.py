"""Statements that give a tensor other numbers: `nn.init.zeros_(w)`, `w.data.fill_(1.)`, `w.data = v`."""

from __future__ import annotations

import ast

from gradcli.language.expressions import translate
from gradcli.language.names import dotted
from gradcli.language.notebook import FILLS, INITIALISERS
from gradcli.language.program import Call, Fill
from gradcli.language.source import Source


def build_fill(node: ast.stmt, source: Source) -> Fill | None:
    """Return a statement that fills a tensor; None for any other."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
        return _of_data(node.targets[0], node, source)
    call = node.value if isinstance(node, (ast.Expr, ast.Assign)) else None
    if (
        not isinstance(call, ast.Call)
        or not isinstance(call.func, ast.Attribute)
        or "grad" in (dotted(call.func) or ())
    ):
        return None
    if "init" in (dotted(call.func) or ())[:-1] and call.func.attr in INITIALISERS and call.args:
        return _filled(call.args[0], f"init.{call.func.attr}", call, call.args[1:], source)
    if dotted(call.func) == ("torch", call.func.attr) and call.func.attr in FILLS and isinstance(node, ast.Expr):
        return _filled(call.args[0], call.func.attr, call, call.args[1:], source) if call.args else None
    if call.func.attr in FILLS and isinstance(node, ast.Expr) and _is_place(call.func.value):
        return _filled(call.func.value, call.func.attr, call, call.args, source)
    return None


def _is_place(node: ast.expr) -> bool:
    """Tell whether a tensor is named, and so is there before and after it is filled."""
    return isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and not _is_part(node)


def _is_part(node: ast.expr) -> bool:
    """Tell whether a node is a part of a tensor, `w[0]`; `model[0].weight` is none."""
    return isinstance(node, ast.Subscript) or (
        isinstance(node, ast.Attribute) and node.attr == "data" and _is_part(node.value)
    )


def _of_data(target: ast.Attribute, node: ast.Assign, source: Source) -> Fill | None:
    """Return `w.data = v` as `w.data.copy_(v)`, and `layer.weight = nn.Parameter(v)` as that of its weight."""
    value = node.value
    if target.attr != "data":
        is_parameter = isinstance(value, ast.Call) and (dotted(value.func) or ("",))[-1] == "Parameter" and value.args
        if target.attr not in ("weight", "bias") or source.session.functions or not is_parameter:
            return None
        value = value.args[0]  # type: ignore[attr-defined]  # it is a call
        target = ast.copy_location(ast.Attribute(target, "data", ast.Load()), target)
    return _filled(target, "copy_", node, [value], source)


def _filled(
    target: ast.expr, function: str, node: ast.Call | ast.Assign, given: list[ast.expr], source: Source
) -> Fill:
    is_quiet = function.startswith("init.")
    if isinstance(target, ast.Attribute) and target.attr == "data":
        target, is_quiet = target.value, True
    span = source.span(node)
    keywords = tuple(
        (word.arg or "", translate(word.value, source, text=True)) for word in getattr(node, "keywords", ())
    )
    call = Call(function, tuple(translate(value, source) for value in given), keywords, span, span, method=True)
    return Fill(translate(target, source), call, is_quiet, span)
