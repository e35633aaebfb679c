"""What backward's gradients are at another point: right, wrong, or not to be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.comparison.causes import Clues
from gradcli.execution.comparison.compare import compare
from gradcli.execution.custom.checks.findings import Findings
from gradcli.execution.custom.limits import with_limits
from gradcli.execution.custom.numerical import by_all, by_differences
from gradcli.execution.custom.reference import SUBJECT, WHO, noise_of
from gradcli.execution.custom.rounding import (
    CEILING,
    LARGEST,
    is_rounding,
    is_steady,
    rounding_error,
    rounding_of_gradients,
)
from gradcli.execution.forward.indices import show_index, unravel
from gradcli.execution.targets.function.sampling import is_finite, spread
from gradcli.execution.targets.function.subject import Values
from gradcli.execution.targets.function.trial import Applied, Trial, apply, pulled_back
from gradcli.report.notes import NoteKind, Notes, led, noted
from gradcli.report.verdict import Verdict
from gradcli.tolerance import CLOSENESS, SMALLEST, Tolerance

CLUES = Clues(WHO, SUBJECT)
DENIED = frozenset({Verdict.MISMATCH, Verdict.UNDEFINED})
NOT_FINITE = "forward is not finite there"
ILL_CONDITIONED = "forward loses most of its digits there"
# How many times as large a relative change may become, and how many times as steep as usual a function may be.
LARGEST_CONDITION, STEEPEST = 1e4, 1e6
ROUNDED = "rounding is all that backward is off by there"
NOT_TOLD = "finite differences cannot tell there"
DIFFERS = noted(NoteKind.ENTRY, "it differs")
TOGETHER = "each may be a choice at a kink, and together they are none"
# An upstream gradient, and backward's gradients for it.
Pair = tuple[Tensor, Mapping[str, Tensor | None]]


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares backward with autograd of the reference; `scales` is how large each input's gradient usually is."""

    trial: Trial
    tolerance: Tolerance
    scales: Mapping[str, float]

    @staticmethod
    def of(trial: Trial) -> Judge:
        """Return the judge of a trial."""
        return Judge(trial, trial.tolerance, {name: trial.scale(name) for name in trial.wanted})

    def notes(
        self, applied: Applied, point: Values, where: str, cotangent: Tensor | None = None, used: int | None = None
    ) -> list[Notes]:
        """Return which gradients are wrong, and what backward raises there.

        Values may lie at a kink by chance: what finite differences of forward allow is another choice, and not wrong.
        """
        try:
            pairs = self._pairs(applied, cotangent, used)
        except ExecutionError as error:
            return [noted(NoteKind.ERROR, f"{where}, {error.message}", where)]
        for v, given in pairs:
            differing = self._differing(given, point, v, used)
            wrong = [item for item in differing if self._is_denied(point, item[0], v, item[1], item[2])]
            if wrong:
                return [_wrong(where, name, notes) for name, _, _, notes in wrong]
        return []

    def _pairs(self, applied: Applied, cotangent: Tensor | None = None, used: int | None = None) -> list[Pair]:
        """Return an upstream gradient with backward's gradients for it, and for its negative if they are not theirs.

        A backward may look at the sign of what arrives, and pass on what moves its input one way alone.
        """
        v = spread(applied.output, 0.5, 1.5) if cotangent is None else cotangent
        given = applied.gradients(v, used=used)
        if cotangent is not None:
            return [(v, given)]
        negative = applied.gradients(-v)
        return (
            [(v, given)] if all(map(_are_opposite, given.values(), negative.values())) else [(v, given), (-v, negative)]
        )

    def _is_denied(self, point: Values, name: str, v: Tensor, gradient: Tensor, right: Tensor) -> bool:
        """Return whether finite differences deny a gradient, or cannot tell and do not deny autograd's."""
        verdict = self._by_differences(point, name, v, gradient)
        if verdict.passes or verdict in DENIED:
            return not verdict.passes
        return self._by_differences(point, name, v, right).passes

    def _differing(
        self, given: Mapping[str, Tensor | None], point: Values, v: Tensor, used: int | None = None
    ) -> list[tuple[str, Tensor, Tensor, Notes]]:
        """Return the inputs whose gradients differ beyond rounding: backward's, autograd's, and how."""
        recording = self.trial.recorded(point)
        right = with_limits(recording, v, pulled_back(recording, v))
        noise = {name: max(self.scales.get(name, 0.0), _size(value)) for name, value in right.items()}
        noise = {name: noise_of(self.trial, scale, self.tolerance) for name, scale in noise.items()}
        differing = self._beyond(given, right, noise)
        if not differing:
            return differing
        errors = self._rounding(right, point, v, used)
        return self._beyond(given, right, {name: noise[name] + errors[name] for name in right})

    def _rounding(self, right: Mapping[str, Tensor], point: Values, v: Tensor, used: int | None) -> dict[str, float]:
        """Return how far rounding may move each gradient there, of terms that cancel.

        Beside a kink the last places of a point decide: so much tells nothing of rounding in double precision, and no
        more of it counts than a small part of the largest gradient of all inputs.
        """
        if self.tolerance.normwise:
            return rounding_error(lambda near: self.trial.right(v, near), point)
        most = CEILING * max(map(_size, right.values()))
        errors = rounding_of_gradients(self.trial, v, point, used) if most else dict.fromkeys(right, 0.0)
        kinked = {name: error > LARGEST * _size(right[name]) for name, error in errors.items()}
        return {name: min(error, most) if kinked[name] else error for name, error in errors.items()}

    def _beyond(
        self, given: Mapping[str, Tensor | None], right: Mapping[str, Tensor], noise: Mapping[str, float]
    ) -> list[tuple[str, Tensor, Tensor, Notes]]:
        differing = []
        for name, value in right.items():
            found = given.get(name)
            found = torch.zeros_like(value) if found is None else found.detach()
            comparison = compare(found, value, self.tolerance, noise[name], CLUES)
            if _is_lost(found, value):
                differing.append((name, found, value, _lost(found, value)))
            elif comparison.verdict is Verdict.MISMATCH:
                differing.append((name, found, value, comparison.notes or DIFFERS))
        return differing

    def look(self, findings: Findings, label: str, point: Values) -> bool:
        """Look at a point, and note what is wrong there; False if forward refuses it or is not finite.

        Here may be a kink, or cancellation: what differs from autograd is wrong only where finite differences of
        forward deny it, and not autograd.
        """
        applied = _applied(self.trial, point)
        if applied is not None:
            self._confirm(findings, label, applied, point)
        return applied is not None

    def _confirm(self, findings: Findings, label: str, applied: Applied, point: Values) -> None:
        where = f"for {label}"
        try:
            pairs = self._pairs(applied)
        except ExecutionError as error:
            if self.has_lost_its_digits(point, applied):
                findings.miss(label, ILL_CONDITIONED)
            else:
                findings.wrong.append(noted(NoteKind.ERROR, f"{where}, {error.message}", where))
            return
        for v, given in pairs:
            if not self._is_settled(findings, label, applied, point, (v, given)):
                return

    def _is_settled(self, findings: Findings, label: str, applied: Applied, point: Values, pair: Pair) -> bool:
        """Look at the gradients for one upstream gradient, and note what is wrong; return whether nothing is."""
        (v, given), where = pair, f"for {label}"
        differing = self._differing(given, point, v)
        for name, gradient, value, notes in differing:
            if self._is_ill_conditioned(name, value, point, v * applied.output.detach()):
                findings.miss(label, ILL_CONDITIONED)
                return False
            verdict = self._by_differences(point, name, v, gradient)
            if verdict.passes:
                continue
            if is_rounding(self.trial, name, v, point):
                findings.miss(label, ROUNDED)
                return False
            if verdict in DENIED and self._is_other(point, name, v, (gradient, value)):
                findings.wrong.append(_wrong(where, name, notes))
            else:
                findings.miss(label, NOT_TOLD)
            return False
        if differing and len(self.trial.wanted) > 1 and self._are_none_together(point, v, given):
            names = " and ".join(f"'{name}'" for name, *_ in differing)
            words = f"{where}, the gradient of {names} is wrong: {TOGETHER}"
            findings.wrong.append(noted(NoteKind.ENTRY, words, where))
            return False
        return True

    def _is_other(self, point: Values, name: str, v: Tensor, pair: tuple[Tensor, Tensor]) -> bool:
        """Return whether finite differences confirm autograd's gradient, which differs from one that they deny.

        Where that one is NaN, there only has to be a derivative: autograd's may be off by rounding, or be NaN too.
        """
        gradient, right = pair
        if bool((self.trial.right(v, point)[name].isnan() & ~right.isnan()).any()):
            # Known by what forward computes nearer and nearer to the point: the derivative, if all entries have one.
            return bool(right.isfinite().all())
        verdict = self._by_differences(point, name, v, right)
        if not _is_lost(gradient, right):
            return verdict.passes
        return (verdict.passes or verdict is Verdict.MISMATCH) and is_steady(self.trial, point)

    def has_lost_its_digits(self, point: Values, applied: Applied) -> bool:
        """Return whether forward loses most digits for a change of one of the inputs."""
        v = spread(applied.output, 0.5, 1.5)
        output, right = v * applied.output.detach(), self.trial.right(v, point)
        return any(self._is_ill_conditioned(name, value, point, output) for name, value in right.items())

    def _is_ill_conditioned(self, name: str, value: Tensor, point: Values, output: Tensor) -> bool:
        """Return whether forward loses most digits there, and is far steeper than it usually is.

        Such as an iteration that does not converge: backward may be of what it would converge to.
        """
        steep = _size(value)
        relative = steep * _size(point[name]) > LARGEST_CONDITION * max(_size(output), SMALLEST)
        return relative and steep > STEEPEST * max(self.scales.get(name, 0.0), SMALLEST)

    def _are_none_together(self, point: Values, v: Tensor, given: Mapping[str, Tensor | None]) -> bool:
        """Return whether finite differences deny backward's gradients together, and not autograd's."""
        if by_all(self.trial, point, v, given) not in DENIED:
            return False
        return by_all(self.trial, point, v, self.trial.right(v, point)).passes

    def _by_differences(self, point: Values, name: str, cotangent: Tensor, gradient: Tensor) -> Verdict:
        return by_differences(self.trial, point, name, cotangent, gradient)


def _is_lost(found: Tensor, value: Tensor) -> bool:
    """Return whether a gradient is NaN where the right one is not."""
    return found.shape == value.shape and bool((found.isnan() & ~value.isnan()).any())


def _lost(found: Tensor, value: Tensor) -> Notes:
    """Return where a gradient is NaN first, and what is right there."""
    index = unravel(int((found.isnan() & ~value.isnan()).flatten().nonzero()[0]), tuple(value.shape))
    words = f"the gradient is NaN{show_index(index)}, where the derivative is {value[index].item():.6g}"
    return noted(NoteKind.ENTRY, words, index)


def _are_opposite(one: Tensor | None, other: Tensor | None) -> bool:
    """Return whether a gradient is minus another, but for rounding; where it is not finite, it need not be."""
    if one is None or other is None:
        return one is other
    difference = (one + other).abs()
    return bool((difference[difference.isfinite()] <= CLOSENESS * _size(one)).all())


def _wrong(where: str, name: str, notes: Notes) -> Notes:
    return led(f"{where}, the gradient of '{name}' is wrong: ", notes)


def _applied(trial: Trial, point: Values) -> Applied | None:
    """Return a Function applied at a point; None if forward refuses it or is not finite."""
    try:
        applied = apply(trial.subject, point)
    except ExecutionError:
        return None
    return applied if is_finite([*point.values(), *applied.outputs]) else None


def _size(value: Tensor) -> float:
    value = value.detach()
    finite = value[value.isfinite()].abs()
    return float(finite.max()) if finite.numel() else 0.0
