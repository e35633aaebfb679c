"""How a whole wrong gradient relates to forward: not transposed, cut off, inputs exchanged, an input not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.custom.causes.elsewhere import probed
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.recording import Recording
from gradcli.execution.targets.function.subject import Values
from gradcli.execution.targets.function.trial import NoReferenceError, Trial, pulled_back
from gradcli.tolerance import is_close

# How much the entries of an input are changed, relative to them, to see whether a gradient depends on it.
STEP = 0.25
# How many of what forward makes last may be taken as constants.
MOST_CUT = 40


@dataclass(frozen=True, slots=True)
class Wrong:
    """A wrong gradient of an input somewhere, and what it is of."""

    point: Values
    cotangent: Tensor
    gradient: Tensor


def of_the_whole(trial: Trial, name: str) -> str | None:
    """Return in words what a wrong gradient is of, everywhere that is looked at; None if nothing fits."""
    found = list(_wrong(trial, name))
    if not found:
        return None
    try:
        return (
            _untransposed(trial, name, found)
            or _cut(trial, name, found)
            or _exchanged(trial, name, found)
            or _unread(trial, name, found)
        )
    except (GradcliError, NoReferenceError, RuntimeError):
        return None


def _wrong(trial: Trial, name: str) -> Iterator[Wrong]:
    for applied, cotangent, right, _ in probed(trial):
        given = applied.gradients(cotangent)[name]
        if given is None or not bool(given.isfinite().all()) or given.shape != right[name].shape:
            continue
        point = {label: leaf.detach().requires_grad_(leaf.requires_grad) for label, leaf in applied.leaves.items()}
        yield Wrong(point, cotangent, double(given.detach()))


def _untransposed(trial: Trial, name: str, found: Sequence[Wrong]) -> str | None:
    """Return that backward goes forward: it gives J v, and not its transpose times v; outputs are like the inputs."""
    if not all(is_close(item.gradient, _forward_derivative(trial, name, item)) for item in found):
        return None
    return "it is J v, the derivative of forward along grad_output, and not Jᵀ v: backward goes the way forward does"


def _forward_derivative(trial: Trial, name: str, item: Wrong) -> Tensor:
    """Return the derivative of the reference along an upstream gradient, as autograd's transpose of its transpose.

    It is NaN where an upstream gradient is not of the inputs' shapes.
    """
    none, wanted = torch.full_like(item.gradient, float("nan")), trial.wanted
    sizes = [item.point[label].numel() for label in wanted]
    if sum(sizes) != item.cotangent.numel() or (len(wanted) == 1 and item.cotangent.shape != item.gradient.shape):
        return none
    recording = trial.recorded(item.point)
    dummy = torch.zeros_like(recording.output).requires_grad_()
    gradients = pulled_back(recording, dummy, create_graph=True)
    parts = zip(wanted, item.cotangent.reshape(-1).split(sizes), strict=True)
    along = sum((gradients[label].reshape(-1) * part).sum() for label, part in parts)
    if not isinstance(along, Tensor) or not along.requires_grad:
        return none
    made = torch.autograd.grad(along, dummy)[0].reshape(-1).split(sizes)[wanted.index(name)]
    return double(made.detach().reshape(item.gradient.shape))


def _cut(trial: Trial, name: str, found: Sequence[Wrong]) -> str | None:
    """Return what forward makes and backward takes as a constant: all that passes on through it is missing.

    So where an iteration is solved for, and only its last step is differentiated.
    """
    recordings = [trial.recorded(item.point) for item in found]
    made = [[traced for call in recording.trace.calls for traced in call.outputs] for recording in recordings]
    lacking = [
        double(pulled_back(recording, item.cotangent)[name].detach()) - item.gradient
        for recording, item in zip(recordings, found, strict=True)
    ]
    if len({len(some) for some in made}) > 1:
        return None
    for place in reversed(range(max(0, len(made[0]) - MOST_CUT), len(made[0]) - 1)):
        parts = (
            _through(recording, some[place].tensor, name, item.cotangent)
            for recording, some, item in zip(recordings, made, found, strict=True)
        )
        if all(part is not None and is_close(part, lack) for part, lack in zip(parts, lacking, strict=True)):
            return f"all that passes through '{made[0][place].text}' is missing: backward takes it as a constant"
    return None


def _through(recording: Recording, value: Tensor, name: str, cotangent: Tensor) -> Tensor | None:
    """Return what a value that forward makes passes on to the gradient of an input; None if it is nothing."""
    leaf = recording.leaves[name]
    if not value.requires_grad or value is recording.output:
        return None
    given = cotangent.reshape(recording.output.shape).to(recording.output.dtype)
    upstream = _gradient(recording.output, value, given)
    part = None if upstream is None else _gradient(value, leaf, upstream)
    return None if part is None else double(part)


def _gradient(output: Tensor, tensor: Tensor, cotangent: Tensor) -> Tensor | None:
    return next(iter(torch.autograd.grad(output, [tensor], cotangent, retain_graph=True, allow_unused=True)))


def _exchanged(trial: Trial, name: str, found: Sequence[Wrong]) -> str | None:
    """Return which two inputs are taken for each other."""
    for one, other in combinations(trial.point, 2):
        if trial.point[one].shape != trial.point[other].shape or trial.point[one].dtype != trial.point[other].dtype:
            continue
        if all(is_close(item.gradient, _right_with(trial, name, item, one, other)) for item in found):
            return f"it is the gradient for '{one}' and '{other}' exchanged"
    return None


def _right_with(trial: Trial, name: str, item: Wrong, one: str, other: str) -> Tensor:
    swapped = {one: other, other: one}
    point = {
        label: item.point[swapped.get(label, label)].detach().clone().requires_grad_(value.requires_grad)
        for label, value in item.point.items()
    }
    return double(trial.right(item.cotangent, point)[name].detach())


def _unread(trial: Trial, name: str, found: Sequence[Wrong]) -> str | None:
    """Return which inputs the gradient does not depend on, although the right one does."""
    labels = [label for label, value in trial.point.items() if value.is_floating_point() and value.numel()]
    unread = [f"'{label}'" for label in labels if all(_is_unread(trial, name, item, label) for item in found)]
    return f"the gradient does not depend on {' and '.join(unread)}, and the right one does" if unread else None


def _is_unread(trial: Trial, name: str, item: Wrong, label: str) -> bool:
    value = item.point[label].detach()
    changed = (value + STEP * value.abs().clamp(min=STEP) * _signs(value)).requires_grad_(
        trial.point[label].requires_grad
    )
    point = {**item.point, label: changed}
    own = trial.apply(point).gradients(item.cotangent)[name]
    right = [double(trial.right(item.cotangent, where)[name].detach()) for where in (item.point, point)]
    return own is not None and is_close(double(own.detach()), item.gradient) and not is_close(right[0], right[1])


def _signs(value: Tensor) -> Tensor:
    places = torch.arange(value.numel(), device=value.device).reshape(value.shape)
    return (1 - 2 * (places % 2)).to(value.dtype)
