"""The derivative where the chain rule makes NaN of it, infinity times 0: that of x·√|x| at 0 is 0.

It is what the slopes of forward's body become nearer and nearer to the point, where both sides agree, and so do ways
that move several entries with what the single entries say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.forward.recording import Recording
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.witnesses.nearing import UnknownError, slopes_nearing
from gradcli.tolerance import is_close

# So many entries are asked for at most: each takes some runs of the body.
MOST = 32


def with_limits(recording: Recording, cotangent: Tensor, gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return gradients by the names of the inputs, with the derivative in place of each NaN, where there is one."""
    lost = {name: value.isnan() for name, value in gradients.items() if not value.is_complex()}
    lost = {name: where for name, where in lost.items() if bool(where.any())}
    call = _last(recording)
    if not lost or call is None or sum(int(where.sum()) for where in lost.values()) > MOST:
        return dict(gradients)
    leaves = {leaf.text: leaf for leaf in recording.trace.leaves}
    near = _Near(recording, call, cotangent.reshape(recording.output.shape))
    found = {name: near.derivative(leaves[name], where, gradients[name]) for name, where in lost.items()}
    return {name: value if found.get(name) is None else found[name] for name, value in gradients.items()}  # type: ignore[misc]


def _last(recording: Recording) -> TracedCall | None:
    """Return the call that makes the output, if all calls up to it can be run again in double precision."""
    output = recording.trace.output
    if recording.gap is not None or recording.precision is not None or output.tensor.dtype != torch.float64:
        return None
    return next((call for call in recording.trace.calls if output in call.outputs), None)


@dataclass(frozen=True, slots=True)
class _Near:
    """What a body computes near its point, up to the call that makes its output."""

    recording: Recording
    call: TracedCall
    cotangent: Tensor

    def derivative(self, leaf: TracedTensor, lost: Tensor, gradient: Tensor) -> Tensor | None:
        """Return a gradient with its derivatives in place of what is lost; None where there are none."""
        places = lost.flatten().nonzero()[:, 0]
        single = [self._slope(leaf, self._way(lost, places[k : k + 1], places.new_ones(1))) for k in range(len(places))]
        if any(slope is None for slope in single):
            return None
        known = torch.stack([slope for slope in single if slope is not None])
        for signs in (torch.ones(len(places)), 1 - 2.0 * (torch.arange(len(places)) % 2)):
            together = self._slope(leaf, self._way(lost, places, signs))
            if together is None or not is_close(together, (known * signs).sum(), scale=float(known.abs().max())):
                return None
        return gradient.detach().flatten().index_put((places,), known.to(gradient)).reshape(gradient.shape)

    def _way(self, lost: Tensor, places: Tensor, signs: Tensor) -> Tensor:
        way = torch.zeros(lost.numel(), dtype=torch.float64)
        way[places] = signs.to(way)
        return way.reshape(lost.shape)

    def _slope(self, leaf: TracedTensor, way: Tensor) -> Tensor | None:
        """Return the slope of the output along a way, weighted as a gradient weighs it; None if the sides differ."""
        output = self.recording.trace.output
        try:
            sides = [slopes_nearing(self.recording.trace, self.call, leaf, sign * way)[output] for sign in (1.0, -1.0)]
        except (UnknownError, RuntimeError, KeyError):
            return None
        ahead, behind = ((self.cotangent * side).sum() for side in sides)
        return ahead if bool(ahead.isfinite()) and is_close(ahead, -behind) else None
