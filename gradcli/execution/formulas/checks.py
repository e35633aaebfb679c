"""Formulas compared with autograd at random points: of the given shapes, of larger ones, and beyond constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradcli.derivation.derivations import Derivations
from gradcli.execution.formulas.closed import Form, Target, targets
from gradcli.execution.formulas.errs import name_who_errs, note_mistakes
from gradcli.execution.formulas.expected import expected
from gradcli.execution.formulas.for_lengths import forms_for_lengths
from gradcli.execution.formulas.points import Point, another_point, enlarged, variable
from gradcli.execution.formulas.regions import beyond
from gradcli.execution.formulas.remarks import Judge
from gradcli.execution.formulas.single_entries import compare_entries, wrong_entries
from gradcli.execution.formulas.verified import Findings, compare, compare_beyond, new_findings
from gradcli.report.derivation import Checked
from gradcli.report.verdict import Verdict

SAME_SIZES = "checked at one size: the program does not run for others"
ONE_POINT = "no other point was met that takes the same branches, and has finite gradients"
POINTS = 2
# From the seed of the first point to those of others.
SECOND, LARGER = 100, 2


def wanted_of(point: Point) -> tuple[Target, ...]:
    """Return the derivatives that a point's settings ask for."""
    return targets(point, point.settings.order, point.settings.product)


def checks_of(
    here: Point,
    forms: Mapping[Target, Form],
    given: Mapping[str, Any],
    asked: Derivations,
    *,
    others: Sequence[Point],
    judge: Judge,
) -> dict[Target, Checked]:
    """Compare each formula at random points with autograd: the same at `others`, and those of larger shapes.

    If there are others, the formulas are for all lengths.
    """
    wanted = wanted_of(here)
    found = new_findings(wanted)
    _compare(here, forms, asked, found)
    several = [here, *_again(here, wanted, forms, given, found, asked=asked)]
    for other in others:
        _compare_same(other, wanted, forms, asked, found)
    if forms and not others:
        _compare_larger(here, given, asked, found)
    _compare_beyond(several, wanted, forms, found, asked=asked, judge=judge)
    undecided = Checked(Verdict.UNDECIDED, 0, (), None, ())
    return {target: found[target].checked() if target in forms else undecided for target in wanted}


def _compare(point: Point, forms: Mapping[Target, Form], asked: Derivations, found: Mapping[Target, Findings]) -> None:
    references = expected(point, [*forms])
    compare(point, forms, references, found)
    compare_entries(asked, point, forms, references, found)


def _compare_same(
    other: Point,
    wanted: Sequence[Target],
    forms: Mapping[Target, Form],
    asked: Derivations,
    found: Mapping[Target, Findings],
) -> None:
    """Compare formulas at another point."""
    own = dict(zip(wanted, wanted_of(other), strict=True))
    same = {own[target]: form for target, form in forms.items()}
    _compare(other, same, asked, {own[target]: found[target] for target in wanted})


def _compare_beyond(
    several: Sequence[Point],
    wanted: Sequence[Target],
    forms: Mapping[Target, Form],
    found: Mapping[Target, Findings],
    *,
    asked: Derivations,
    judge: Judge,
) -> None:
    """Compare code beyond the constants that ops compare with, and say who errs where formulas are not autograd's."""
    for there in beyond(several) if forms else ():
        own = dict(zip(wanted_of(there), wanted, strict=True))
        same = {target: forms[mine] for target, mine in own.items() if mine in forms}
        references = expected(there, [*same])
        mine = {target: found[own[target]] for target in same}
        wrong = compare_beyond(there, same, references, mine)
        note_mistakes(judge, there, wrong_entries(asked, there, same, references) | wrong, references, mine)
    name_who_errs(judge, several[0], forms, found)


def _compare_larger(
    here: Point, given: Mapping[str, Any], asked: Derivations, found: Mapping[Target, Findings]
) -> None:
    """Compare the formulas of larger shapes, which are derived anew."""
    larger = _larger(here, given)
    if larger is None:
        for findings in found.values() if variable(here, given) else ():
            findings.notes.append(SAME_SIZES)
        return
    own = wanted_of(larger)
    there, _ = forms_for_lengths(larger, own, given, asked, with_cases=False)
    mine = {new: found[old] for old, new in zip(found, own, strict=True)}
    _compare(larger, there, asked, mine)
    _again(larger, own, there, given, mine, asked=asked)


def _larger(here: Point, given: Mapping[str, Any]) -> Point | None:
    found = enlarged(here, given, here.settings.seed + LARGER)
    return found.explicit() if found is not None and here.is_explicit else found


def _again(
    here: Point,
    wanted: Sequence[Target],
    forms: Mapping[Target, Form],
    given: Mapping[str, Any],
    found: Mapping[Target, Findings],
    *,
    asked: Derivations,
) -> list[Point]:
    """Compare the same formulas at other points of the same size, and return these."""
    others = []
    for place in range(1, POINTS):
        other = another_point(here, given, here.settings.seed + SECOND * place)
        if other is None:
            for findings in found.values():
                findings.notes.append(ONE_POINT)
        else:
            others.append(other.explicit() if here.is_explicit else other)
            _compare_same(others[-1], wanted, forms, asked, found)
    return others
