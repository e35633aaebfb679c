"""Python's expression nodes to gradcli's: an allow-list of small rules, applied bottom-up without recursion."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from gradcli.errors import Span
from gradcli.language.built import Built
from gradcli.language.calls import build_call, call_children
from gradcli.language.characters import refuse_character
from gradcli.language.constants import fits_double, is_number
from gradcli.language.functions import build_lambda, lambda_children
from gradcli.language.loops import (
    build_comprehension,
    build_dictionary,
    comprehension_children,
    dictionary_children,
)
from gradcli.language.names import (
    VALUES,
    check_attribute,
    check_name,
    constant_symbol,
    dtype_word,
    function_reference,
    is_qualified,
)
from gradcli.language.notebook import CLASS_NAME
from gradcli.language.operators import build_binary, build_boolean, build_comparison, build_unary
from gradcli.language.program import (
    Attribute,
    Builtin,
    Call,
    Conditional,
    Dictionary,
    Ellipsis,
    Expression,
    Index,
    Literal,
    Name,
    Sequence,
    Slice,
    Starred,
)
from gradcli.language.source import Source

_REFUSED: Mapping[type[ast.expr], str] = {
    ast.Set: "sets",
    ast.SetComp: "comprehensions",
    ast.Await: "`await`",
    ast.Yield: "`yield`",
    ast.YieldFrom: "`yield`",
    ast.NamedExpr: "assignments inside an expression (`:=`)",
}


def translate(root: ast.expr, source: Source, *, text: bool = False) -> Expression:
    """Return the expression that Python's node stands for, or raise the error that points into it.

    `text` tells whether it may be a text, such as that of a device.
    """
    built = Built(source)
    stack: list[tuple[ast.expr, bool]] = [(root, False)]
    while stack:
        node, entered = stack.pop()
        if entered:
            built.add(node, _RULES[type(node)][1](node, built))
            continue
        stack.append((node, True))
        stack.extend((child, False) for child in reversed(_children(node, source)))
    return built.argument(root) if text and isinstance(root, ast.Constant) else built.operand(root)


def _children(node: ast.expr, source: Source) -> list[ast.expr]:
    """Return the nodes to translate before this one; refuse a node that has no rule."""
    if type(node) not in _RULES:
        span = source.span(node)
        is_braced = isinstance(node, (ast.Dict, ast.Set))
        where = Span(span.start, span.start + 1) if is_braced else span
        raise source.error(f"{_REFUSED.get(type(node), 'this kind of expression')} are not accepted", where)
    return call_children(node, source) if isinstance(node, ast.Call) else _RULES[type(node)][0](node)


def _no_children(_: ast.expr) -> list[ast.expr]:
    return []


def _text(node: ast.JoinedStr, built: Built) -> Expression:
    """Return a text that is written for printing: what stands in it is not read."""
    return Literal("", built.source.span(node), "f-string")


def _dictionary_children(node: ast.Dict) -> list[ast.expr]:
    return [*(key for key in node.keys if key is not None), *node.values]


def _dictionary(node: ast.Dict, built: Built) -> Expression:
    span = built.source.span(node)
    if None in node.keys:
        raise built.source.error("`**` inside a dictionary is not accepted", Span(span.start, span.start + 1))
    keys = tuple(built.argument(key) for key in node.keys if key is not None)
    return Dictionary(keys, tuple(built.argument(value) for value in node.values), span)


def _name(node: ast.Name, built: Built) -> Expression:
    span = built.source.span(node)
    symbol = constant_symbol(node)
    if symbol is not None and node.id not in built.source.session.hidden:
        return Literal(VALUES[symbol], span, symbol)
    check_name(node, built.source)
    if node.id in built.source.session.records:
        message = f"'{node.id}' holds numbers that were taken out of tensors, so that no gradient comes through it"
        raise built.source.error(message, node, "append the tensors themselves")
    return Name(node.id, span)


def _constant(node: ast.Constant, built: Built) -> Expression:
    span = built.source.span(node)
    value = node.value
    if isinstance(value, str):
        _check_string(span, built.source)
    if isinstance(value, (bool, str)) or value is None:
        return Literal(value, span)
    if isinstance(value, bytes):
        raise built.source.error("strings with the prefix 'b' are not accepted", node)
    if not isinstance(value, (int, float, complex)):
        raise built.source.error("`...` is accepted only inside an index", node)
    if is_number(value) and not fits_double(value):
        hint = "infinity is written `inf`" if isinstance(value, float) else None
        raise built.source.error("the number does not fit in double precision", node, hint)
    return Literal(value, span)


def _check_string(span: Span, source: Source) -> None:
    """Refuse a string that Python was not shown as it is: one with a prefix, a backslash or other than ASCII."""
    text = source.text[span.start : span.end]
    if text == source.clean[span.start : span.end] and text[0] in "'\"":
        return
    if "\\" in text:
        place = span.start + text.index("\\")
        raise source.error("a string must not hold a backslash", Span(place, place + 1))
    for position, character in enumerate(text, span.start):
        if not (character.isascii() and character.isprintable()):
            refuse_character(source.text, position)
    raise source.error(f"strings with the prefix {text[0]!r} are not accepted", span)


def _attribute_children(node: ast.Attribute) -> list[ast.expr]:
    if (owner := _owner_of_class(node)) is not None:
        return [owner]
    return [] if is_qualified(node) else [node.value]


def _owner_of_class(node: ast.Attribute) -> ast.expr | None:
    """Return m in `m.__class__.__name__` and `type(m).__name__`; None of another attribute."""
    match node:
        case ast.Attribute(ast.Attribute(owner, "__class__"), "__name__"):
            return owner
        case ast.Attribute(ast.Call(ast.Name("type"), [owner]), "__name__"):
            return owner
    return None


def _attribute(node: ast.Attribute, built: Built) -> Expression:
    span = built.source.span(node)
    if (owner := _owner_of_class(node)) is not None:
        return Call(CLASS_NAME, (built.operand(owner),), (), span, span, method=True)
    symbol, word = constant_symbol(node), dtype_word(node)
    if symbol is not None and is_qualified(node):
        return Literal(VALUES[symbol], span, symbol)
    if word is not None:
        return Literal(word, span, f"torch.{word}")
    if not built.source.definition and (function := function_reference(node)) is not None:
        return Builtin(function, span)
    check_attribute(node, built.source)
    return Attribute(built.operand(node.value), node.attr, span)


def _index_items(node: ast.Subscript) -> list[ast.expr]:
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _index_children(node: ast.Subscript) -> list[ast.expr]:
    children = [node.value]
    for item in _index_items(node):
        if isinstance(item, ast.Slice):
            children += [bound for bound in (item.lower, item.upper, item.step) if bound is not None]
        elif not _is_ellipsis(item):
            children.append(item)
    return children


def _index(node: ast.Subscript, built: Built) -> Expression:
    items = tuple(_index_item(item, built) for item in _index_items(node))
    return Index(built.operand(node.value), items, built.source.span(node))


def _index_item(item: ast.expr, built: Built) -> Expression | Slice | Ellipsis:
    span = built.source.span(item)
    if _is_ellipsis(item):
        return Ellipsis(span)
    if isinstance(item, ast.Slice):
        start, stop, step = (
            None if bound is None else built.operand(bound) for bound in (item.lower, item.upper, item.step)
        )
        return Slice(start, stop, step, span)
    return built.argument(item) if isinstance(item, ast.Constant) else built.operand(item)


def _sequence(node: ast.Tuple | ast.List, built: Built) -> Expression:
    items = tuple(built.argument(item) for item in node.elts)
    return Sequence(items, built.source.span(node), isinstance(node, ast.List))


def _conditional(node: ast.IfExp, built: Built) -> Expression:
    then, otherwise = built.argument(node.body), built.argument(node.orelse)
    return Conditional(built.operand(node.test), then, otherwise, built.source.span(node))


def _starred(node: ast.Starred, built: Built) -> Expression:
    return Starred(built.operand(node.value), built.source.span(node))


# Node type -> the nodes inside it that are translated first, and the rule that makes gradcli's node.
_RULES: Mapping[type[ast.expr], tuple[Callable[..., list[ast.expr]], Callable[..., Expression]]] = {
    ast.Name: (_no_children, _name),
    ast.Constant: (_no_children, _constant),
    ast.Attribute: (_attribute_children, _attribute),
    ast.Subscript: (_index_children, _index),
    ast.JoinedStr: (_no_children, _text),
    ast.Dict: (_dictionary_children, _dictionary),
    ast.Tuple: (lambda node: node.elts, _sequence),
    ast.List: (lambda node: node.elts, _sequence),
    ast.IfExp: (lambda node: [node.test, node.body, node.orelse], _conditional),
    ast.BinOp: (lambda node: [node.left, node.right], build_binary),
    ast.UnaryOp: (lambda node: [node.operand], build_unary),
    ast.Compare: (lambda node: [node.left, *node.comparators], build_comparison),
    ast.BoolOp: (lambda node: node.values, build_boolean),
    ast.Call: (_no_children, build_call),  # `_children` asks for its own
    ast.Starred: (lambda node: [node.value], _starred),
    ast.Lambda: (lambda_children, build_lambda),
    ast.ListComp: (comprehension_children, build_comprehension),
    ast.GeneratorExp: (comprehension_children, build_comprehension),
    ast.DictComp: (dictionary_children, build_dictionary),
}
