"""What a body of code computes at a point, as a trace, and autograd's graph of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.forward.recorder import Recorder
from gradcli.execution.forward.trace import Trace, TracedTensor


@dataclass(slots=True)
class Recording:
    """What was recorded: `trace` is whole where `gap` is None; else `gap` says what has no definition here."""

    leaves: dict[str, Tensor]
    trace: Trace
    output: Tensor
    gap: str | None = None
    left: str | None = None
    """Why autograd's gradient of what was recorded is not that of the code, where it is not."""
    precision: torch.dtype | None = None
    """The lowest dtype that a gradient passes through, where it is lower than that of the leaves."""


def record(body: Callable[[Mapping[str, Tensor]], Tensor], point: Mapping[str, Tensor]) -> Recording:
    """Run a body at a point, and record it; the inputs' gradients are those of `leaves`."""
    leaves = {name: value.detach().clone().requires_grad_(value.requires_grad) for name, value in point.items()}
    mode = Recorder([TracedTensor(tensor, name, name, is_leaf=True) for name, tensor in leaves.items()])
    given = {}
    for leaf in mode.trace.leaves:
        given[leaf.text] = leaf.tensor.detach().clone().requires_grad_(leaf.tensor.requires_grad)
        mode.aliases.know(given[leaf.text], leaf)
    with torch.no_grad(), mode:
        output = body(given)
    result = mode.result(output)
    return Recording(leaves, mode.trace, result.tensor, mode.gap, mode.left, mode.precision)
