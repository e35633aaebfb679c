"""What relates a wrong gradient to the right one at the point, and at another one for another upstream gradient too.

A number or a product that fits by chance, or for one upstream gradient alone, is no cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.comparison.causes import likely_causes
from gradcli.execution.custom.causes.elsewhere import other_pairs
from gradcli.execution.custom.causes.terms import clues_of, missing_products
from gradcli.execution.custom.reference import Side, side
from gradcli.execution.forward.dtypes import double
from gradcli.execution.targets.function.sampling import moved, spread
from gradcli.execution.targets.function.trial import NoReferenceError, Trial

# Backward's gradient, and the reference.
Found = tuple[Tensor, Side]


@dataclass(frozen=True, slots=True)
class Agreed:
    """A wrong gradient of an input here and elsewhere, each with its reference; `there` is None where one raises."""

    trial: Trial
    name: str
    here: Found
    there: Found | None

    @staticmethod
    def of(trial: Trial, name: str, gradient: Tensor, here: Side) -> Agreed:
        """Return a wrong gradient at the trial's point, and another one nearby."""
        return Agreed(trial, name, (gradient, here), _elsewhere(trial, name))

    def cause(self) -> str | None:
        """Return in words how the wrong gradient relates to the right one in both places; None if nothing fits."""
        return self._common(self._causes)

    def product(self) -> str | None:
        """Return in words the product of an adjoint and tensors that the gradient lacks in both places, or None."""
        return self._common(lambda found: missing_products(self.name, *found))

    def _common(self, causes: Callable[[Found], Iterator[str]]) -> str | None:
        first = None if self.there is None else next(causes(self.here), None)
        if self.there is None or first is None:
            return None
        also = set(causes(self.there))
        return first if first in also else next((words for words in causes(self.here) if words in also), None)

    def _causes(self, found: Found) -> Iterator[str]:
        gradient, side = found
        others = other_pairs(self.trial)[self.name]
        clues = replace(clues_of(self.name, side), others=others, elsewhere=True)
        return likely_causes(double(gradient), double(side.right[self.name]), clues)


def _elsewhere(trial: Trial, name: str) -> Found | None:
    """Return backward's gradient and the reference at a point nearby; None where one of them raises there."""
    try:
        near = replace(trial, point=moved(trial.point, trial.settings.seed + 1))
        applied = near.apply()
        cotangent = spread(applied.output, 1.5, -0.5)
        own = applied.gradients(cotangent)[name]
        found = side(near, cotangent)
    except (GradcliError, NoReferenceError):
        return None
    if name not in found.right:
        return None
    gradient = torch.zeros_like(found.right[name]) if own is None else own.detach()
    return (gradient, found) if gradient.shape == found.right[name].shape else None
