"""How large the entries of a run's tensors are: each tensor is looked at once, whoever asks."""

from __future__ import annotations

import math
from collections.abc import Iterable

from gradcli.execution.comparison.several import rows
from gradcli.execution.forward.trace import TracedTensor

Sizes = tuple[float, float]


class SizesOfEntries:
    """The least and the largest size of the entries of tensors."""

    def __init__(self) -> None:
        self._known: dict[TracedTensor, Sizes] = {}

    def of(self, traced: TracedTensor) -> Sizes:
        """Return both, NaN if there is one; infinity and 0 of what has no entries, or is not made of numbers."""
        found = self._known.get(traced)
        if found is None:
            found = self._known[traced] = _sizes_of(traced)
        return found

    def look_at(self, several: Iterable[TracedTensor]) -> None:
        """Look at some tensors, the small ones together."""
        for looked_at, matrix in rows({traced: traced.tensor.detach() for traced in several}):
            sizes = matrix.abs_()
            extremes = zip(sizes.amin(dim=1).tolist(), sizes.amax(dim=1).tolist(), strict=True)
            self._known.update(zip(looked_at, extremes, strict=True))

    def are_finite(self, several: Iterable[TracedTensor]) -> bool:
        """Return whether every entry of some tensors is finite."""
        return all(math.isfinite(self.of(traced)[1]) for traced in several)


def _sizes_of(traced: TracedTensor) -> Sizes:
    tensor = traced.tensor.detach()
    if not tensor.numel() or not (tensor.is_floating_point() or tensor.is_complex()):
        return math.inf, 0.0
    least, largest = tensor.abs().aminmax()
    return least.item(), largest.item()
