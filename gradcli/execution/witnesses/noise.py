"""How far rounding on the way may move a program's output: seen by runs with other last bits of every value.

The witnesses are differences of outputs. What was rounded before a cancellation, (x + y) - y for a large y, is as large
as it was then, and the size of the output says nothing of it. (Vignes 1993, CADNA.)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gradcli.execution.forward.rerun import Rerun
from gradcli.execution.witnesses.line import EPSILON

RUNS = 3
# Values change by up to so large a part, so that most do.
FINE = 4 * EPSILON
# A change that is as large for last bits that are this many times coarser is that of a jump, of which nothing is known.
COARSER, ALIKE = 2.0**20, 4.0


def noise_of(rerun: Rerun, cotangent: Tensor, *, may_jump: bool) -> float:
    """Return how far rounding on the way may move L = Re sum conj(cotangent) * output; 0 if nothing is known.

    `may_jump` says whether the program has steps, or decides anything.
    """
    fine, coarse = _scatter(rerun, cotangent, FINE), _scatter(rerun, cotangent, COARSER * FINE)
    return 0.0 if may_jump and coarse <= ALIKE * fine else max(fine, coarse / COARSER) * EPSILON / FINE


def _scatter(rerun: Rerun, cotangent: Tensor, size: float) -> float:
    """Return how far L moves if every leaf and every result changes by a part of that size."""
    generator = torch.Generator().manual_seed(0)
    base = rerun.output({})
    perturb = _perturbation(generator, size)
    found = 0.0
    for _ in range(RUNS):
        leaves = {leaf: perturb(own.tensor) for leaf, own in rerun.leaves.items() if own.tensor.is_floating_point()}
        try:
            output, _calls = rerun.run(leaves, perturb)
        except RuntimeError:  # at the end of a domain
            continue
        change = float(((output - base).abs() * cotangent.abs()).nan_to_num(0.0, 0.0, 0.0).sum())
        found = max(found, change)
    return found


def _perturbation(generator: torch.Generator, size: float) -> Callable[[Tensor], Tensor]:
    def perturb(tensor: Tensor) -> Tensor:
        if not (tensor.is_floating_point() or tensor.is_complex()):
            return tensor
        return tensor * (1 + size * (2 * torch.rand(tensor.shape, generator=generator, dtype=torch.float64) - 1))

    return perturb
