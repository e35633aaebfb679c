"""Values that stand for themselves in conditions, shown by their formulas: nothing is differentiated through them."""

from __future__ import annotations

from sympy import Symbol

from gradcli.symbolic.write.printer import NotWritableError
from gradcli.symbolic.write.scope import Composed, Template
from gradcli.symbolic.write.tensor_printer import TensorNotation
from gradcli.symbolic.write.tidy import tidy

PREFIX = "q"
LONGEST = 200


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
