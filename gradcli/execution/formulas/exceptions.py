"""Single points at which a definition chooses a value: nothing is said of those where the formula has that value too.

The gradient of `norm(w)**2` is 2*w at the origin, where the definition of a norm chooses; that of `norm(w)` is not
w/norm(w) there.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from torch import Tensor, broadcast_tensors

from gradcli.derivation.notation.parsed import names_read, parsed
from gradcli.derivation.notation.points import places_of, said_of
from gradcli.errors import GradcliError
from gradcli.execution.formulas.closed import Form, Target
from gradcli.execution.formulas.points import Point, moved_to
from gradcli.execution.formulas.verified import difference, value_of
from gradcli.tolerance import CLOSENESS


def with_true_exceptions(point: Point, forms: Mapping[Target, Form]) -> dict[Target, Form]:
    """Return forms that say of no point that another value is there where none is."""
    return {target: form if form.exception is None else _settled(point, target, form) for target, form in forms.items()}


def _settled(point: Point, target: Target, form: Form) -> Form:
    assert form.exception is not None  # noqa: S101 (asked for those with one)
    left = [place for place in places_of(form.exception) if not _holds(point, target, form, place)]
    return (
        replace(form, exception=said_of(form.exception, left))
        if left
        else replace(form, exception=None, code=form.text)
    )


def _holds(point: Point, target: Target, form: Form, place: str) -> bool:
    """Tell whether a formula is what its code is at all points that are found where a place is.

    Either may be rows of the gradient that are all the same.
    """
    several = [*_points_at(point, target, place)]
    return bool(several) and all(
        shown is not None and coded is not None and difference(*broadcast_tensors(shown, coded)) <= CLOSENESS
        for there in several
        for shown, coded in ((value_of(there, target, form.text), value_of(there, target, form.code)),)
    )


def _points_at(point: Point, target: Target, place: str) -> Iterator[Point]:
    """Yield points at which an expression is exactly 0: its leaves are, or one is what it is subtracted from."""
    for values in _values_at(point, target, place):
        leaves = {leaf.name or leaf.text: leaf.tensor.detach() for leaf in point.trace.leaves}
        with suppress(GradcliError):
            with warnings.catch_warnings(action="ignore"):  # what is tried is not the user's point
                there = moved_to(point, leaves | values)
            found = value_of(there, target, place)
            if found is not None and bool((found == 0).all()):
                yield there


def _values_at(point: Point, target: Target, place: str) -> Iterator[dict[str, Tensor]]:
    """Yield the values of leaves for which an expression may be 0."""
    tree = parsed(place).body
    leaves = {leaf.name or leaf.text: leaf.tensor.detach() for leaf in point.trace.leaves if leaf.tensor.requires_grad}
    moving = {name: leaves[name] for name in names_read(tree) if name in leaves}
    yield {name: value * 0 for name, value in moving.items()}
    parts = dict.fromkeys(ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.BinOp))
    known = [value for part in parts if (value := value_of(point, target, part)) is not None]
    for name, own in moving.items():
        for part in known:
            if part.shape == own.shape:
                yield from ({name: own - part}, {name: own + part})
