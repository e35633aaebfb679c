"""Who errs where a formula is not what autograd says: judged by all that `eval` knows, as for a Function."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.formulas.closed import Form, Target
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.remarks import Judge, Judged
from gradcli.execution.formulas.verified import DIGITS, SINGLE, Findings, difference, value_of
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import TracedTensor
from gradcli.report.verdict import Verdict

AUTOGRAD = "autograd's gradient is not the derivative of the definition, which the formula is"
ROUNDED = f"{AUTOGRAD}: PyTorch rounds a constant to single precision"
BEYOND = "where entries are extreme, autograd's gradient is not the derivative of the definition, which the code is"


def name_who_errs(judge: Judge, here: Point, forms: Mapping[Target, Form], found: Mapping[Target, Findings]) -> None:
    """Note of first gradients that are not what autograd says that autograd's are not the derivatives, if so it is."""
    denied = [one for one in forms if found[one].checked().verdict is Verdict.MISMATCH and not one.product]
    judged = _judged(judge, here) if any(len(one.by) == 1 for one in denied) else {}
    for target in denied:
        value, own = value_of(here, target, forms[target].code), judged.get(target.by[0])
        if len(target.by) == 1 and value is not None and _is_derivative(own, target, value):
            is_rounded = max(found[target].errors) <= SINGLE
            found[target].notes.append(ROUNDED if is_rounded else AUTOGRAD)


def note_mistakes(
    judge: Judge,
    there: Point,
    wrong: Mapping[Target, Tensor],
    references: Mapping[Target, Tensor],
    found: Mapping[Target, Findings],
) -> None:
    """Note how far off code is at a point beyond usual values, unless it is the derivative, or there is none."""
    judged = _judged(judge, there) if wrong else {}
    for target, value in wrong.items():
        own = judged.get(target.by[0])
        if target.product or len(target.by) > 1:
            is_mistake = all(one.verdict.passes for one in judged.values())
        else:
            is_mistake = not ((own is not None and own.verdict is Verdict.UNDEFINED) or _is_close(own, target, value))
        if is_mistake:
            found[target].errors.append(difference(value.expand(target.shape), references[target]))
        elif own is not None and own.verdict is Verdict.MISMATCH:
            found[target].notes.append(BEYOND)


def _judged(judge: Judge, there: Point) -> Mapping[TracedTensor, Judged]:
    try:
        return judge(there)
    except (GradcliError, *REFUSALS):
        return {}


def _is_derivative(own: Judged | None, target: Target, value: Tensor) -> bool:
    return own is not None and own.verdict is Verdict.MISMATCH and _is_close(own, target, value)


def _is_close(own: Judged | None, target: Target, value: Tensor) -> bool:
    known = None if own is None else own.derivative
    return known is not None and difference(value.expand(target.shape), known) <= DIGITS
