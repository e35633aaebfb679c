"""Formulas as MathML: what a report has as text, which Python reads, as a browser sets mathematics."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from functools import singledispatch
from xml.etree import ElementTree as ET

from markupsafe import Markup

from gradcli.escaping import escape
from gradcli.python_trees import expression_tree

# A longer formula stays text.
LONGEST = 2000
OPERATORS: Mapping[type, tuple[str, int]] = {
    ast.Add: ("+", 1),
    ast.Sub: ("\N{MINUS SIGN}", 1),
    ast.Mult: ("\N{INVISIBLE TIMES}", 2),
    ast.MatMult: ("\N{INVISIBLE TIMES}", 2),
    ast.Mod: ("mod", 2),
    ast.FloorDiv: ("div", 2),
}
COMPARISONS: Mapping[type, str] = {
    ast.Lt: "<",
    ast.LtE: "\N{LESS-THAN OR EQUAL TO}",
    ast.Gt: ">",
    ast.GtE: "\N{GREATER-THAN OR EQUAL TO}",
    ast.Eq: "=",
    ast.NotEq: "\N{NOT EQUAL TO}",
}
WORDS = {"pi": "\N{GREEK SMALL LETTER PI}", "inf": "\N{INFINITY}"}
PRODUCT, UNARY, POWER, ATOM = 2, 3, 4, 5


class _UnknownError(Exception):
    """A formula has what is no mathematics here."""


def formula(text: str) -> Markup:
    """Return a formula as MathML, or as text where it cannot be read; in ASCII, and safe to put into a page."""
    try:
        tree = expression_tree(text) if len(text) <= LONGEST else None
        inner = None if tree is None else _of(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError, _UnknownError):
        inner = None
    if inner is None:
        return Markup("<code>{}</code>").format(escape(text))
    root = ET.Element("math", {"alttext": escape(text)})
    root.append(inner)
    return Markup(ET.tostring(root, encoding="us-ascii").decode())  # noqa: S704  # made of elements, not of text


def _leaf(tag: str, words: str) -> ET.Element:
    element = ET.Element(tag)
    element.text = words
    return element


def _with(tag: str, *parts: ET.Element) -> ET.Element:
    element = ET.Element(tag)
    element.extend(parts)
    return element


def _row(*parts: ET.Element | str) -> ET.Element:
    """Return parts side by side; text is an operator."""
    return _with("mrow", *(_leaf("mo", part) if isinstance(part, str) else part for part in parts))


def _bracketed(inner: ET.Element, opening: str = "(", closing: str = ")") -> ET.Element:
    return _row(opening, inner, closing)


def _listed(parts: Sequence[ast.expr]) -> ET.Element:
    """Return parts with commas between them."""
    shown = [_of(part) for part in parts]
    return _row(*[piece for part in shown for piece in (",", part)][1:])


def _level(node: ast.expr) -> int:
    """Return how strongly a formula holds together."""
    if isinstance(node, ast.BinOp):
        known = OPERATORS.get(type(node.op))
        return POWER if isinstance(node.op, ast.Pow) else PRODUCT if known is None else known[1]
    if isinstance(node, ast.UnaryOp):
        return UNARY if not isinstance(node.op, ast.USub) else 1
    return 0 if isinstance(node, ast.Compare | ast.BoolOp | ast.IfExp) else ATOM


def _inside(node: ast.expr, level: int) -> ET.Element:
    """Return a part of a formula, in brackets if it holds together less strongly than what it stands in."""
    return _of(node) if _level(node) >= level else _bracketed(_of(node))


@singledispatch
def _of(node: ast.AST) -> ET.Element:
    raise _UnknownError(type(node).__name__)


@_of.register
def _(node: ast.Constant) -> ET.Element:
    is_number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
    return _leaf("mn" if is_number else "mtext", escape(ast.unparse(node)))


@_of.register
def _(node: ast.Name) -> ET.Element:
    return _leaf("mi", WORDS.get(node.id, escape(node.id)))


@_of.register
def _(node: ast.Attribute) -> ET.Element:
    if node.attr in {"T", "mT", "H"}:
        return _with("msup", _inside(node.value, ATOM), _leaf("mi", "H" if node.attr == "H" else "T"))
    return _row(_inside(node.value, ATOM), ".", _leaf("mi", node.attr))


@_of.register
def _(node: ast.Subscript) -> ET.Element:
    index = node.slice
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    return _with("msub", _inside(node.value, ATOM), _listed(parts))


@_of.register
def _(node: ast.Slice) -> ET.Element:
    ends = [_row() if one is None else _of(one) for one in (node.lower, node.upper)]
    return _row(ends[0], ":", ends[1])


@_of.register
def _(node: ast.Tuple) -> ET.Element:
    return _bracketed(_listed(node.elts))


@_of.register
def _(node: ast.List) -> ET.Element:
    return _bracketed(_listed(node.elts), "[", "]")


@_of.register
def _(node: ast.UnaryOp) -> ET.Element:
    signs = {ast.USub: "\N{MINUS SIGN}", ast.UAdd: "+", ast.Not: "\N{NOT SIGN}", ast.Invert: "\N{NOT SIGN}"}
    return _row(signs[type(node.op)], _inside(node.operand, PRODUCT))


@_of.register
def _(node: ast.BinOp) -> ET.Element:
    if isinstance(node.op, ast.Div):
        return _with("mfrac", _of(node.left), _of(node.right))
    if isinstance(node.op, ast.Pow):
        return _with("msup", _inside(node.left, ATOM), _of(node.right))
    if type(node.op) not in OPERATORS:
        raise _UnknownError(type(node.op).__name__)
    sign, level = OPERATORS[type(node.op)]
    return _row(_inside(node.left, level), sign, _inside(node.right, level + 1))


@_of.register
def _(node: ast.Compare) -> ET.Element:
    parts: list[ET.Element | str] = [_inside(node.left, 1)]
    for sign, other in zip(node.ops, node.comparators, strict=True):
        if type(sign) not in COMPARISONS:
            raise _UnknownError(type(sign).__name__)
        parts += [COMPARISONS[type(sign)], _inside(other, 1)]
    return _row(*parts)


@_of.register
def _(node: ast.BoolOp) -> ET.Element:
    sign = "\N{LOGICAL AND}" if isinstance(node.op, ast.And) else "\N{LOGICAL OR}"
    shown = [_inside(part, 1) for part in node.values]
    return _row(*[piece for part in shown for piece in (sign, part)][1:])


@_of.register
def _(node: ast.Call) -> ET.Element:
    name = node.func.id if isinstance(node.func, ast.Name) else None
    special = SPECIAL.get((name or "", len(node.args))) if not node.keywords else None
    if special is not None:
        return special(*node.args)
    named = [_row(_leaf("mi", escape(one.arg or "")), "=", _of(one.value)) for one in node.keywords]
    given = [*map(_of, node.args), *named]
    arguments = _row(*[piece for part in given for piece in (",", part)][1:])
    return _row(_inside(node.func, ATOM), "\N{FUNCTION APPLICATION}", _bracketed(arguments))


def _cases(condition: ast.expr, then: ast.expr, otherwise: ast.expr) -> ET.Element:
    """Return `where` as its cases."""
    rows = [(_of(then), _row(_leaf("mtext", "if "), _of(condition))), (_of(otherwise), _leaf("mtext", "otherwise"))]
    table = _with("mtable", *(_with("mtr", *(_with("mtd", cell) for cell in row)) for row in rows))
    return _row("{", table)


SPECIAL: Mapping[tuple[str, int], Callable[..., ET.Element]] = {
    ("sqrt", 1): lambda part: _with("msqrt", _of(part)),
    ("exp", 1): lambda part: _with("msup", _leaf("mi", "e"), _of(part)),
    ("abs", 1): lambda part: _bracketed(_of(part), "|", "|"),
    ("where", 3): _cases,
}
