"""The terms of one tensor's symbolic gradient: what each call that reads it contributes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce

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


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms that a tensor's gradient is the sum of."""

    calls: tuple[TracedCall, ...]
    """The calls that read the tensor and contribute to its gradient."""
    value: Tensor | None
    """Their sum; None if there are none."""
    sizes: Tensor
    """Their magnitudes, added up."""


def terms(decomposition: Decomposition, reference: Reference, traced: TracedTensor, derived: Derivatives) -> Terms:
    """Return the terms of a tensor's gradient. Kinks are not decided."""
    found, calls, values, own = TermSizes(), list[TracedCall](), list[Tensor](), {*decomposition.parts([traced])}
    for group in _readers(decomposition, traced):
        local = TermSizes()
        value = _through(local, decomposition, reference, group, traced, derived)
        if value is not None:
            calls.append(group.call)
            values.append(value)
        for node in local.sizes.keys() & own:
            found.add(node, local.sizes[node])
    sizes = joined(decomposition.nodes[traced], found.sizes)
    none = torch.zeros(())
    return Terms(tuple(calls), reduce(torch.add, values) if values else None, none if sizes is None else sizes.abs())


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
