"""Whether a backward that is not the derivative may be meant: forward is constant, or passes its input on."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.forward.dtypes import double
from gradcli.execution.targets.function.sampling import is_finite, moved
from gradcli.execution.targets.function.subject import Values
from gradcli.execution.targets.function.trial import NoReferenceError, Trial

NEARBY = 2
# How far entries are moved, relative to them: far more than rounding, far less than most steps are wide.
STEP = 1e-5
CONSTANT = "forward is constant around this point"
STEPPED = "forward is constant around the points beside this one"
SURROGATE = "backward is a surrogate; `--surrogate PROGRAM` says which is meant, and checks it"


def surrogate(trial: Trial, name: str) -> str | None:
    """Return in words that forward is constant in an input, here or beside, and elsewhere; None if it is not."""
    if trial.settings.surrogate is not None or _has_slope(trial, name):
        return None
    beside = [flat for point in _elsewhere(trial) if (flat := _is_flat(trial, name, point)) is not None]
    if len(beside) < NEARBY or not all(beside):
        return None
    return f"{CONSTANT if _is_flat(trial, name, trial.point) else STEPPED}: {SURROGATE}"


def _has_slope(trial: Trial, name: str) -> bool:
    """Return whether autograd of the reference has a gradient there; without one forward itself is asked."""
    try:
        return bool((trial.right(trial.probe)[name] != 0).any())
    except NoReferenceError:
        return not _is_flat(trial, name, trial.point)


def passed_on(trial: Trial, name: str) -> str | None:
    """Return in words that forward returns an input as it is, so that another gradient may be meant; None if not."""
    if trial.settings.surrogate is not None:
        return None
    value = trial.point[name].detach()
    output = trial.function(trial.point)
    if output.shape != value.shape or not torch.equal(output, value):
        return None
    return f"forward passes '{name}' on as it is: where another gradient is meant, `--surrogate PROGRAM` says which"


def _elsewhere(trial: Trial) -> Iterator[Values]:
    """Yield points near that of the trial, and of the other sign."""
    for number in range(NEARBY):
        near = moved(trial.point, trial.settings.seed + 1 + number)
        yield near
        yield {label: -value if value.requires_grad else value for label, value in near.items()}


def _is_flat(trial: Trial, name: str, point: Values) -> bool | None:
    """Return whether forward stays the same if entries of an input move a little; None where it is not finite."""
    exact = {label: double(value) for label, value in point.items()}
    try:
        outputs = [trial.function({**exact, name: value}) for value in _moved(exact[name])]
    except ExecutionError:
        return None
    if not is_finite(outputs):
        return None
    return all(torch.equal(outputs[0], output) for output in outputs)


def _moved(value: Tensor) -> Iterator[Tensor]:
    yield value
    signs = 1 - 2 * (torch.arange(value.numel(), device=value.device).reshape(value.shape) % 2)
    for step in (STEP, -STEP):
        yield value + step * value.abs().clamp(min=1)
        yield value + step * signs * value.abs().clamp(min=1)
