"""A derivation checked before it is shown: its code is run at random points, and compared with autograd."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.notation.code import Wanted, source
from gradcli.derivation.notation.decimals import typed_in
from gradcli.derivation.notation.parsed import parsed
from gradcli.errors import NotSupportedError, first_line
from gradcli.execution.formulas.closed import (
    NONE_READ,
    Form,
    Target,
    tangent_names,
    targets,
    upstream_name,
)
from gradcli.execution.formulas.executed import executed, is_there
from gradcli.execution.formulas.expected import expected
from gradcli.execution.formulas.points import Point, in_single_precision
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import traced_in
from gradcli.report.derivation import Checked
from gradcli.report.verdict import Verdict
from gradcli.tolerance import CLOSENESS

# What may be rounding of 0, and by how much it is larger in single precision then.
TINY, RATIO = 1e-11, 1e4
NOISE = "it is zero, within rounding"
OTHER_SHAPE = "the formula has another shape than the derivative"
# The libraries whose code is run.
RUN = ("torch", "numpy")
# How far off code may be where entries are extreme.
DIGITS = 1e-6
# How far off autograd's own is where it rounds a constant to single precision.
SINGLE = float(torch.finfo(torch.float32).eps)


@dataclass(slots=True)
class Findings:
    """What the comparisons of one derivative came to."""

    errors: list[float] = field(default_factory=list)
    """The largest difference at each point, relative to the largest entry."""
    shapes: list[dict[str, tuple[int, ...]]] = field(default_factory=list)
    ran: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """What was raised by the code for a library."""

    def checked(self) -> Checked:
        """Return them as they are reported."""
        verdict = Verdict.UNDECIDED if self.failed else Verdict.UNVERIFIED
        if not self.failed and self.errors:
            verdict = Verdict.MATCH if all(error <= CLOSENESS for error in self.errors) else Verdict.MISMATCH
        shapes = tuple(shape for place, shape in enumerate(self.shapes) if shape not in self.shapes[:place])
        largest = max(self.errors, default=None)
        failures = [f"the code for {to} failed: {reason}" for to, reason in self.failed.items()]
        note = "; ".join(dict.fromkeys([*self.notes, *failures])) or None
        return Checked(verdict, len(self.shapes), shapes, largest, tuple(self.ran), note)


def arguments(point: Point, *, moving: bool = False) -> dict[str, Tensor]:
    """Return what a derivation's code takes: the leaves, then the upstream gradient where there is one, then tangents.

    There are tangents if something is `moving`: of a product with them.
    """
    values = {leaf.name or leaf.text: leaf.tensor.detach() for leaf in point.trace.leaves}
    name = upstream_name(point)
    # A Jacobian, and what it is multiplied with from the right, are of the output's entries.
    upstream = {} if name is None or point.settings.product in NONE_READ else {name: point.cotangent}
    names = tangent_names(point) if moving else {}
    return {**values, **upstream, **{names[traced]: value for traced, value in point.tangents().items() if names}}


def shapes_of(point: Point, *, moving: bool = False) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what a derivation's code takes."""
    return {name: tuple(value.shape) for name, value in arguments(point, moving=moving).items()}


# Formulas name the vectors, and what is read of them need not be the same for both signs.
SIGNS = "there is no code for {}: it may choose other signs of the vectors than PyTorch"


def has_other_signs(point: Point, to: str) -> bool:
    """Tell whether a program reads vectors whose signs a library may choose otherwise than PyTorch does."""
    read = {point.output, *(traced for call in point.trace.calls for traced in call.inputs)}
    signed = {
        output
        for call in point.trace.calls
        for place, output in enumerate(traced_in(call.result))
        if place in call.op.signs
    }
    return to != "torch" and not signed.isdisjoint(read)


def code_at(
    point: Point,
    to: str,
    wanted: Sequence[Wanted],
    *,
    moving: bool = False,
    held: Mapping[str, Sequence[Any]] | None = None,
) -> str:
    """Return the source of what is wanted at a point, for a library; NotSupportedError where it lacks a function."""
    if has_other_signs(point, to):
        raise NotSupportedError(SIGNS.format(to))
    given = arguments(point, moving=moving)
    integers = frozenset(name for name, value in given.items() if not (value.is_floating_point() or value.is_complex()))
    shapes = {name: tuple(value.shape) for name, value in given.items()}
    typed, sizes = typed_in(point.program.source), point.settings.sizes
    return source(to, shapes, wanted, sizes=sizes, held=held, integers=integers, typed=typed)


def difference(value: Tensor, reference: Tensor) -> float:
    """Return the largest difference relative to the largest entry of the reference; NaN for another shape."""
    if value.shape != reference.shape:
        return math.nan
    if not reference.numel():
        return 0.0
    largest = float(reference.abs().max())
    apart = float((value - reference).abs().max())
    return apart / largest if largest else apart


def is_noise(point: Point, target: Target, value: Tensor) -> bool:
    """Tell whether a derivative is nothing but rounding: in single precision it is larger, as rounding is."""
    largest = float(value.abs().max()) if value.numel() else 0.0
    if not 0 < largest < TINY:
        return False
    there = in_single_precision(point)
    place = [one.label for one in targets(point, len(target.by), target.product)].index(target.label)
    again = targets(there, len(target.by), target.product)[place]
    try:
        found = expected(there, [again])[again]
    except REFUSALS:  # PyTorch cannot differentiate it in single precision
        return False
    return float(found.abs().max()) > RATIO * largest


def value_of(point: Point, target: Target, formula: str) -> Tensor | None:
    """Return what a formula comes to at a point, in its own shape; None if it cannot be run."""
    wanted, moving = target.wanted(formula, point.settings.sizes, exact=True), target.is_moving
    try:
        code = code_at(point, "torch", [wanted], moving=moving)
        return executed(code, "torch", arguments(point, moving=moving))[0].detach()
    except (NotSupportedError, *REFUSALS):
        return None


def fitted(point: Point, target: Target, formula: str) -> Wanted:
    """Return what code is asked for: whether the formula has the gradient's very shape is seen by running it."""
    value = value_of(point, target, formula)
    is_exact = value is not None and tuple(value.shape) == target.shape
    return target.wanted(formula, point.settings.sizes, exact=is_exact)


def _is_in_shape(point: Point, target: Target, formula: str) -> bool:
    """Tell whether a formula has the derivative's shape, or is a number, which stands for every entry."""
    value = value_of(point, target, formula) if parsed(formula).indices is None else None
    return value is None or not value.ndim or tuple(value.shape) == target.shape


def compare(
    point: Point, forms: Mapping[Target, Form], references: Mapping[Target, Tensor], found: Mapping[Target, Findings]
) -> None:
    """Run the code of each derivative at a point, and note how far it is from autograd's."""
    for target, formula in forms.items():
        found[target].shapes.append(point.shapes)
        for text in formula.texts:
            if text != formula.text or not _leaves_out(point, target, formula):
                _compare(point, target, text, references[target], found[target])
        if not _is_in_shape(point, target, formula.text):
            found[target].errors.append(math.inf)
            found[target].notes.append(OTHER_SHAPE)


def _leaves_out(point: Point, target: Target, form: Form) -> bool:
    """Tell whether a point is in a case that a formula leaves out, as is said, and its code has: digits of them differ.

    Then the code is what is compared there.
    """
    if not form.cases or form.code == form.text:
        return False
    shown, coded = (value_of(point, target, text) for text in (form.text, form.code))
    if shown is None or coded is None:
        return False
    return CLOSENESS < difference(*torch.broadcast_tensors(shown, coded)) <= DIGITS


def compare_beyond(
    point: Point, forms: Mapping[Target, Form], references: Mapping[Target, Tensor], found: Mapping[Target, Findings]
) -> dict[Target, Tensor]:
    """Run the code at a point beyond a constant of the program's ops; return what is not what autograd says there.

    There are fewer digits far from usual values.
    """
    wrong: dict[Target, Tensor] = {}
    for target, form in forms.items():
        found[target].shapes.append(point.shapes)
        if form.cases and form.code == form.text:  # which is said
            continue
        value = value_of(point, target, form.code)
        if value is not None and not difference(value.expand(target.shape), references[target]) <= DIGITS:
            wrong[target] = value
    return wrong


def _compare(point: Point, target: Target, text: str, reference: Tensor, found: Findings) -> None:
    for to in RUN:
        if not is_there(to):
            found.notes.append(f"{to} is not installed, so that its code was not run")
            continue
        try:
            code = code_at(point, to, [fitted(point, target, text)], moving=target.is_moving)
        except NotSupportedError as error:
            found.notes.append(error.message)
            continue
        try:
            (value,) = executed(code, to, arguments(point, moving=target.is_moving))
        except REFUSALS as error:
            found.failed[to] = first_line(error)
            continue
        note_value(point, target, value, reference, found=found, to=to)


def note_value(point: Point, target: Target, value: Tensor, reference: Tensor, *, found: Findings, to: str) -> None:
    """Note how far what a language's text comes to is from autograd's derivative."""
    apart = difference(value.detach(), reference.detach())
    if apart > CLOSENESS and is_noise(point, target, reference):
        apart = float((value - reference).abs().max())
        found.notes.append(NOISE)
    found.errors.append(apart)
    found.ran[to] = None


def trusted(point: Point, forms: Mapping[Target, Form]) -> dict[Target, Form]:
    """Return forms whose simplified texts say at a point what the texts say that they were made from."""
    return {
        target: form if _says_the_same(point, target, form) else unsimplified(form) for target, form in forms.items()
    }


def unsimplified(form: Form) -> Form:
    """Return a form with the text that it was made from."""
    return replace(form, text=form.raw, code=form.raw, rewritten=(), exception=None)


def _says_the_same(point: Point, target: Target, form: Form) -> bool:
    moving = target.is_moving
    given = arguments(point, moving=moving)
    try:
        values = [
            executed(code_at(point, "torch", [fitted(point, target, text)], moving=moving), "torch", given)[0]
            for text in dict.fromkeys([form.raw, form.text, form.code])
        ]
    except (NotSupportedError, *REFUSALS):
        return False
    if all(difference(value, values[0]) <= CLOSENESS for value in values):
        return True
    return is_noise(point, target, values[0]) and all(
        float((value - values[0]).abs().max()) <= CLOSENESS for value in values
    )


def new_findings(several: Iterable[Target]) -> dict[Target, Findings]:
    """Return nothing found yet, for each derivative."""
    return {target: Findings() for target in several}
