"""Whether backward returns its gradients in another order than forward takes its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.targets.function.trial import NoReferenceError, Trial


def swapped(trial: Trial, name: str) -> str | None:
    """Return in words whose gradient backward returns for an input in place of its own; None if nobody's."""
    try:
        found = trial.apply().returned(trial.probe)
        right = trial.right(trial.probe)
    except (GradcliError, NoReferenceError):
        return None
    returned = dict(zip((parameter.name for parameter in trial.subject.parameters), found, strict=False))
    others = [other for other in trial.wanted if other != name and _is_of(trial, returned, right, name, other)]
    if not others or trial.agrees(returned.get(name), right[name]):
        return None
    if any(_is_of(trial, returned, right, other, name) for other in others):
        other = next(other for other in others if _is_of(trial, returned, right, other, name))
        first, second = sorted((name, other), key=trial.wanted.index)
        return f"the gradients of '{first}' and '{second}' are swapped"
    if trial.agrees(-returned[name], right[name]):
        return None  # a wrong sign is the simpler mistake
    return f"backward returns the gradient of '{others[0]}' in place of that of '{name}'"


def _is_of(trial: Trial, returned: Mapping[str, Any], right: Mapping[str, Tensor], name: str, other: str) -> bool:
    """Return whether what is returned for one input is the gradient of another, which is not zero."""
    return bool((right[other] != 0).any()) and trial.agrees(returned.get(name), right[other])
