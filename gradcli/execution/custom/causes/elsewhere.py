"""A wrong gradient beside the right one for other upstream gradients and at other points: what a cause must explain."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.recording import Recording
from gradcli.execution.targets.function.sampling import is_finite, moved
from gradcli.execution.targets.function.trial import Applied, NoReferenceError, Trial, pulled_back

PROBES = 3
Pairs = tuple[tuple[Tensor, Tensor], ...]


def other_pairs(trial: Trial) -> dict[str, Pairs]:
    """Return the gradients of backward and those of the reference by input: for random upstream gradients, elsewhere.

    A place where forward or backward raises, or is not finite, is left out.
    """
    made: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in trial.wanted}
    for applied, cotangent, right, _ in probed(trial):
        try:
            given = applied.gradients(cotangent)
        except GradcliError:
            continue
        for name, value in right.items():
            gradient = given[name]
            own = torch.zeros_like(value) if gradient is None else gradient.detach()
            if own.shape == value.shape and is_finite([own, value]) and bool((value != 0).any()):
                made[name].append((double(own), double(value.detach())))
    return {name: tuple(pairs) for name, pairs in made.items()}


def probed(trial: Trial) -> Iterator[tuple[Applied, Tensor, dict[str, Tensor], Recording]]:
    """Yield a Function here and nearby, random upstream gradients, the right gradients, and the reference there."""
    generator = torch.Generator().manual_seed(trial.settings.seed + 1)
    for point in (trial.point, *(moved(trial.point, trial.settings.seed + 1 + number) for number in range(PROBES))):
        try:
            applied = trial.apply(point)
            cotangent = _random(applied.output, generator)
            recording = trial.recorded(point)
            right = pulled_back(recording, cotangent)
        except (GradcliError, NoReferenceError):
            continue
        yield applied, cotangent, right, recording


def _random(like: Tensor, generator: torch.Generator) -> Tensor:
    parts = [torch.randn(like.shape, generator=generator, dtype=torch.float64) for _ in range(2)]
    return (torch.complex(*parts) if like.is_complex() else parts[0]).to(like.device, like.dtype)
