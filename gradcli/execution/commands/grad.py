"""`grad`: `torch.autograd.grad`, and the Jacobian of its vector-Jacobian product."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.execution.autograd import backward
from gradcli.execution.comparison.evaluation import evaluate_run
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.run import Run, report, start
from gradcli.execution.witnesses.bends import where_it_bends
from gradcli.report.grad import GradDetails, JacobianProduct, VectorJacobianProduct
from gradcli.report.report import Report
from gradcli.settings import Settings

# A Jacobian of up to so many rows and entries is shown: each row is a backward pass of its own.
MOST_ROWS = 8
MOST_ENTRIES = 64


def grad(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Report:
    """Return the report of `grad`; without `--wrt` it differentiates by every leaf that requires grad."""
    run = start(program, settings, given, derivations)
    names = tuple(leaf.text for leaf in run.trace.leaves if leaf.tensor.requires_grad)
    run = dataclasses.replace(run, settings=dataclasses.replace(run.settings, wrt=run.settings.wrt or names))
    product = _vector_jacobian_product(run, run.named(run.settings.wrt or (), "--wrt"))
    reports = list(where_it_bends(run, evaluate_run(run)).values())
    return report(run, reports, GradDetails(product))


def _vector_jacobian_product(run: Run, wrt: Sequence[TracedTensor]) -> VectorJacobianProduct | None:
    """Return v, and each small real Jacobian with the product of the two; None if there is none."""
    output = run.output.tensor
    shown = [traced for traced in wrt if _is_small(output, traced.tensor)]
    if not shown:
        return None
    rows = [_row(run, shown, entry) for entry in range(output.numel())]
    products = {}
    for traced in shown:
        jacobian = torch.stack([row[traced] for row in rows])
        product = _product(run.cotangent, jacobian.reshape(len(rows), -1)).reshape(traced.tensor.shape)
        products[run.names[traced]] = JacobianProduct(jacobian.reshape([*output.shape, *traced.tensor.shape]), product)
    return VectorJacobianProduct(run.cotangent, products)


def _product(cotangent: Tensor, jacobian: Tensor) -> Tensor:
    """Return v times the Jacobian in the leaf's dtype, which is not the output's where the program casts."""
    dtype = torch.promote_types(cotangent.dtype, jacobian.dtype)
    return (jacobian.T.to(dtype) @ cotangent.flatten().to(dtype)).to(jacobian.dtype)


def _is_small(output: Tensor, tensor: Tensor) -> bool:
    real = not (output.is_complex() or tensor.is_complex())  # a complex product is linear only over the real numbers
    return real and 0 < output.numel() <= MOST_ROWS and 0 < output.numel() * tensor.numel() <= MOST_ENTRIES


def _row(run: Run, wrt: Sequence[TracedTensor], entry: int) -> dict[TracedTensor, Tensor]:
    """Return one entry of the output differentiated by each tensor: the product with a unit vector."""
    output = run.output.tensor
    unit = torch.zeros(output.numel(), dtype=output.dtype, device=output.device)
    unit[entry] = 1.0
    found = backward.gradients(run.output, wrt, unit.reshape(output.shape), create_graph=False, retain_graph=True)
    return {t: torch.zeros_like(t.tensor) if g is None else g.detach() for t, g in found.items()}
