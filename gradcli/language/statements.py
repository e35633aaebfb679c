"""Python's statement nodes to gradcli's."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import replace

from gradcli.errors import Span
from gradcli.language.built import after
from gradcli.language.definitions import build_attribute, build_class, build_function, build_return
from gradcli.language.desugared import desugared
from gradcli.language.differentiation import build_differentiate, find_call, in_a_loop, note_what_follows
from gradcli.language.expressions import translate
from gradcli.language.fills import build_fill
from gradcli.language.gradients import find_inner
from gradcli.language.loops import build_pattern, is_range
from gradcli.language.names import check_target
from gradcli.language.operators import operator_of
from gradcli.language.passing import PASSED_OVER, build_flag, grad_mode, is_passed_over, printed_call
from gradcli.language.program import (
    Assign,
    Attribute,
    Call,
    Differentiate,
    Each,
    Evaluate,
    Expression,
    For,
    GradMode,
    If,
    Index,
    InPlace,
    Leaf,
    Leave,
    Literal,
    Name,
    Raise,
    SetAttribute,
    SetItem,
    Statement,
    Try,
    Unpack,
    While,
)
from gradcli.language.source import Source
from gradcli.language.transforms import build_transform, find_transform, is_value


def build_block(body: list[ast.stmt], source: Source, *, is_program: bool = False) -> tuple[Statement, ...]:
    """Return the statements of a block, without those that compute nothing; after the first backward none is read.

    The last statement of a program may compute with gradients that it asks for.
    """
    if source.definition:
        return _build(body, source)
    body = desugared(body)
    find_inner(body, source, is_program=is_program)
    return _build(body, source)


def _build(body: list[ast.stmt], source: Source) -> tuple[Statement, ...]:
    statements: list[Statement] = []
    for place, node in enumerate(body):
        built = build_statement(node, source)
        statements += [] if built is None else [built]
        if built is not None and ends(built):
            if isinstance(built, (For, Each, While)) and _FIRST_ROUND not in source.session.notes:
                source.session.notes.append(_FIRST_ROUND)
            note_what_follows(node, body[place + 1 :], source)
            break
    return tuple(statements)


_FIRST_ROUND = "the loop differentiates: these are the gradients of its first round, with which the run ends"


def ends(statement: Statement) -> bool:
    """Tell whether a statement differentiates, a loop in its first round."""
    if isinstance(statement, (For, Each, While, GradMode)):
        return bool(statement.body) and ends(statement.body[-1])
    return isinstance(statement, Differentiate)


def build_statement(node: ast.stmt, source: Source) -> Statement | None:
    """Return one statement, None for one that computes nothing, or raise the error that says why it is none."""
    rule = _RULES.get(type(node))
    if rule is None:
        span = source.span(node)
        raise source.error("this kind of statement is not accepted", Span(span.start, span.start + 1), _STATEMENTS)
    if source.definition:
        return rule(node, source)
    found = find_transform(node, source) if isinstance(node, (ast.Expr, ast.Assign, ast.Assert)) else None
    if found is not None and not is_value(*found, node, source):
        return build_transform(*found, source)
    if isinstance(node, (ast.Expr, ast.Assign, ast.Assert, ast.Return)):
        if (loop := in_a_loop(node, source)) is not None:
            return build_statement(loop, source)
        if (call := find_call(node, source)) is not None:
            return build_differentiate(call, source)
    if (printed := printed_call(node, source)) is not None:
        return Evaluate(translate(printed, source), source.span(printed))
    if is_passed_over(node, source):
        return None
    return build_fill(node, source) or rule(node, source)


_STATEMENTS = "statements are `name = expression`, expressions, `if`, `while`, `with` and `for _ in range(n)`"


def _assign(node: ast.Assign, source: Source) -> Statement | None:
    if len(node.targets) > 1:
        raise source.error(
            "several `=` in one statement are not accepted", node.targets[1], "write one assignment per statement"
        )
    if isinstance(node.targets[0], ast.Attribute):
        own = build_attribute(node.targets[0], node.value, source.span(node), source)
        return own or _flag(node.targets[0], node, source)
    if isinstance(node.targets[0], ast.Subscript):
        return _set_item(node.targets[0], translate(node.value, source), node, source)
    if _is_nested(node.targets[0]):
        pattern = build_pattern(node.targets[0], source)
        return Unpack(pattern, translate(node.value, source, text=True), source.span(node))
    targets = _targets(node.targets[0], source)
    if isinstance(node.value, (ast.Tuple, ast.List)) and len(targets) == 1:
        source.session.tuples.add(targets[0].name)
    return Assign(targets, translate(node.value, source, text=True), source.span(node))


def _is_nested(node: ast.expr) -> bool:
    """Tell whether names are unpacked inside of each other, or with `*rest` among them."""
    parts = node.elts if isinstance(node, (ast.Tuple, ast.List)) else []
    return len(parts) == 1 or any(isinstance(part, (ast.Tuple, ast.List, ast.Starred)) for part in parts)


def _flag(target: ast.Attribute, node: ast.Assign, source: Source) -> Statement:
    return build_flag(target, node.value, source.span(node), translate(target.value, source), source)


def _set_item(target: ast.Subscript, value: Expression, node: ast.stmt, source: Source) -> Statement:
    """Return `x[index] = value`; `x.data[index] = value` is that of x, unseen by autograd."""
    index, is_quiet = translate(target, source), False
    assert isinstance(index, Index)  # noqa: S101 (a subscript)
    if isinstance(index.value, Attribute) and index.value.name == "data":
        index, is_quiet = replace(index, value=index.value.value), True
    if not isinstance(index.value, (Name, Attribute)):
        raise source.error("an assignment to a part of a tensor needs its name", target, _BUILT)
    return SetItem(index, value, is_quiet, source.span(node))


_BUILT = "build a new tensor, with `where`, `cat`, `stack` or `index_put`"


def _annotated(node: ast.AnnAssign, source: Source) -> Statement:
    if node.value is None:
        raise source.error("a value is missing", node, "write `name = expression`")
    return Assign(_targets(node.target, source), translate(node.value, source), source.span(node))


def _in_place(node: ast.AugAssign, source: Source) -> Statement:
    """Return `x += y`, which changes x itself; `x[i] += y` changes a part of it."""
    if isinstance(node.target, ast.Subscript):
        return _changed_item(node, source)
    target, span = _target(node.target, source), source.span(node)
    operand, operator = translate(node.value, source), operator_of(node.op, node, source)
    place = after(source, target.span.end, operand.span.start, f"{operator.sign}=")
    return InPlace(target, Call(operator.function, (target, operand), (), span, place, operator.sign), span)


def _changed_item(node: ast.AugAssign, source: Source) -> Statement:
    index, operand = translate(node.target, source), translate(node.value, source)
    operator = operator_of(node.op, node, source)
    place = after(source, index.span.end, operand.span.start, f"{operator.sign}=")
    call = Call(operator.function, (index, operand), (), source.span(node), place, operator.sign)
    assert isinstance(node.target, ast.Subscript)  # noqa: S101 (it is one)
    return _set_item(node.target, call, node, source)


def _targets(node: ast.expr, source: Source) -> tuple[Name, ...]:
    if not isinstance(node, (ast.Tuple, ast.List)):
        return (_target(node, source),)
    if len(node.elts) in (0, 1):
        raise source.error("unpacking needs at least two names", node, "write `name = value`, and index the value")
    return tuple(_target(element, source) for element in node.elts)


def _target(node: ast.expr, source: Source) -> Name:
    if isinstance(node, ast.Name):
        check_target(node, source, hides=True)
        source.session.assigned.add(node.id)
        return Name(node.id, source.span(node))
    if isinstance(node, (ast.Subscript, ast.Attribute)):
        message = "an assignment to a part of a tensor changes it in place, which is not accepted"
        raise source.error(message, node, _BUILT)
    raise source.error("only names can be assigned to", node)


def _evaluate(node: ast.Expr, source: Source) -> Statement:
    value, span = translate(node.value, source), source.span(node)
    if _is_flag(node.value):  # x.requires_grad_() changes x itself
        owner = value.value if isinstance(value, Leaf) else value.arguments[0]  # type: ignore[union-attr]
        if not isinstance(value, Leaf):
            return SetAttribute(owner, "requires_grad", Literal(value=False, span=span), span)
        return Assign((owner,), value, span) if isinstance(owner, Name) else Evaluate(value, span)
    return Evaluate(value, span)


def _is_flag(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "requires_grad_"
        and isinstance(node.func.value, (ast.Name, ast.Attribute, ast.Subscript))
    )


def _if(node: ast.If, source: Source) -> Statement | None:
    test = translate(node.test, source)
    body, otherwise = build_block(node.body, source), build_block(node.orelse, source)
    return If(test, body, otherwise, source.span(node)) if body or otherwise else None


def _with(node: ast.With, source: Source) -> Statement:
    enabled = True
    for item in node.items:
        enabled = grad_mode(item.context_expr, source, enabled=enabled)
    return GradMode(enabled, build_block(node.body, source), source.span(node))


def _try(node: ast.Try, source: Source) -> Statement:
    """Return `try:` with the block that runs where PyTorch refuses; `else` is a part of what is tried."""
    body = build_block([*node.body, *node.orelse, *node.finalbody], source)
    name = next((handler.name for handler in node.handlers if handler.name), None)
    span = source.span(node)
    if name is not None:
        source.session.assigned.add(name)
    handled = [statement for handler in node.handlers[:1] for statement in handler.body]
    otherwise = build_block([*handled, *node.finalbody], source)
    return Try(body, otherwise, None if name is None else Name(name, Span(span.start, span.start + 3)), span)


def _while(node: ast.While, source: Source) -> Statement:
    _check_no_else(node, "while", source)
    test = translate(node.test, source)
    return While(test, _repeated(node.body, source), source.span(node))


def _for(node: ast.For, source: Source) -> Statement:
    _check_no_else(node, "for", source)
    if is_range(node.iter, source) and isinstance(node.iter, ast.Call):
        bounds = tuple(translate(bound, source) for bound in node.iter.args)
        return For(_target(node.target, source), bounds, _repeated(node.body, source), source.span(node))
    pattern, iterable = build_pattern(node.target, source), translate(node.iter, source)
    return Each(pattern, iterable, _repeated(node.body, source), source.span(node))


def _leave(node: ast.Break | ast.Continue, source: Source) -> Statement:
    if not source.session.loops:
        word = "break" if isinstance(node, ast.Break) else "continue"
        raise source.error(f"`{word}` is not accepted outside of a loop", node, "leave it out")
    return Leave(isinstance(node, ast.Break), source.span(node))


def _repeated(body: list[ast.stmt], source: Source) -> tuple[Statement, ...]:
    """Return the block of a loop."""
    source.session.loops += 1
    try:
        return build_block(body, source)
    finally:
        source.session.loops -= 1


def _check_no_else(node: ast.While | ast.For, keyword: str, source: Source) -> None:
    if node.orelse:
        message = f"`else` after `{keyword}` is not accepted"
        raise source.error(message, node.orelse[0], "put the statements after the loop")


_RULES: Mapping[type[ast.stmt], Callable[..., Statement | None]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _in_place,
    ast.Expr: _evaluate,
    ast.With: _with,
    **dict.fromkeys(PASSED_OVER, _evaluate),  # none of them is built
    ast.If: _if,
    ast.Try: _try,
    ast.Raise: lambda node, source: Raise(source.span(node)),
    ast.While: _while,
    ast.For: _for,
    ast.FunctionDef: lambda node, source: build_function(node, source, build_block),
    ast.ClassDef: lambda node, source: build_class(node, source, build_block),
    ast.Return: build_return,
    ast.Break: _leave,
    ast.Continue: _leave,
}
