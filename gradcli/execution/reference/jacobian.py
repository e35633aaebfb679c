"""The symbolic Jacobian of a program's output by its leaves, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest, Derived
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.pullback import differentiate


def basis(tensor: Tensor) -> list[Tensor]:
    """Return tensors of a shape with one entry 1 and all others 0, for each entry."""
    count = tensor.numel()
    return [*torch.eye(count, dtype=torch.float64).reshape(count, *tensor.shape)]


def stacked(rows: Sequence[Tensor], outer: Tensor, inner: Tensor) -> Tensor:
    """Return rows as one tensor of both shapes, the outer one first."""
    shape = (*outer.shape, *inner.shape)
    return torch.stack(list(rows)).reshape(shape) if rows else torch.zeros(shape, dtype=torch.float64)


@dataclass(slots=True)
class Rows:
    """The symbolic Jacobian by every leaf, from one vector-Jacobian product an entry of the output."""

    values: dict[TracedTensor, Tensor] = field(default_factory=dict)
    undecided: dict[TracedTensor, str] = field(default_factory=dict)
    kinked: dict[TracedTensor, str] = field(default_factory=dict)

    @staticmethod
    def of(
        decomposition: Decomposition, leaves: Sequence[TracedTensor], derived: Mapping[DerivativeRequest, Derived]
    ) -> Rows:
        """Return the Jacobian by a decomposition of a program."""
        output = decomposition.nodes[decomposition.trace.output].tensor
        references = [differentiate(decomposition, row, derived) for row in basis(output)]
        found = Rows()
        for reference in references:
            found.undecided |= reference.undecided
            found.kinked |= reference.kinked
        for leaf in (leaf for leaf in leaves if leaf not in found.undecided):
            rows = [reference.values[leaf] for reference in references]
            found.values[leaf] = stacked(rows, output, leaf.tensor)
        return found
