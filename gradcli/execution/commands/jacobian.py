"""`jvp` and `jacobian`: derivatives of all outputs by all inputs, through `torch.func` and by the definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.client import DERIVATIONS
from gradcli.errors import InputError
from gradcli.execution.autograd import functional
from gradcli.execution.commands.shared import (
    basis,
    gradients_on,
    leaf_report,
    moved_output,
    noise_of,
    stacked,
    undefined_of,
    wanted_leaves,
    weighed,
)
from gradcli.execution.comparison.derivatives import Expected
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.tracer import TracedTensor
from gradcli.execution.reference.adjoints import UndecidedError
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.pullback import differentiate
from gradcli.execution.reference.second_order import GradientNodes
from gradcli.execution.run import Run, report, start
from gradcli.inputs.shapes import show_shape
from gradcli.language.program import Program
from gradcli.report.report import Report, worst
from gradcli.settings import Settings

# A product through a kink is found from this many rows of the Jacobian at most.
MOST_ROWS = 256


@dataclass(slots=True)
class Rows:
    """The symbolic Jacobian by every leaf, from one vector-Jacobian product an entry of the output."""

    values: dict[TracedTensor, Tensor] = field(default_factory=dict)
    undecided: dict[TracedTensor, str] = field(default_factory=dict)
    kinked: dict[TracedTensor, str] = field(default_factory=dict)

    @staticmethod
    def of(decomposition: Decomposition, leaves: Sequence[TracedTensor]) -> Rows:
        """Return the Jacobian on an expansion."""
        output = decomposition.nodes[decomposition.trace.output].tensor
        references = [differentiate(decomposition, row, DERIVATIONS.known) for row in basis(output)]
        found = Rows()
        for reference in references:
            found.undecided |= reference.undecided
            found.kinked |= reference.kinked
        for leaf in (leaf for leaf in leaves if leaf not in found.undecided):
            rows = [reference.values[leaf] for reference in references]
            found.values[leaf] = stacked(rows, output, leaf.tensor)
        return found


def jacobian(program: Program, settings: Settings, given: Mapping[str, Any]) -> Report:
    """Return the report of `jacobian`."""
    run = start(program, replace(settings, grad_output="ones"), given)
    leaves = wanted_leaves(run)
    output = run.output.tensor
    for leaf in leaves:
        what = f"the Jacobian of '{run.names[run.output]}' by '{run.names[leaf]}'"
        functional.check_size(what, output.numel(), leaf.tensor.numel(), run.trace, settings.limits)
    found = functional.jacobians(run.trace, leaves)
    expected = _expected_rows(run, leaves)
    weighted = {leaf: weighed(run, found[leaf], expected.get(leaf)) for leaf in leaves}
    tensors = [replace(leaf_report(run, leaf, weighted[leaf]), jacobian=found[leaf]) for leaf in leaves]
    verdict = worst([tensor.verdict for tensor in tensors if tensor.verdict]) if settings.verify else None
    return report(run, tensors, verdict, method="torch.func.jacrev")


def _expected_rows(run: Run, leaves: Sequence[TracedTensor]) -> dict[TracedTensor, Expected]:
    if run.decomposition is None:
        return {}
    rows, undefined = Rows.of(run.decomposition, leaves), undefined_of(run)
    noise = noise_of(run, rows.values, lambda decomposition: Rows.of(decomposition, leaves).values, scale=1.0)
    return {
        leaf: Expected(
            value=rows.values.get(leaf),
            reason=rows.undecided.get(leaf),
            kinked=rows.kinked.get(leaf),
            undefined=undefined.get(leaf, ()),
            noise=partial(noise, leaf),
        )
        for leaf in leaves
    }


def jvp(program: Program, settings: Settings, given: Mapping[str, Any]) -> Report:
    """Return the report of `jvp`."""
    run = start(program, replace(settings, grad_output="ones"), given)
    tangents = _tangents(run)
    found = functional.jacobian_vector_product(run.trace, tangents)
    product = weighed(
        run, found, None if run.decomposition is None else _expected_product(run, run.decomposition, tangents)
    )
    tensors = [replace(leaf_report(run, leaf), tangent=tangents.get(leaf)) for leaf in run.trace.leaves]
    return report(run, tensors, product.verdict, method="torch.func.jvp", jvp=product)


def _tangents(run: Run) -> dict[TracedTensor, Tensor]:
    """Return a tangent for every leaf that requires grad; InputError for one of another shape, or for none at all."""
    given, leaves = run.settings.tangents, {leaf.text: leaf for leaf in run.trace.leaves}
    if not given:
        message = "forward mode needs a direction: the tangent of at least one leaf"
        hint = f"give `--tangent {next(iter(leaves))}=1`; leaves without one have the tangent 0"
        raise InputError(message, hint=hint)
    for name in given:
        if not leaves[name].tensor.requires_grad:
            raise InputError(f"--tangent: '{name}' is a constant, so that it does not move")
    differentiable = [leaf for leaf in leaves.values() if leaf.tensor.requires_grad]
    return {leaf: _tangent(leaf, given.get(leaf.text, 0)) for leaf in differentiable}


def _tangent(leaf: TracedTensor, value: Any) -> Tensor:
    tangent = torch.tensor(value).to(leaf.tensor.dtype)
    shape = tuple(leaf.tensor.shape)
    if tangent.ndim and tuple(tangent.shape) != shape:
        message = f"--tangent: '{leaf.text}' has shape {show_shape(shape)}, and its tangent {show_shape(tangent.shape)}"
        raise InputError(message, hint="give a number, or a list of the leaf's shape")
    return tangent.expand(shape).clone()


def _expected_product(run: Run, decomposition: Decomposition, tangents: Mapping[TracedTensor, Tensor]) -> Expected:
    gradients = gradients_on(decomposition, run.cotangent)
    moving = [leaf for leaf, tangent in tangents.items() if bool((tangent != 0).any())]
    undefined = undefined_of(run)
    value, reason = _product(gradients, tangents)

    def again(other: Decomposition) -> dict[str, Tensor]:
        return {"product": gradients_on(other, run.cotangent).push_forward(tangents)}

    noise = noise_of(run, {} if value is None else {"product": value}, again, gradients.scale[0])
    directions = {leaf: double(tangent) for leaf, tangent in tangents.items()}
    return Expected(
        value=value,
        reason=reason,
        kinked=next((gradients.reference.kinked[leaf] for leaf in moving if leaf in gradients.reference.kinked), None),
        undefined=next((undefined[leaf] for leaf in moving if leaf in undefined), ()),
        noise=None if reason else lambda: noise("product"),
        along=lambda place: (moved_output(run, directions, place), _scale(directions)),
    )


def _product(gradients: GradientNodes, tangents: Mapping[TracedTensor, Tensor]) -> tuple[Tensor | None, str | None]:
    """Return the product, and why the derivative of the gradients does not give it."""
    try:
        return gradients.push_forward(tangents), None
    except UndecidedError as error:
        return _by_rows(gradients.decomposition, tangents), str(error)


def _scale(directions: Mapping[TracedTensor, Tensor]) -> float:
    """Return how far a step of 1 along the tangents may be stretched: their largest entry moves like one of size 1."""
    return 1.0 / max([float(direction.abs().max()) for direction in directions.values() if direction.numel()] or [1.0])


def _by_rows(decomposition: Decomposition, tangents: Mapping[TracedTensor, Tensor]) -> Tensor | None:
    """Return the product from the rows of the Jacobian, whose kinks are settled; None if there are too many."""
    output = decomposition.nodes[decomposition.trace.output].tensor
    if output.numel() > MOST_ROWS:
        return None
    rows = Rows.of(decomposition, list(tangents))
    if not tangents.keys() <= rows.values.keys():
        return None
    parts = [
        rows.values[leaf].reshape(output.numel(), -1) @ double(tangent).reshape(-1)
        for leaf, tangent in tangents.items()
    ]
    return torch.stack(parts).sum(0).reshape(output.shape)
