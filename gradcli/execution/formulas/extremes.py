"""A Function at extreme entries: where quotients are 0/0, exponentials overflow, and matrices are nearly singular."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import GradcliError, first_line
from gradcli.execution.formulas.points import Point, is_singular, moved_to
from gradcli.execution.formulas.remarks import Remarks, is_apart
from gradcli.execution.formulas.verified import DIGITS
from gradcli.execution.forward.refusals import REFUSALS

# Entries beside which others stay as they are.
MIXED = (1e-8, 1e-3, 1e3)
# Entries at which quotients are 0/0, exponentials overflow, and matrices are singular.
EXTREMES = (0.0, 30.0, -30.0, 1e3, -1e3, 1e6, -1e6)


def at_extremes(apply: Any, point: Point, remarks: Remarks) -> str | None:
    """Tell of entries at which backward is not finite, or raises, where autograd's gradients are finite."""
    for size in EXTREMES:
        there = _changed(point, partial(torch.full_like, fill_value=size))
        if there is None:
            continue
        text = _resized(point, there)
        if text is not None and not _is_right(apply, there):
            return f"how many entries '{text}' has depends on values, and a Function would be for one number of them"
        try:
            found = _pulled_back(apply, there)
        except REFUSALS as error:
            return f"at entries of {size:g} backward fails: {first_line(error)}"
        wrong = [not bool(one.isfinite().all()) for one in found]
        if any(wrong) and not remarks.excuse(there, found, wrong, f"At entries of {size:g}"):
            return f"at entries of {size:g} backward is not finite, and autograd's is"
    return None


def beside_extremes(apply: Any, point: Point, remarks: Remarks) -> str | None:
    """Tell of a point that has other entries beside tiny or large ones, at which backward loses most of its digits."""
    for size, first in product(MIXED, (0, 1)):
        there = _changed(point, partial(_mixed, size=size, first=first))
        if there is None:
            continue
        try:
            found = _pulled_back(apply, there)
        except REFUSALS as error:
            return f"where some entries are {size:g} backward fails: {first_line(error)}"
        references = there.gradients().values()
        wrong = [is_apart(one, reference, DIGITS) for one, reference in zip(found, references, strict=True)]
        if any(wrong) and not remarks.excuse(there, found, wrong, f"Where some entries are {size:g} of the others"):
            return f"where some entries are {size:g} backward is not what autograd says"
    return None


def _resized(point: Point, there: Point) -> str | None:
    """Return the text of the first tensor that has another shape at another point; None for none."""
    pairs = (
        (one, other)
        for call, again in zip(point.trace.calls, there.trace.calls, strict=False)
        for one, other in zip(call.outputs, again.outputs, strict=False)
    )
    return next((one.text for one, other in pairs if one.tensor.shape != other.tensor.shape), None)


def _is_right(apply: Any, there: Point) -> bool:
    """Tell whether a Function's output and gradients at a point are autograd's."""
    try:
        output, found = apply(*leaves_of(there)), _pulled_back(apply, there)
    except REFUSALS:
        return False
    pairs = zip((output, *found), (there.output.tensor, *there.gradients().values()), strict=True)
    return not any(one.shape != own.shape or is_apart(one, own) for one, own in pairs)


def _mixed(value: Tensor, size: float, first: int) -> Tensor:
    """Return a value with every other entry multiplied, so that none ties with another."""
    found = value.clone().reshape(-1)
    found[first::2] *= size
    return found.reshape(value.shape)


def _changed(point: Point, change: Callable[[Tensor], Tensor]) -> Point | None:
    """Return the program run with the leaves changed by which derivatives are wanted; None as `_at` does."""
    values = {
        leaf.name or leaf.text: change(leaf.tensor.detach()) if leaf in point.wanted else leaf.tensor.detach()
        for leaf in point.trace.leaves
    }
    return _at(point, values)


def _pulled_back(apply: Any, there: Point) -> Sequence[Tensor]:
    """Return what a Function's backward gives at a point."""
    leaves = leaves_of(there)
    moving = [leaf for leaf in leaves if leaf.requires_grad]
    return torch.autograd.grad(apply(*leaves), moving, there.cotangent, materialize_grads=True)


def _at(point: Point, values: dict[str, Tensor]) -> Point | None:
    """Return the program run at other values; None where it, or its gradients, are not finite."""
    try:
        there = moved_to(point, values)
        gradients = there.gradients()
    except (GradcliError, *REFUSALS):
        return None
    several = (there.output.tensor, *gradients.values())
    return there if all(bool(one.isfinite().all()) for one in several) and not is_singular(there) else None


def leaves_of(point: Point) -> list[Tensor]:
    """Return copies of a point's leaves, as a Function is given them."""
    wanted = {traced.tensor for traced in point.wanted}
    return [leaf.tensor.detach().clone().requires_grad_(leaf.tensor in wanted) for leaf in point.trace.leaves]
