"""Products of the Hessian by two ways, and its symmetry: forward mode over reverse mode, and reverse mode twice.

For L = Re Σ conj(cotangent) · function and random directions u and v, H v is one vector by both ways, and u·(H v) is
v·(H u). All of it is free of a step size, and PyTorch's own: like the adjoint identity it says whether autograd is
consistent with itself.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import forward_ad

from gradcli.errors import GradcliError
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.graph import reachable
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.without_compiler import uncompiled
from gradcli.execution.witnesses.line import ALLOWED, nudged, nudged_values, random_directions, real, shaped
from gradcli.execution.witnesses.question import Question
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.report import WitnessReport
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance
from gradcli.witnesses import WitnessRow

TWO_WAYS = noted(
    NoteKind.WITNESS,
    "autograd is not consistent with itself: its second derivative by forward mode over reverse mode is not that by"
    " reverse mode twice",
)
ASYMMETRIC = noted(
    NoteKind.WITNESS, "autograd is not consistent with itself: the Hessian is not symmetric, u·(H v) is not v·(H u)"
)
# The node that once_differentiable leaves, to raise an error where a second derivative passes it.
ONCE = "Error"
# How all inputs are moved in their last places, to see what rounding does.
SEEDS = (15, 25)
REFUSED = (*REFUSALS, GradcliError)


@dataclass(frozen=True, slots=True)
class Products:
    """Products of the Hessian with two directions, as vectors of real numbers."""

    directions: Tensor
    """The two, a row each."""
    reverse: Tensor
    """The products by reverse mode twice, a row each."""
    forward: Tensor | None
    """The product with the first by forward mode over reverse mode; None where that is not implemented."""

    @property
    def between_ways(self) -> tuple[float, float]:
        """Return how far the two ways are apart, and the size of what they give."""
        if self.forward is None:
            return 0.0, 0.0
        sizes = torch.stack([self.forward, self.reverse[0]]).abs()
        return float((self.forward - self.reverse[0]).abs().max()), float(sizes.max())

    def distance(self, other: Products | None) -> float:
        """Return how far products with the directions are from those elsewhere, by either way; infinite without any."""
        if other is None:
            return math.inf
        change = float((self.reverse - other.reverse).abs().max())
        if self.forward is not None and other.forward is not None:
            change = max(change, float((self.forward - other.forward).abs().max()))
        return change * float(self.directions.abs().sum())

    @property
    def asymmetry(self) -> tuple[float, float]:
        """Return how far u·(H v) and v·(H u) are apart, and the sum of the absolute values of their terms."""
        terms = self.directions.flip(0) * self.reverse
        return abs(float(terms[0].sum() - terms[1].sum())), float(terms.abs().sum())


@dataclass(frozen=True, slots=True)
class SecondOrder:
    """Whether autograd's second derivatives along two random directions agree with each other."""

    row: WitnessRow

    def check(self, question: Question, gradient: Tensor, tolerance: Tolerance) -> WitnessReport | None:
        """Return what the products say; None where autograd refuses a second derivative, or it is not finite.

        At a kink the two ways may choose differently, which is no inconsistency: then there is nothing to say either.
        """
        point = question.point[question.name]
        if not point.numel() or not bool(real(gradient.detach()).isfinite().all()):
            return None
        found = products(question, point)
        if found is None:
            return None
        told = [
            self._told(question, point, tolerance, found.between_ways, TWO_WAYS),
            self._told(question, point, tolerance, found.asymmetry, ASYMMETRIC),
        ]
        if not all(math.isfinite(report.max_abs_error or 0.0) for report in told):
            return None
        report = next((one for one in told if one.verdict is Verdict.MISMATCH), told[0])
        bent = question.bends or question.jumps
        return None if bent and report.verdict is Verdict.MISMATCH else report

    @staticmethod
    def _told(
        question: Question, point: Tensor, tolerance: Tolerance, apart: tuple[float, float], notes: Notes
    ) -> WitnessReport:
        difference, size = apart
        limit = tolerance.relative * size
        if not difference <= limit and math.isfinite(difference):
            limit += ALLOWED * _rounding(question, point)
        if difference <= limit:
            return WitnessReport(Verdict.MATCH, difference, limit, 1)
        return WitnessReport(Verdict.MISMATCH, difference, limit, 1, notes=notes)


def products(question: Question, point: Tensor) -> Products | None:
    """Return the products at a point; None where autograd refuses a second derivative."""
    directions = random_directions(2, real(point).numel(), seed=6)
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        try:
            reverse = _by_reverse_mode(question, point, directions)
        except REFUSED:
            return None
        try:
            forward = uncompiled(lambda: _by_forward_mode(question, point, directions[0]))
        except REFUSED:
            forward = None
    return Products(directions, reverse, forward)


def _by_reverse_mode(question: Question, point: Tensor, directions: Tensor) -> Tensor:
    leaf = point.detach().clone().requires_grad_()
    gradient = _gradient(question, leaf)
    return torch.stack([_derivative(gradient, leaf, direction) for direction in directions])


def _derivative(gradient: Tensor | None, leaf: Tensor, direction: Tensor) -> Tensor:
    """Return the derivative of a gradient along a direction, by reverse mode; zeros where it does not depend on it."""
    found = None
    if gradient is not None and gradient.requires_grad:
        along = (real(gradient).reshape(-1) * direction).sum()
        (found,) = torch.autograd.grad(along, leaf, retain_graph=True, allow_unused=True)
    return torch.zeros_like(direction) if found is None else real(found.detach()).reshape(-1)


def _by_forward_mode(question: Question, point: Tensor, direction: Tensor) -> Tensor:
    with forward_ad.dual_level():
        leaf = point.detach().clone().requires_grad_()
        dual = forward_ad.make_dual(leaf, shaped(direction, point).to(point.dtype))
        gradient = _gradient(question, dual)
        tangent = None if gradient is None else forward_ad.unpack_dual(gradient)[1]
        return torch.zeros_like(direction) if tangent is None else real(tangent.detach()).reshape(-1)


def _gradient(question: Question, leaf: Tensor) -> Tensor | None:
    """Return the gradient as a tensor that can be differentiated; None where no gradient reaches the leaf."""
    output = question.differentiable({**question.point, question.name: leaf})
    if not output.requires_grad:
        return None
    # `once_differentiable` refuses a second derivative only where an upstream gradient requires grad; backward may
    # change it in place, which a leaf does not allow.
    cotangent = double(question.cotangent).to(output.dtype).requires_grad_().clone()
    gradients: tuple[Tensor | None, ...] = torch.autograd.grad(
        output, leaf, cotangent, create_graph=True, allow_unused=True
    )
    found = gradients[0]
    if found is not None and any(node.name().endswith(ONCE) for node in reachable([found.grad_fn])):
        raise NotImplementedError  # where no path to the leaf passes it, PyTorch leaves it out, and says nothing
    return found


def _rounding(question: Question, point: Tensor) -> float:
    """Return how far a change of all inputs in their last places moves the products: infinite without any there.

    It moves both ways, and several times: where the terms of a product cancel, it is often the very same by chance.
    """
    here = products(question, point)
    sizes = torch.where(real(point) == 0, torch.ones_like(real(point)), real(point))
    signs = random_directions(1, real(point).numel(), seed=5)[0].sign().reshape(sizes.shape)
    places = [{**question.point, question.name: nudged(point, signs * sizes)}]
    places += [nudged_values(question.point, seed) for seed in SEEDS]
    there = [products(dataclasses.replace(question, point=values), values[question.name]) for values in places]
    return math.inf if here is None else max(map(here.distance, there))
