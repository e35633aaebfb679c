"""Vectors that are determined but for their signs: which ones PyTorch found, in the precision that it worked in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.trace import TracedCall, traced_in


def turned(call: TracedCall, values: Sequence[Tensor | None]) -> Mapping[int, Tensor]:
    """Return the signs that make vectors PyTorch's, by their places in the results; nothing for those that are so.

    `values` are the results as they were found in double precision, where an algorithm may choose other signs.
    """
    theirs, found = list(traced_in(call.result)) if call.op.signs else [], {}
    for place, axis in call.op.signs.items():
        value = values[place] if place < min(len(values), len(theirs)) else None
        if value is None or value.is_complex():
            continue
        against = (value * double(theirs[place].tensor.detach()).to(value.device)).sum(axis, keepdim=True) < 0
        if bool(against.any()):
            found[place] = torch.where(against, -1.0, 1.0).to(value)
    return found
