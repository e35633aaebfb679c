"""`jvp`: the Jacobian times a direction of the leaves, in forward mode through `torch.func` and by the definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.errors import InputError, first_line
from gradcli.execution.autograd import functional
from gradcli.execution.comparison.blame import forward_rules
from gradcli.execution.comparison.derivatives import Expected
from gradcli.execution.comparison.leaf_derivatives import (
    infinite_of,
    leaf_report,
    moved_output,
    noise_of,
    undefined_of,
    weighed,
)
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.followed import is_given
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.forward.twins import is_same
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.jacobian import Rows
from gradcli.execution.reference.second_order import GradientNodes, largest
from gradcli.execution.reference.systems.problem import UndecidedError
from gradcli.execution.run import Run, report, start
from gradcli.execution.witnesses.rows import product_where_it_bends
from gradcli.language.program import Program
from gradcli.phrases import show_shape
from gradcli.report.jvp import JvpDetails
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

# A product through a kink is found from this many rows of the Jacobian at most.
MOST_ROWS = 256
OTHER_RUN = "under torch.func.jvp the code computes another output than it does by itself"


def jvp(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Report:
    """Return the report of `jvp`."""
    run = start(program, replace(settings, grad_output="ones"), given, derivations)
    tangents = _tangents(run)
    value, found = functional.jacobian_vector_product(_function(run, tangents), tangents)
    expected = None if run.decomposition is None else _expected_product(run, run.decomposition, tangents)
    if expected is not None and not is_same(value, run.output.tensor.detach()):
        expected = Expected(None, OTHER_RUN)
    product = weighed(run, found, expected)
    if expected is not None:
        product = product_where_it_bends(run, tangents, product, expected)
    if product.verdict is Verdict.MISMATCH:
        product = replace(product, notes=(*product.notes, *forward_rules(run.trace)))
    tensors = [replace(leaf_report(run, leaf), tangent=tangents.get(leaf)) for leaf in run.trace.leaves]
    return report(run, tensors, JvpDetails(product, "torch.func.jvp"), [product.verdict])


def _function(run: Run, leaves: Mapping[TracedTensor, Tensor]) -> functional.PureFunction:
    """Return the program as a function of some leaves: code as it stands, for forward mode asks a Function's jvp."""
    if isinstance(run.program, Program):
        return functional.function_of(run.trace, list(leaves))
    return run.program.pure(run.settings, run.trace, list(leaves))


def _tangents(run: Run) -> dict[TracedTensor, Tensor]:
    """Return a tangent for every leaf that requires grad; InputError for a wrong shape, or for none at all."""
    given, leaves = run.settings.tangents, {leaf.text: leaf for leaf in run.trace.leaves}
    if not given:
        message = "forward mode needs a direction: the tangent of at least one leaf"
        hint = f"give `--tangent {next(iter(leaves))}=1`; leaves without one have the tangent 0"
        raise InputError(message, hint=hint)
    for name in given:
        if not leaves[name].tensor.requires_grad:
            raise InputError(f"--tangent: '{name}' is a constant, so that it does not move")
    differentiable = [leaf for leaf in leaves.values() if leaf.tensor.requires_grad and is_given(leaf)]
    return {leaf: _tangent(leaf, given.get(leaf.text, 0)) for leaf in differentiable}


def _tangent(leaf: TracedTensor, value: Any) -> Tensor:
    try:
        tangent = torch.tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"--tangent: that of '{leaf.text}' is not a tensor: {first_line(error)}") from None
    if tangent.is_complex() and not leaf.tensor.is_complex():
        raise InputError(f"--tangent: '{leaf.text}' is real, and its tangent is complex")
    tangent = tangent.to(leaf.tensor.device, leaf.tensor.dtype)
    shape = tuple(leaf.tensor.shape)
    if tangent.ndim and tuple(tangent.shape) != shape:
        message = f"--tangent: '{leaf.text}' has shape {show_shape(shape)}, and its tangent {show_shape(tangent.shape)}"
        raise InputError(message, hint="give a number, or a list of the leaf's shape")
    return tangent.expand(shape).clone()


def _expected_product(run: Run, decomposition: Decomposition, tangents: Mapping[TracedTensor, Tensor]) -> Expected:
    gradients = GradientNodes.of(decomposition, run.cotangent, run.derivations)
    moving = [leaf for leaf, tangent in tangents.items() if bool((tangent != 0).any())]
    undefined = undefined_of(run)
    without = [leaf for leaf in moving if leaf in undefined.notes]
    value, reason = _product(gradients, tangents)

    def again(other: Decomposition) -> dict[str, Tensor]:
        product, _ = _product(GradientNodes.of(other, run.cotangent, run.derivations), tangents)
        return {} if product is None else {"product": product}

    noise = noise_of(run, {} if value is None else {"product": value}, again, lambda: _size(gradients, tangents))
    infinite = infinite_of(run, undefined)
    directions = {leaf: double(tangent) for leaf, tangent in tangents.items()}
    return Expected(
        value=value,
        reason=reason,
        kinked=next((gradients.reference.kinked[leaf] for leaf in moving if leaf in gradients.reference.kinked), None),
        undefined=next((undefined.notes[leaf] for leaf in without), ()),
        jumps=bool(without) and undefined.jumping.issuperset(without),
        noise=None if value is None else lambda: noise("product"),
        infinite=lambda: next((truth for leaf in moving if (truth := infinite(leaf)) is not None), None),
        along=lambda place: (moved_output(run, directions, place), _scale(directions)),
    )


def _size(gradients: GradientNodes, tangents: Mapping[TracedTensor, Tensor]) -> float:
    """Return the size of the largest term of a product."""
    known = gradients.reference.values
    return max([gradients.scale[0], *(largest(known[t] * double(tangents[t])) for t in tangents if t in known)])


def _product(gradients: GradientNodes, tangents: Mapping[TracedTensor, Tensor]) -> tuple[Tensor | None, str | None]:
    """Return the product, and why the derivative of the gradients does not give it."""
    try:
        return gradients.push_forward(tangents), None
    except UndecidedError as error:
        return _by_rows(gradients, tangents), str(error)


def _scale(directions: Mapping[TracedTensor, Tensor]) -> float:
    """Return how far a step of 1 along the tangents may be stretched: their largest entry moves like one of size 1."""
    return 1.0 / max([float(direction.abs().max()) for direction in directions.values() if direction.numel()] or [1.0])


def _by_rows(gradients: GradientNodes, tangents: Mapping[TracedTensor, Tensor]) -> Tensor | None:
    """Return the product from the rows of the Jacobian, whose kinks are settled.

    None if there are too many, or if a row would be of complex numbers: it says nothing about both their parts.
    """
    decomposition = gradients.decomposition
    output = decomposition.nodes[decomposition.trace.output].tensor
    if output.numel() > MOST_ROWS or decomposition.is_complex:
        return None
    rows = Rows.of(decomposition, list(tangents), gradients.derivations.known)
    if not tangents.keys() <= rows.values.keys():
        return None
    parts = [
        rows.values[leaf].reshape(output.numel(), -1) @ double(tangent).reshape(-1)
        for leaf, tangent in tangents.items()
    ]
    return torch.stack(parts).sum(0).reshape(output.shape)
