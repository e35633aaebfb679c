"""Values that stand for themselves, shown by their formulas: nothing is differentiated through them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import sympy
from sympy import Expr, KroneckerDelta, Symbol

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


def sources(scope: Scope, keys: Iterable[Any]) -> list[Template]:
    """Return the entries of what tensors that stand for others' entries, reshaped or at places, are made of."""
    reshaped = [scope.reshaped[key][1] for key in keys if key in scope.reshaped]
    return reshaped + [scope.picked[key].source for key in keys if key in scope.picked]


def unfolded(scope: Scope, key: str, indices: Indices) -> tuple[Indices, Expr]:
    """Return new indices of what such a tensor is made of, and the factor that is 1 where that is read, else 0."""
    flat = _flat(scope.shapes[key], indices)
    if key in scope.reshaped:
        own = scope.fresh(scope.reshaped[key][0])
        return own, KroneckerDelta(_flat(scope.reshaped[key][0], own), flat)
    picked = scope.picked[key]
    own = scope.fresh(picked.shape)
    inner = _flat(picked.shape, own)
    sizes = (
        (prod(scope.shapes[key]), prod(picked.shape))
        if picked.is_read
        else (prod(picked.shape), prod(scope.shapes[key]))
    )
    one_hot = by_text(scope, picked.one_hot, sizes, PREFIX)
    return own, one_hot.at((flat, inner) if picked.is_read else (inner, flat))


def _flat(shape: Sequence[int], indices: Indices) -> Expr:
    """Return where an entry is, counted in the flattened tensor."""
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return sympy.Add(*[stride * index for stride, index in zip(strides, indices, strict=True)])


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
