"""The terms of one tensor's symbolic gradient: what each call that reads it contributes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.reference.adjoints import Adjoints, accumulate
from gradcli.execution.reference.decomposition import DecomposedCall, Decomposition
from gradcli.execution.reference.nodes import Node, joined, parts, split
from gradcli.execution.reference.pullback import Derivatives, Reference
from gradcli.execution.reference.tensor_eval import Perturbation, identity


@dataclass(slots=True)
class TermSizes(Adjoints):
    """Adjoints that also add up the magnitudes of all terms: the rounding of a sum is relative to these."""

    sizes: dict[Node, Tensor] = field(default_factory=dict)

    def add(self, node: Node, contribution: Tensor, *, fresh: bool = False) -> None:
        """Add a contribution."""
        known = self.sizes.get(node)
        self.sizes[node] = contribution.abs() if known is None else known.add_(contribution.abs())
        Adjoints.add(self, node, contribution, fresh=fresh)


def term_sizes(
    decomposition: Decomposition, reference: Reference, traced: TracedTensor, derived: Derivatives
) -> Tensor:
    """Return the magnitudes of all terms that a tensor's gradient is the sum of, added up."""
    found = TermSizes()
    for group in _readers(decomposition, traced):
        local = TermSizes()
        _through(local, decomposition, reference, group, traced, derived)
        for node in local.sizes.keys() & {*decomposition.parts([traced])}:
            found.add(node, local.sizes[node])
    sizes = joined(decomposition.nodes[traced], found.sizes)
    return torch.zeros(()) if sizes is None else sizes.abs()


def contributions(
    decomposition: Decomposition,
    reference: Reference,
    traced: TracedTensor,
    derived: Derivatives,
    perturb: Perturbation = identity,
) -> Iterator[tuple[TracedCall, Tensor]]:
    """Yield the calls that read a tensor, and the part of its gradient that comes by each, of the tensor's shape.

    `perturb` changes the gradients that arrive at the call, and every value on the way. Kinks are not decided.
    """
    for group in _readers(decomposition, traced):
        found = _through(Adjoints(perturb=perturb), decomposition, reference, group, traced, derived)
        if found is not None:
            yield group.call, found


def _readers(decomposition: Decomposition, traced: TracedTensor) -> Iterator[DecomposedCall]:
    for group in decomposition.calls:
        if traced in group.call.inputs and traced not in group.call.outputs and group.error is None:
            yield group


def _through(  # noqa: PLR0917 (what a pullback needs)
    local: Adjoints,
    decomposition: Decomposition,
    reference: Reference,
    group: DecomposedCall,
    traced: TracedTensor,
    derived: Derivatives,
) -> Tensor | None:
    for output in group.call.outputs:
        arrived = reference.values.get(output)
        nodes = parts(decomposition.nodes[output])
        for node, part in zip(nodes, () if arrived is None else split(arrived), strict=arrived is not None):
            local.add(node, local.perturb(part))
    own = decomposition.parts([traced])
    with double_precision(), torch.no_grad():
        accumulate(group.nodes, local, derived, wanted={*own, *group.nodes})
    return joined(decomposition.nodes[traced], local.values)
