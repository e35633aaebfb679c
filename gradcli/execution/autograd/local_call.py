"""One call of the program by itself, at its point: its results, and PyTorch's gradient of it alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.forward.plain import plain
from gradcli.execution.forward.trace import TracedCall, TracedTensor

# Step of the one-sided quotients; one step of Richardson's extrapolation makes their error of the order of its square.
STEP = 1e-5
# A step within which hardly any function bends again, and how far apart the two quotients are where it does.
CLOSE, APART = 1e-8, 1e-3
# Steps are at last no longer than this part of the entry.
PART = 1e-2


@dataclass(frozen=True, slots=True)
class LocalCall:
    """One call at its point."""

    call: TracedCall
    tensors: Mapping[TracedTensor, Tensor]
    """What it reads."""
    cotangents: Sequence[Tensor | None]
    """Of its results, in order; None for one that no gradient reaches."""

    def results(self, tensors: Mapping[TracedTensor, Tensor]) -> list[Tensor]:
        """Return the call's results with other tensors in the place of its own."""
        results = self.call.run(tensors)
        return [results[traced] for traced in self.call.outputs]

    def autograd(self, wanted: Sequence[TracedTensor]) -> list[Tensor]:
        """Return PyTorch's own gradient of this one call.

        By what the program has detached it is 0 where PyTorch refuses to differentiate by that.
        """
        try:
            return self._autograd(wanted)
        except RuntimeError:
            reached = [traced for traced in wanted if traced.tensor.requires_grad]
            if len(reached) == len(wanted):
                raise
        found = dict(zip(reached, self._autograd(reached), strict=True))
        return [found[one] if one in found else torch.zeros_like(self.tensors[one]) for one in wanted]

    def _autograd(self, wanted: Sequence[TracedTensor]) -> list[Tensor]:
        if not wanted:
            return []
        with torch.enable_grad():
            leaves = {
                traced: tensor.clone().requires_grad_(traced in wanted) for traced, tensor in self.tensors.items()
            }
            pairs = [(r, v) for r, v in zip(self.results(leaves), self.cotangents, strict=True) if v is not None]
            pairs = [(result, cotangent) for result, cotangent in pairs if result.requires_grad]
            found: tuple[Tensor | None, ...] = torch.autograd.grad(
                [result for result, _ in pairs],
                [leaves[traced] for traced in wanted],
                [cotangent for _, cotangent in pairs],
                allow_unused=True,
            )
        return [
            torch.zeros_like(self.tensors[t]) if g is None else plain(g) for t, g in zip(wanted, found, strict=True)
        ]

    def factor(self, traced: TracedTensor, shape: torch.Size | None = None) -> Tensor:
        """Return the local derivative by one operand, the gradient for a cotangent of ones.

        With the result's `shape` the operand is expanded to it first, so that no axis that broadcasts is summed.
        """
        tensors = dict(self.tensors)
        if shape is not None:
            tensors[traced] = tensors[traced].expand(shape)
        ones = [None if cotangent is None else torch.ones_like(cotangent) for cotangent in self.cotangents]
        return LocalCall(self.call, tensors, ones).autograd([traced])[0]

    def one_sided(self, traced: TracedTensor, index: tuple[int, ...], sign: float, unit: complex = 1) -> float:
        """Return the derivative of Σ cotangent · result for a step of one entry to one side, along `unit`: 1 or i.

        Where a much shorter step says something else, there is another kink within the step; where it says nothing,
        the end of a domain, which may be as near as the entry is small.
        """
        size = float(self.tensors[traced][index].abs())
        scale = max(1.0, size)
        middle = self.results(self.tensors)

        def quotient(shift: float) -> float:
            moved = self.tensors[traced].clone()
            moved[index] += shift * unit
            changed = zip(self.results({**self.tensors, traced: moved}), middle, self.cotangents, strict=True)
            changes = [((new - old) * v.conj()).sum() for new, old, v in changed if v is not None]
            return sum(float(change.real) for change in changes) / shift

        def limit(step: float) -> float:
            return 2 * quotient(sign * step / 2) - quotient(sign * step)

        usual, close = limit(STEP * scale), limit(CLOSE * scale)
        found = usual if abs(usual - close) <= APART * max(1.0, abs(close)) else close
        near = min(CLOSE, PART * size)
        return found if math.isfinite(found) or not near / 2 else limit(near)
