"""The terms of one tensor's symbolic gradient: what each call that reads it contributes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.reference.adjoints import Adjoints, accumulate
from gradcli.execution.reference.decomposition import DecomposedCall, Decomposition
from gradcli.execution.reference.nodes import joined, parts, split
from gradcli.execution.reference.pullback import Derivatives, Reference
from gradcli.execution.reference.tensor_eval import Perturbation, identity


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
    for group in decomposition.calls:
        if traced in group.call.inputs and traced not in group.call.outputs and group.error is None:
            found = _through(decomposition, reference, group, traced, derived, perturb)
            if found is not None:
                yield group.call, found


def _through(  # noqa: PLR0917 (what a pullback needs)
    decomposition: Decomposition,
    reference: Reference,
    group: DecomposedCall,
    traced: TracedTensor,
    derived: Derivatives,
    perturb: Perturbation,
) -> Tensor | None:
    own = decomposition.parts([traced])
    local = Adjoints(perturb=perturb)
    for output in group.call.outputs:
        arrived = reference.values.get(output)
        nodes = parts(decomposition.nodes[output])
        for node, part in zip(nodes, () if arrived is None else split(arrived), strict=arrived is not None):
            local.add(node, perturb(part))
    with double_precision(), torch.no_grad():
        accumulate(group.nodes, local, derived, wanted={*own, *group.nodes})
    return joined(decomposition.nodes[traced], local.values)
