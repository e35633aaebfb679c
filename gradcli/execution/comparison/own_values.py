"""The derivatives with each op at the values that PyTorch found for its operands: what rounding decides at ties.

The reference has each op at the definitions' values, which are the same but for rounding. Where a tie is hidden by it,
PyTorch's gradient is that at PyTorch's own values, beside what rounding on the way back makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Generic

from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.execution.comparison.compare import compare
from gradcli.execution.comparison.rounding import Key, Lower, Noise, Point, at_own, scattered, scattered_by
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.reference.adjoints import UndecidedError
from gradcli.execution.reference.decomposition import Decomposition, decompose
from gradcli.execution.reference.inner_gradient import differentiating
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance


@dataclass(frozen=True)
class OwnValues(Generic[Key]):
    """Derivatives at PyTorch's own values, found `again` by other definitions of a trace; without slots, to keep them.

    `scale` is the size of the largest contribution to them, and `lower` the dtype where it is not double precision.
    """

    trace: Trace
    derivations: Derivations
    again: Callable[[Decomposition], Mapping[Key, Tensor]]
    tolerance: Tolerance
    lower: Lower | None
    scale: Callable[[], float]
    reference: Mapping[Key, Tensor] | None = None
    """The derivatives at the definitions' values, of whatever may tell that rounding decides something."""
    measured: list[Noise[Key]] = field(default_factory=list)
    """How far rounding moves some of them, the last to be asked for."""

    @cached_property
    def values(self) -> Mapping[Key, Tensor]:
        """Return the derivatives; none where PyTorch's values tie and the definitions' do not."""
        decomposition = decompose(self.trace, inner=differentiating(self.derivations), own=True)
        self.derivations.request(decomposition.requests())
        try:
            return self.again(decomposition)
        except UndecidedError:
            return {}

    @cached_property
    def _hinges(self) -> bool:
        """Return whether rounding decides anything, as far as is known."""
        known = self.reference
        return known is None or any(
            not self._is_as(own, known[key]) for key, own in self.values.items() if key in known
        )

    def _noise(self, key: Key, wanted: Iterable[Key]) -> Tensor:
        """Return how far rounding inside of each definition may move a derivative; it is measured with all `wanted`.

        Each algorithm has its own rounding, of the size of the largest contribution, which a definition may not have
        where contributions cancel.
        """
        if not self.measured or key not in self.measured[-1].values:
            known = {other: self.values[other] for other in (key, *wanted) if other in self.values}
            measure = scattered if self.lower is None else partial(scattered_by, self.lower)
            scale, again = self.scale(), self.again
            self.measured.append(measure(self.trace, self.derivations, known, again, scale=scale, perturbed=at_own))
        allowed = self.tolerance.relative if self.tolerance.normwise else self.tolerance.absolute
        return self.measured[-1].rounding_error(key).clamp_min(allowed * self.scale())

    def _is_as(self, one: Tensor, other: Tensor, noise: Tensor | float = 0.0) -> bool:
        return compare(one, other, self.tolerance, noise).verdict is Verdict.MATCH

    def admit(self, key: Key, gradient: Tensor, wanted: Iterable[Key] = ()) -> bool:
        """Return whether PyTorch's derivative, which is not the symbolic one, is that at its own values.

        These are the definitions' but for rounding, which then decides what ties: no derivative is wrong by that. There
        may be none at these values, where they tie. What rounding moves is measured with all that are `wanted`.
        """
        own = self.values.get(key)
        if own is None or self._is_as(gradient, own):
            return True
        try:
            return self._hinges and self._is_as(gradient, own, self._noise(key, wanted))
        except UndecidedError:  # a run ties
            return False


def own_values_of(point: Point, tolerance: Tolerance) -> OwnValues[TracedTensor]:
    """Return the derivatives of a run by every tensor at PyTorch's own values."""
    lower = Lower(point.precision, tolerance.relative) if tolerance.normwise else None
    trace, derivations, known = point.decomposition.trace, point.derivations, point.reference.values
    return OwnValues(trace, derivations, point.gradients_of, tolerance, lower, lambda: point.scale, known)
