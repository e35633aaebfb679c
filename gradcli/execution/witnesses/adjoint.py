"""The adjoint identity u·(J v) = (Jᵀ u)·v: forward mode and reverse mode are two ways to one number.

It is free of a step size, and exact but for rounding. Both ways are PyTorch's, so that it says whether autograd is
consistent with itself, and not whether the function is the one that a definition says.
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
from gradcli.execution.forward.without_compiler import uncompiled
from gradcli.execution.witnesses.line import ALLOWED, nudged, nudged_values, random_directions, real, shaped
from gradcli.execution.witnesses.question import Question
from gradcli.report.notes import NoteKind, noted
from gradcli.report.report import WitnessReport
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance
from gradcli.witnesses import WitnessRow

INCONSISTENT = noted(NoteKind.WITNESS, "autograd is not consistent with itself: u·(J v) is not (Jᵀ u)·v")

# How all inputs are moved in their last places, to see what rounding does.
SEEDS = (5, 15, 25, 35)


@dataclass(frozen=True, slots=True)
class Product:
    """The number u·(J v)."""

    value: float
    terms: float
    """The sum of the absolute values of its terms."""


@dataclass(frozen=True, slots=True)
class Adjoint:
    """Whether reverse mode's gradient and forward mode's product along one random direction are one number."""

    row: WitnessRow

    def check(self, question: Question, gradient: Tensor, tolerance: Tolerance) -> WitnessReport | None:
        """Return what the identity says of a gradient; None where forward mode is not implemented, or not finite.

        At a kink the two modes may choose differently, which is no inconsistency: then there is nothing to say either.
        """
        point = question.point[question.name]
        flat = real(gradient.detach()).reshape(-1).to(torch.float64)
        if not flat.numel() or not bool(flat.isfinite().all()):
            return None
        direction = random_directions(1, flat.numel(), seed=4)[0]
        found = product(question, point, direction)
        if found is None:
            return None
        terms = flat * direction
        difference = abs(found.value - float(terms.sum()))
        limit = tolerance.relative * (found.terms + float(terms.abs().sum()))
        limit += question.excused * float(direction.abs().sum())
        if not difference <= limit:
            limit += ALLOWED * _rounding(question, point, direction, found)
        if not math.isfinite(difference):
            return None
        if difference <= limit:
            return WitnessReport(Verdict.MATCH, difference, limit, 1)
        bent = question.bends or question.jumps
        return None if bent else WitnessReport(Verdict.MISMATCH, difference, limit, 1, notes=INCONSISTENT)


def product(question: Question, point: Tensor, direction: Tensor) -> Product | None:
    """Return u·(J v) by forward mode; None where some operation does not implement it, or cuts the tangent off."""
    tangent = uncompiled(lambda: _by_forward_mode(question, point, shaped(direction, point)))
    if tangent is None or tangent.shape != question.cotangent.shape:
        return None
    terms = double(question.cotangent).conj() * double(tangent)
    terms = terms.real if terms.is_complex() else terms
    return Product(float(terms.sum()), float(terms.abs().sum()))


def _by_forward_mode(question: Question, point: Tensor, direction: Tensor) -> Tensor | None:
    with warnings.catch_warnings(), forward_ad.dual_level(), torch.enable_grad():
        warnings.simplefilter("ignore")
        try:
            dual = forward_ad.make_dual(point.detach().clone(), direction.to(point.dtype))
            found: Tensor | None = forward_ad.unpack_dual(question.function({**question.point, question.name: dual}))[1]
        except (RuntimeError, NotImplementedError, GradcliError):
            return None
        return None if found is None else found.detach()


def _rounding(question: Question, point: Tensor, direction: Tensor, found: Product) -> float:
    """Return how far a change of what is given in its last places moves the number by either mode.

    It is infinite where forward mode has none there. Entries of the input move by random signs, and by turns: nothing
    may change where all of them move alike. Where terms cancel, one mode may be exact and the other not, and a sum of a
    few of them is often the very same: that takes several tries. Both directions move too, for the number is linear in
    them, and it may be their differences that are rounded.
    """
    turns = 1 - 2 * (torch.arange(real(point).numel(), dtype=torch.float64) % 2)
    alone = {**question.point, question.name: nudged(point, turns.reshape(real(point).shape) * real(point))}
    there = [(dataclasses.replace(question, point=alone), direction)]
    there += [_nudged(question, direction, seed) for seed in SEEDS]
    moved = [_forward_at(*one) - found.value for one in there]
    reverse = [_reverse_at(*one) for one in ((question, direction), *there)]
    moved += [value - reverse[0] for value in reverse if math.isfinite(value - reverse[0])]
    return max(map(abs, moved))


def _nudged(question: Question, direction: Tensor, seed: int) -> tuple[Question, Tensor]:
    """Return a question and a direction, both moved in their last places."""
    both = nudged_values({"u": question.cotangent, "v": direction}, seed)
    point = nudged_values(question.point, seed + len(both))
    return dataclasses.replace(question, point=point, cotangent=both["u"]), both["v"]


def _forward_at(question: Question, direction: Tensor) -> float:
    found = product(question, question.point[question.name], direction)
    return math.inf if found is None else found.value


def _reverse_at(question: Question, direction: Tensor) -> float:
    """Return (Jᵀ u)·v at a point; NaN where autograd refuses it."""
    gradient = _by_reverse_mode(question, question.point[question.name].detach().clone().requires_grad_())
    return math.nan if gradient is None else float((real(gradient).reshape(-1).to(torch.float64) * direction).sum())


def _by_reverse_mode(question: Question, leaf: Tensor) -> Tensor | None:
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        try:
            output = question.differentiable({**question.point, question.name: leaf})
            cotangent = double(question.cotangent).to(output.dtype)
            found: tuple[Tensor | None, ...] = torch.autograd.grad(output, leaf, cotangent, allow_unused=True)
        except (RuntimeError, NotImplementedError, GradcliError):
            return None
    return found[0]
