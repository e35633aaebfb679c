"""The formulas of all derivatives as code for each library, and as markup; code that autograd denies is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from gradcli.derivation.notation.backends import BACKENDS
from gradcli.derivation.notation.mathml import mathml
from gradcli.derivation.notation.typst import typst
from gradcli.errors import NotSupportedError
from gradcli.execution.formulas.closed import Form, Target, given_upstream
from gradcli.execution.formulas.executed import executed, is_there
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.verified import (
    RUN,
    SIGNS,
    arguments,
    code_at,
    difference,
    expected,
    fitted,
    has_other_signs,
)
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.report.derivation import Derivation
from gradcli.tolerance import CLOSENESS

DENIED = "there is no code for {}: what it returns is not what autograd says"


def codes_of(
    here: Point, wanted: Sequence[Target], forms: Mapping[Target, Form]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the code of all derivatives for each library, and why there is none for those whose code autograd denies.

    There is none at all if a derivative has no formula.
    """
    if any(target not in forms for target in wanted):
        return {}, {}
    asked = [fitted(here, target, forms[target].code) for target in wanted]
    held = given_upstream(here)
    found = {}
    for to in BACKENDS:
        with suppress(NotSupportedError):
            found[to] = code_at(here, to, asked, moving=wanted[0].is_moving, held=held)
    denied = {to: DENIED.format(to) for to, code in found.items() if is_denied(here, to, code, wanted)}
    denied |= {to: SIGNS.format(to) for to in BACKENDS if has_other_signs(here, to)}
    return {to: code for to, code in found.items() if to not in denied}, denied


def is_denied(point: Point, to: str, code: str, wanted: Sequence[Target]) -> bool:
    """Tell whether the code of all derivatives together, run, is not what autograd says; JAX's is run as NumPy's."""
    if to not in RUN or not is_there(to):
        return False
    references = expected(point, wanted)
    if not all(bool(reference.isfinite().all()) for reference in references.values()):
        return False
    held = given_upstream(point)
    taken = {name: one for name, one in arguments(point, moving=wanted[0].is_moving).items() if name not in held}
    try:
        values = executed(code, to, taken)
    except REFUSALS:
        return True
    return any(difference(value, references[one]) > CLOSENESS for value, one in zip(values, wanted, strict=True))


def check_code(to: str, known: Mapping[str, str], wanted: Sequence[Target], forms: Mapping[Target, Form]) -> None:
    """Refuse code for a library that lacks one of the functions in it; `known` are those that have them all."""
    if to in BACKENDS and to not in known and all(target in forms for target in wanted):
        raise NotSupportedError(
            f"there is no code for {to}: it lacks a function of the formula", hint="`--to torch` has all of them"
        )


def markup(derivation: Derivation) -> str:
    """Return the equations in Typst or in MathML, a line each."""
    start, end = ("<!-- ", " -->") if derivation.to == "mathml" else ("// ", "")
    lines = []
    for one in derivation.derivatives:
        text = derivation.equation(one)
        written = mathml(text) if derivation.to == "mathml" else f"$ {typst(text)} $"
        lines.append(written if one.latex else f"{start}no formula for {one.wrt}: {one.reason}{end}")
    return "\n".join(lines)
