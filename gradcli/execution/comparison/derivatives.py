"""The judgement on derivatives beyond a gradient: Jacobians, Jacobian-vector products and second derivatives.

A symbolic derivative that differs from PyTorch's is doubted before PyTorch's is: rounding noise is measured, and
one-sided difference quotients of the function that was differentiated say whether there is a kink. PyTorch's choice
between them is a subgradient. Where the quotients agree with the symbolic derivative, PyTorch's is wrong.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.autograd.local_call import STEP
from gradcli.execution.comparison.compare import compare
from gradcli.execution.comparison.overflow import Overflow
from gradcli.execution.comparison.second_sides import BETWEEN, Sides, compare_by_sides
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.finite import has_nan
from gradcli.execution.reference.kinks import SLACK
from gradcli.report.comparison import Comparison
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

# The verdicts that one-sided quotients may change.
OPEN = frozenset({Verdict.MISMATCH, Verdict.UNDEFINED})
# Quotients cost four evaluations a direction.
MOST_DIRECTIONS = 64
# Rounding leaves nothing of a derivative that is off by more than this part of it, and of what came from the output.
LOST = 1e-3
WITHIN_NOISE = noted(NoteKind.ROUNDING, "agrees within rounding: cancellation leaves few digits of this derivative")
AGREES = noted(NoteKind.WITNESS, "autograd agrees with the difference quotients of its gradient")
HINGES = noted(
    NoteKind.ROUNDING,
    "rounding decides what the derivative is here: it is different at PyTorch's own values of the tensors that the "
    "program makes",
)
UNKNOWN = noted(NoteKind.ROUNDING, "this derivative is too ill-conditioned here for double precision to decide")


@dataclass(frozen=True, slots=True)
class Doubts:
    """What rounding leaves open about a symbolic derivative."""

    rounding_error: Tensor
    """How far off PyTorch's may be, and agree with it."""
    condition_error: Tensor
    """Within what nothing is known."""
    admits: Callable[[Tensor], bool]
    """Returns whether a derivative is that with each op at PyTorch's own values, which decide what ties."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A symbolic derivative, and what to ask where it differs from PyTorch's.

    `value` is None if it is undecided, and `reason` says why. `kinked` names a tensor at whose kink a choice was
    made, `undefined` says what makes the point one without a derivative, and `jumps` that it is no more than a jump of
    one op. `noise` measures what rounding leaves open. `along` gives, for a flat place of the derivative, the function
    whose slope it is, of a shift, and the scale of that shift. `sides` are the derivatives to both sides of a point at
    which the program bends; `exists` says whether there is one there. `infinite` says what an infinite one is in truth,
    if it is none.
    """

    value: Tensor | None
    reason: str | None = None
    kinked: str | None = None
    undefined: Notes = ()
    jumps: bool = False
    noise: Callable[[], Doubts] | None = None
    along: Callable[[int], tuple[Callable[[float], float], float]] | None = None
    sides: Sides | None = None
    exists: bool = True
    infinite: Callable[[], Overflow | None] | None = None


def compare_derivative(found: Tensor, expected: Expected, tolerance: Tolerance) -> Comparison:
    """Return how PyTorch's derivative compares with the symbolic one."""
    if expected.value is None and has_nan(found):
        return compare(double(found), double(found), tolerance)
    if expected.value is None:
        undecided = Comparison.undecided(expected.reason)
        return undecided if expected.sides is None else _without_symbolic(double(found), expected, tolerance, undecided)
    comparison = _compared(double(found), expected, tolerance)
    if expected.undefined:
        return comparison.explained(Verdict.UNDEFINED, expected.undefined)
    if expected.sides is not None and comparison.notes != HINGES:
        sides = _granted(double(found), expected, expected.sides, tolerance)
        comparison = compare_by_sides(double(found), sides, comparison, exists=expected.exists)
    if comparison.verdict is Verdict.MATCH and expected.infinite is not None and bool(found.isinf().any()):
        truth = expected.infinite()
        comparison = comparison if truth is None else comparison.explained(truth.verdict, truth.notes)
    if comparison.verdict is Verdict.MATCH and expected.kinked is not None:
        return comparison.explained(Verdict.SUBGRADIENT, at_kink(expected.kinked))
    return comparison


def _granted(found: Tensor, expected: Expected, sides: Sides, tolerance: Tolerance) -> Sides:
    """Return the derivatives to both sides, with how far off rounding may have moved PyTorch's where it is outside.

    The quotients are of a program in double precision.
    """
    granted = tolerance.relative * sides.size + tolerance.absolute if tolerance.normwise else 0.0
    sides = dataclasses.replace(sides, granted=granted)
    if expected.noise is None or bool(sides.contain(found).all()):
        return sides
    return dataclasses.replace(sides, granted=granted + float(expected.noise().rounding_error.max()))


def _without_symbolic(found: Tensor, expected: Expected, tolerance: Tolerance, undecided: Comparison) -> Comparison:
    """Return what quotients of the gradient say where there is no symbolic derivative; they do not make it a pass.

    Nor a mismatch in a lower dtype, whose rounding is only known of a symbolic derivative.
    """
    assert expected.sides is not None  # noqa: S101 (the caller looked)
    if expected.undefined:
        return undecided.explained(Verdict.UNDEFINED, expected.undefined)
    said = compare_by_sides(found, expected.sides, undecided, exists=expected.exists)
    if said.verdict is Verdict.MISMATCH and tolerance.normwise:
        return undecided
    told = said.verdict is Verdict.UNDECIDED and expected.sides.clear and expected.sides.agree
    return dataclasses.replace(said, notes=(*said.notes, *AGREES)) if told else said


def at_kink(where: str) -> Notes:
    """Return what there is to say of a choice at a kink."""
    words = f"at a kink of '{where}' autograd's choice lies between the one-sided derivatives"
    return noted(NoteKind.KINK, words, where)


def _compared(found: Tensor, expected: Expected, tolerance: Tolerance) -> Comparison:
    assert expected.value is not None  # noqa: S101 (the caller looked)
    comparison = compare(found, expected.value, tolerance)
    if comparison.verdict is Verdict.MISMATCH and expected.noise is not None:
        doubts = expected.noise()
        again = compare(found, expected.value, tolerance, doubts.rounding_error)
        if again.verdict is Verdict.MATCH:
            lost = not tolerance.normwise and is_lost(again, found, expected.value, torch.ones(1))
            verdict, notes = (Verdict.UNDECIDED, UNKNOWN) if lost else (Verdict.MATCH, WITHIN_NOISE)
            return dataclasses.replace(again, verdict=verdict, notes=notes)
        if compare(found, expected.value, tolerance, doubts.condition_error).verdict is Verdict.MATCH:
            return dataclasses.replace(again, verdict=Verdict.UNDECIDED, notes=UNKNOWN)
        if doubts.admits(found):
            comparison = dataclasses.replace(comparison, verdict=Verdict.UNDECIDED, notes=HINGES)
    if (comparison.verdict in OPEN or comparison.notes == HINGES) and expected.along is not None:
        return _at_kinks(found, expected, tolerance, comparison)
    return comparison


def is_lost(comparison: Comparison, *tensors: Tensor) -> bool:
    """Return whether two derivatives that rounding parts have nothing in common, beside the largest of some tensors."""
    largest = max(float(tensor.abs().max()) for tensor in tensors if tensor.numel())
    return (comparison.max_abs_error or 0.0) > LOST * largest


def _at_kinks(found: Tensor, expected: Expected, tolerance: Tolerance, comparison: Comparison) -> Comparison:
    """Return the comparison with PyTorch's choice in the place of the symbolic derivative where that has a kink."""
    value = expected.value
    assert value is not None  # noqa: S101 (as above)
    assert expected.along is not None  # noqa: S101 (as above)
    places = _differing(found, value, tolerance)
    if len(places) > MOST_DIRECTIONS:
        return comparison
    adopted, sided = value.clone().reshape(-1), False
    for place in places:
        below, above = _sides(*expected.along(place))
        ours, theirs = float(adopted[place]), float(found.reshape(-1)[place])
        slack = SLACK * max(1.0, abs(below), abs(above))
        is_kink = abs(above - below) > slack
        if (is_kink or not abs(ours - below) <= slack) and min(below, above) - slack <= theirs <= max(
            below, above
        ) + slack:
            adopted[place] = theirs
            sided = sided or is_kink
    again = compare(found, adopted.reshape(value.shape), tolerance)
    if again.verdict is Verdict.MATCH and sided:
        return again.explained(Verdict.SUBGRADIENT, BETWEEN)
    return comparison if comparison.verdict is Verdict.UNDECIDED else again


def _differing(found: Tensor, value: Tensor, tolerance: Tolerance) -> list[int]:
    differs = ~tolerance.agrees(found, value) & found.isfinite()
    return [int(place) for place in torch.nonzero(differs.reshape(-1))]


def _sides(at: Callable[[float], float], scale: float) -> tuple[float, float]:
    """Return the slopes of a function to both sides of 0; NaN where PyTorch refuses to go."""
    middle = at(0.0)

    def quotient(shift: float) -> float:
        return (at(shift) - middle) / shift

    sides = []
    for step in (-STEP * scale, STEP * scale):
        try:
            sides.append(2 * quotient(step / 2) - quotient(step))
        except RuntimeError:
            sides.append(math.nan)
    return sides[0], sides[1]
