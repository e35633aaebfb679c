"""Whether backward is linear in grad_output, and if it is not, which law it breaks, as far as several of them tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from gradcli.execution.custom.checks.contract import RANDOM, is_random, near, or_zero
from gradcli.execution.custom.rounding import rounding_of_gradients
from gradcli.execution.targets.function.trial import Applied, Trial
from gradcli.report.custom import Check
from gradcli.report.notes import Note, NoteKind
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

NAME = "linear in grad_output"
# The precision that a backward may fall back to on the way.
LOWER = Tolerance.of("float32")
# How many gradients are added up, each with its rounding.
ADDED = 4


@dataclass(frozen=True, slots=True)
class Laws:
    """An input's gradients for two upstream gradients g and h, for their sum and for their multiples."""

    gradients: Mapping[str, Tensor]
    tolerance: Tolerance
    size: float
    noise: float

    def same(self, one: Tensor, other: Tensor) -> bool:
        """Return whether two gradients are the same but for rounding."""
        return near(one, other, self.tolerance, self.size, self.noise)

    @property
    def hold(self) -> bool:
        """Return whether the gradient of a sum is the sum, and that of twice an upstream gradient is twice as large."""
        g, h, both, double = (self.gradients[which] for which in ("g", "h", "g + h", "2g"))
        return self.same(both, g + h) and self.same(double, 2 * g)

    @property
    def broken(self) -> str:
        """Return in words how they are broken."""
        g, h, both, double = (self.gradients[which] for which in ("g", "h", "g + h", "2g"))
        zero = self.gradients["0g"]
        if self._is_ignored():
            return "does not change with grad_output: backward ignores it"
        if near(both, g + h, LOWER, self.size) and near(double, 2 * g, LOWER, self.size):
            return f"is linear in grad_output only to {self._error():.1g} of its size, as in a lower precision"
        prefix = "is not linear in grad_output: "
        if not self.same(zero, 0 * zero) and self.same(both, g + h - zero) and self.same(double, 2 * g - zero):
            return f"{prefix}a part of it ignores it, and is there for a grad_output of zeros"
        power = self._power()
        if power is None:
            doubled = self.same(double, 2 * g)
            return prefix + ("that for a sum is not the sum" if doubled else "that for 2 * grad_output is not twice it")
        if power == 0:
            return f"{prefix}it does not change with the size of grad_output, only with its direction"
        if power != 1:
            return f"{prefix}it grows as the power {power:g} of it"
        odd = self.same(self.gradients["-g"], -g)
        return prefix + ("that for a sum is not the sum" if odd else "that for -grad_output is not minus it")

    def _is_ignored(self) -> bool:
        """Return whether no change of the upstream gradient changes the gradient, which is more than rounding."""
        g = self.gradients["g"]
        return not self.same(g, 0 * g) and all(self.same(other, g) for other in self.gradients.values())

    def _error(self) -> float:
        g, h, both = (self.gradients[which] for which in ("g", "h", "g + h"))
        error = (both - g - h).abs()
        return float(error[error.isfinite()].max()) / max(self.size, float(both[both.isfinite()].abs().max()))

    def _power(self) -> float | None:
        """Return the power with which the gradient grows, if it is the same one for both upstream gradients."""
        pairs = [(self.gradients[one], self.gradients[double]) for one, double in (("g", "2g"), ("h", "2h"))]
        if any(self.same(one, 0 * one) for one, _ in pairs) or not all(_all_finite(pair) for pair in pairs):
            return None
        one, double = pairs[0]
        ratio = float((one.conj() * double).sum().real / (one.abs() ** 2).sum())
        if ratio <= 0 or not all(self.same(more, ratio * less) for less, more in pairs):
            return None
        return round(math.log2(ratio), 6)


def _all_finite(tensors: tuple[Tensor, ...]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def is_linear(trial: Trial) -> Check:
    """Check that backward is linear in grad_output: twice the gradient for twice of it, the sum for a sum."""
    applied = trial.apply()
    if is_random(applied, trial.probe):
        return Check(NAME, Verdict.UNDECIDED, RANDOM)
    found = _tried(trial, applied)
    suspects = [label for label in trial.wanted if not _laws(trial, found, label).hold]
    noise = rounding_of_gradients(trial, trial.probe) if suspects else {}
    laws = {label: _laws(trial, found, label, ADDED * noise[label]) for label in suspects}
    notes = [
        Note(NoteKind.CONTRACT, f"the gradient of '{label}' {law.broken}", label)
        for label, law in laws.items()
        if not law.hold
    ]
    return Check(NAME, Verdict.MISMATCH if notes else Verdict.MATCH, tuple(notes))


def _tried(trial: Trial, applied: Applied) -> dict[str, Mapping[str, Tensor | None]]:
    """Return the gradients for two upstream gradients, their sum and multiples of each."""
    g, h = trial.probe, _rolled(trial.probe)
    upstream = {"g": g, "h": h, "g + h": g + h, "2g": 2 * g, "2h": 2 * h, "-g": -g, "0g": 0 * g}
    return {which: applied.gradients(value) for which, value in upstream.items()}


def _laws(trial: Trial, found: Mapping[str, Mapping[str, Tensor | None]], label: str, noise: float = 0.0) -> Laws:
    gradients = {which: or_zero(values[label], trial.point[label]) for which, values in found.items()}
    return Laws(gradients, trial.tolerance, trial.scale(label), noise)


def _rolled(tensor: Tensor) -> Tensor:
    """Return a tensor like another, of other entries; a multiple where there is one entry."""
    flat = tensor.reshape(-1)
    return (flat.roll(1) * 1.25 - 0.5).reshape(tensor.shape)
