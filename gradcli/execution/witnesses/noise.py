"""How far rounding on the way may move a program's output: seen by runs with other last bits of every value.

The witnesses are differences of outputs. What was rounded before a cancellation, (x + y) - y for a large y, is as large
as it was then, and the size of the output says nothing of it. (Vignes 1993, CADNA.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from gradcli.execution.comparison.nonfinite import at_jump
from gradcli.execution.forward.again import Again
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.witnesses.line import EPSILON

RUNS = 3
# Values change by up to so large a part, so that most do.
FINE = 4 * EPSILON
# What the last bits do not show, ones that are this many times coarser do.
COARSER = 2.0**20
# Changes that are as large for fine ones as for coarse ones are as large as any: what is seen may be many times larger.
ALIKE, SPENT = 4.0, 16.0


def noise_of(rerun: Again, cotangent: Tensor, result: TracedTensor | None = None) -> float:
    """Return how far rounding on the way may move L = Re sum conj(cotangent) * output; 0 if nothing is known.

    With a `result` it stands for the output.

    A jump is no noise: what the program decides stays as it is, and so does what an op makes that is at a jump.
    """
    held = dict(_held(rerun))
    fine, coarse = (_scatter(rerun, cotangent, size, held, result) for size in (FINE, COARSER * FINE))
    return SPENT * fine if fine >= coarse / ALIKE else max(fine, coarse / COARSER) * EPSILON / FINE


def _held(rerun: Again) -> Iterator[tuple[TracedTensor, Tensor]]:
    """Yield truth values, integers, and what is computed at a jump, with their values."""
    for call in rerun.trace.calls:
        jumps = at_jump(call)
        for traced in call.outputs:
            value = rerun.value(traced)
            if value is not None and (jumps or not (value.is_floating_point() or value.is_complex())):
                yield traced, value


def _scatter(
    rerun: Again, cotangent: Tensor, size: float, held: Mapping[TracedTensor, Tensor], result: TracedTensor | None
) -> float:
    """Return how far L moves if every leaf and every result that is not held changes by a part of that size."""
    generator = torch.Generator().manual_seed(0)
    base = rerun.output({}) if result is None else rerun.result(result, {})
    perturb = _perturbation(generator, size)
    found = 0.0
    for _ in range(RUNS):
        leaves = {leaf: perturb(own.tensor) for leaf, own in rerun.leaves.items() if own.tensor.is_floating_point()}
        try:
            changed = {**leaves, **held}
            output = rerun.run(changed, perturb)[0] if result is None else rerun.result(result, changed, perturb)
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
