"""Formulas in the very shape of their derivative: what only broadcasts to it, or drops axes of length 1, is written so.

A formula that was derived where an axis of length 1 is longer has all axes: `g @ k.T` in the place of `k @ g[0]`. It
is taken where it says the same. Else axes are put in, or what is repeated along them is said: `outer(ones(3), x)`. A
number stands for every entry.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.derivation.notation.algebra import simplified
from gradcli.derivation.notation.parsed import callee, names_read, parsed
from gradcli.derivation.notation.ranks import rank
from gradcli.derivation.notation.sharing import shared
from gradcli.derivation.notation.written import symbols, text_of
from gradcli.execution.formulas.closed import Form, Target, closed_forms, known_shapes, targets, upstream_name
from gradcli.execution.formulas.exceptions import with_true_exceptions
from gradcli.execution.formulas.plain_definitions import cases_left_out
from gradcli.execution.formulas.points import Point, with_lengths
from gradcli.execution.formulas.verified import difference, trusted, value_of
from gradcli.tolerance import CLOSENESS

# What an axis of length 1 may be instead: the first of these that is no length yet.
LONGER = (5, 7, 11, 13, 17)
MATRIX = 2
# The characters of formulas that are written with all cases as well, for code; and what may be in these besides.
LONGEST = 250
CHOICES = frozenset({"where", "logical_or", "logical_and", "clamp_min", "clamp_max", "norm", "sqrt", "sum"})
COLUMN = "[:, None]"
LAYOUTS = {
    "": "each gradient has the shape of its variable",
    "hvp": "each product has the shape of its variable",
    "jvp": "the derivative along the tangents has the shape of the output",
    "jacobian": "each Jacobian has the shape of the output, then that of its variable",
}
SECOND_LAYOUT = "each second derivative has the shape of its first variable, then that of its second"
EVERYWHERE = "; a number stands for every entry"


def shown_forms(
    point: Point, wanted: Sequence[Target], given: Mapping[str, Any], asked: Derivations, *, with_cases: bool = True
) -> dict[Target, Form]:
    """Return the formulas in terms of the leaves, in the shapes of what they are derivatives of.

    Their code has the cases that they leave out, if it is wanted `with_cases`.
    """
    forms = trusted(point, closed_forms(point, wanted, asked))
    forms = with_true_exceptions(point, shaped(point, _with_all_axes(point, forms, given, asked)))
    return _with_cases(point, forms, asked) if with_cases else forms


def _with_cases(point: Point, forms: Mapping[Target, Form], asked: Derivations) -> dict[Target, Form]:
    """Return forms whose code has the cases that their formulas leave out, and which say what these are."""
    cases = cases_left_out(point.trace) if forms and point.settings.to != "function" else ()
    if not cases:
        return {**forms}
    short = [target for target, form in forms.items() if len(form.text) <= LONGEST]
    whole = trusted(point, closed_forms(point, short, asked, everywhere=True))
    whole = with_true_exceptions(point, shaped(point, whole))
    return {target: _with_case(form, whole.get(target), cases) for target, form in forms.items()}


def _with_case(form: Form, whole: Form | None, cases: tuple[str, ...]) -> Form:
    if whole is not None and whole.text == form.text:
        return form
    has_cases = whole is not None and _functions(whole.code) <= _functions(form.text) | CHOICES
    if whole is None or not has_cases:
        return replace(form, cases=cases)
    return replace(form, code=whole.code, entry=whole.entry or form.entry, cases=cases)


def _functions(text: str) -> set[str]:
    """Return the functions in a formula: one with `exp` in the place of `softmax` overflows where that does not."""
    return {callee(node) or "" for node in ast.walk(parsed(text).body) if isinstance(node, ast.Call)}


def layout_of(point: Point, forms: Mapping[Target, Form], ranks: Mapping[str, int]) -> str:
    """Return in words what shape the formulas have."""
    settings = point.settings
    layout = LAYOUTS[settings.product] if settings.order == 1 else SECOND_LAYOUT
    trees = [parsed(form.text) for target, form in forms.items() if target.shape]
    is_repeated = any(tree.indices is None and not rank(tree.body, ranks) for tree in trees)
    return layout + EVERYWHERE if is_repeated else layout


def shaped(point: Point, forms: Mapping[Target, Form]) -> dict[Target, Form]:
    """Return forms whose text has the shape of the derivative, or is a number; their code broadcasts to it."""
    return {target: _completed(point, target, form) for target, form in forms.items()}


def _with_all_axes(
    point: Point, forms: Mapping[Target, Form], given: Mapping[str, Any], asked: Derivations
) -> dict[Target, Form]:
    """Return the forms, those with axes of length 1 as they are where such an axis is longer if that is no longer."""
    longer = _lengthened(point, given) if forms else None
    if longer is None:
        return {**forms}
    own = dict(zip(targets(point, point.settings.order, point.settings.product), _targets(longer), strict=True))
    others = trusted(longer, closed_forms(longer, [own[target] for target in forms], asked))
    valid = {
        target: other
        for target, form in forms.items()
        if own[target] in others
        for other in (_as_at(point, longer, form, others[own[target]]),)
        if _is_valid(point, target, form, other)
    }
    needed = {target: form for target, form in valid.items() if _needs_axes(point, target, forms[target])}
    ways = ({**forms, **needed}, {**forms, **valid})
    return min(ways, key=lambda way: _length(point, way.values()))


def _targets(point: Point) -> tuple[Target, ...]:
    return targets(point, point.settings.order, point.settings.product)


def _lengthened(point: Point, given: Mapping[str, Any]) -> Point | None:
    """Return a point at which no axis of a leaf has length 1; None if there is none, or the program does not run."""
    lengths = {size for shape in point.shapes.values() for size in shape}
    free = next((length for length in LONGER if length not in lengths), None)
    if 1 not in lengths or free is None:
        return None
    found = with_lengths(point, {1: free}, given, point.settings.seed)
    found = found.explicit() if found is not None and point.is_explicit else found
    is_alike = found is not None and (found.has_upstream == point.has_upstream or point.settings.order == 1)
    return found if is_alike else None


def _as_at(point: Point, longer: Point, form: Form, other: Form) -> Form:
    """Return a form of a longer program as one of the program at a point, which may have no upstream gradient."""
    other = replace(other, raw=form.raw, entry=form.entry)
    if point.has_upstream or not longer.has_upstream:
        return other
    tree, upstream = parsed(other.text), upstream_name(longer) or ""
    body = _WithoutFactor(upstream).visit(tree.body)
    if tree.indices is not None or upstream in names_read(body):
        return form
    text = simplified(text_of(body), known_shapes(point, moving=True))
    return replace(other, text=text, code=text)


class _WithoutFactor(ast.NodeTransformer):
    """Leaves out a factor that is a matrix of one entry, 1."""

    def __init__(self, name: str) -> None:
        self.names = {name, f"{name}.T"}

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Return the other factor of a product with it."""
        self.generic_visit(node)
        if isinstance(node.op, ast.Mult | ast.MatMult):
            for one, other in ((node.left, node.right), (node.right, node.left)):
                if ast.unparse(one) in self.names:
                    return other
        return node


def _is_valid(point: Point, target: Target, form: Form, other: Form) -> bool:
    """Tell whether another form has the derivative's shape, and says what the form was made from."""
    value = value_of(point, target, other.text)
    raw = value_of(point, target, form.raw)
    if value is None or raw is None or tuple(value.shape) != target.shape:
        return False
    return difference(value, raw.broadcast_to(target.shape)) <= CLOSENESS


def _needs_axes(point: Point, target: Target, form: Form) -> bool:
    value = value_of(point, target, form.text)
    return value is not None and tuple(value.shape) != target.shape


def _length(point: Point, forms: Iterable[Form]) -> int:
    """Return how many symbols formulas have, with what they have in common written once."""
    common = shared([form.text for form in forms], {*known_shapes(point, moving=True)})
    return sum(symbols(text) for text in (*common.formulas, *(part for _, part in common.parts)))


def _completed(point: Point, target: Target, form: Form) -> Form:
    if parsed(form.text).indices is not None:
        return form
    value = value_of(point, target, form.text)
    if value is None or not value.ndim or tuple(value.shape) == target.shape:
        return form
    column = form.text.replace(COLUMN, "")
    if tuple(value.shape) == (*target.shape[:1], 1) and _is_same(value_of(point, target, column), value[:, 0]):
        text = f"outer({column}, ones({target.shape[1]}))"
    else:
        text = _repeated(form.text, tuple(value.shape), target.shape)
    return replace(form, text=simplified(text, known_shapes(point, moving=True)))


def _is_same(value: Tensor | None, other: Tensor) -> bool:
    return value is not None and difference(value, other) <= CLOSENESS


def _repeated(text: str, own: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """Return a formula with the axes that it lacks, or repeated along them."""
    missing = shape[: len(shape) - len(own)]
    if (1,) * len(missing) + own == shape:
        places = ", ".join(["None"] * len(missing) + [":"] * len(own))
        return f"({text})[{places}]"
    if len(shape) == MATRIX and len(own) == 1:
        return f"outer(ones({shape[0]}), {text})"
    return f"broadcast_to({text}, ({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''}))"
