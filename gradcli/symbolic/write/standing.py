"""Values that stand for themselves, shown by their formulas: nothing is differentiated through them."""

from __future__ import annotations

import re

from sympy import Expr, Symbol

from gradcli.symbolic.write.printer import NotWritableError
from gradcli.symbolic.write.scope import Composed, Indices, NoFormulaError, Scope, Template
from gradcli.symbolic.write.tensor_printer import TensorNotation
from gradcli.symbolic.write.tidy import tidy

PREFIX = "q"
LONGEST = 200
PLACES = re.compile(r"\[[\d, \[\]]+\]")


def shown_by_formula(composition: Composed, place: int, entry: Template) -> Template | None:
    """Return a tensor whose name is the formula of a value; None if that is too long, or has no notation."""
    scope = composition.scope
    try:
        shown = TensorNotation(scope, entry.symbols).whole(tidy(scope.ordered(entry.body)))
    except NotWritableError:
        return None
    if len(shown.text) > LONGEST or shown.axes != tuple(index for index in entry.symbols if isinstance(index, Symbol)):
        return None
    return scope.tensor(place, PREFIX, shown.text, composition.shape(place))


def length_of(text: str) -> int:
    """Return the length of a formula without the lists of places in it."""
    return len(PLACES.sub("[]", text))


def by_text(scope: Scope, text: str, shape: tuple[int, ...], prefix: str = "r") -> Template:
    """Return a tensor that is shown by a text; the same one for the same text."""
    known = next((key for key, shown in scope.names.items() if shown == text), None)
    number = len(scope.names) if known is None else int(known[1:])
    return scope.tensor(number, prefix, text, shape)


def step_of(scope: Scope, function: str, entry: Template, shape: tuple[int, ...]) -> Template:
    """Return a step function of a tensor, by its text; NoFormulaError if the tensor has none."""
    text = f"{function}({whole(scope, entry.symbols, tidy(scope.ordered(entry.body)))})"
    return by_text(scope, text, shape, PREFIX)


def whole(scope: Scope, symbols: Indices, body: Expr) -> str:
    """Return the formula of a tensor of exactly the axes of some indices; NoFormulaError if there is none."""
    try:
        shown = TensorNotation(scope, symbols).whole(body)
    except NotWritableError:
        raise NoFormulaError from None
    axes = tuple(index if isinstance(index, Symbol) else None for index in symbols)
    if shown.axes == axes:
        return shown.text
    sizes = tuple(scope.sizes.get(index, 1) if isinstance(index, Symbol) else 1 for index in symbols)
    return f"broadcast_to({shown.text}, {sizes})"
