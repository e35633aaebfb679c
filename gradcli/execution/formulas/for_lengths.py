"""The formulas of a program for all lengths: for those that have names, and for those that values decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradcli.derivation.derivations import Derivations
from gradcli.execution.formulas.closed import Form, Target, targets
from gradcli.execution.formulas.counts import counts_at, spelled, with_counts
from gradcli.execution.formulas.lengths import Lengths, named_lengths, unified_form
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.shaped import shown_forms
from gradcli.execution.formulas.verified import difference, value_of
from gradcli.tolerance import CLOSENESS


def forms_for_lengths(
    here: Point, wanted: Sequence[Target], given: Mapping[str, Any], asked: Derivations, *, with_cases: bool = True
) -> tuple[dict[Target, Form], tuple[Point, ...]]:
    """Return the formulas, and the points of other lengths at which they hold too where lengths have names."""
    named = named_lengths(here, given) if here.settings.sizes else None
    counted = with_counts(here, given, named) if counts_at(here) else None
    known = counted or named
    if known is None:
        return shown_forms(here, wanted, given, asked, with_cases=with_cases), ()
    points = tuple(point.explicit() if here.is_explicit else point for point in known.points)
    found = _unified(known, points, wanted, given, asked, with_cases=with_cases)
    if counted is not None:
        found = _with_counts(here, known, found, shown_forms(here, wanted, given, asked, with_cases=False))
    return found, () if named is None else points


def _unified(
    known: Lengths,
    points: Sequence[Point],
    wanted: Sequence[Target],
    given: Mapping[str, Any],
    asked: Derivations,
    *,
    with_cases: bool,
) -> dict[Target, Form]:
    """Return the forms that are alike at all points."""
    several = [
        [forms.get(target) for target in own]
        for point, own in ((point, targets(point, point.settings.order, point.settings.product)) for point in points)
        for forms in (shown_forms(point, own, given, asked, with_cases=with_cases),)
    ]
    found: dict[Target, Form] = {}
    for target, alike in zip(wanted, zip(*several, strict=True), strict=True):
        form = unified_form(known, [one for one in alike if one is not None]) if None not in alike else None
        found |= {} if form is None else {target: form}
    return found


def _with_counts(
    here: Point, known: Lengths, forms: Mapping[Target, Form], own: Mapping[Target, Form]
) -> dict[Target, Form]:
    """Return the forms whose counts have a text, and that say at a point what is derived there."""
    sizes = {} if here.settings.sizes else known.here()
    texts = {target: spelled(here, form, sizes) for target, form in forms.items()}
    return {
        target: form
        for target, form in texts.items()
        if form is not None and target in own and _is_same(here, target, form, own[target])
    }


def _is_same(here: Point, target: Target, form: Form, own: Form) -> bool:
    values = [value_of(here, target, text) for text in (form.text, form.code, own.raw)]
    known = [value for value in values if value is not None]
    return len(known) == len(values) and all(
        difference(one.broadcast_to(target.shape), known[-1].broadcast_to(target.shape)) <= CLOSENESS for one in known
    )
