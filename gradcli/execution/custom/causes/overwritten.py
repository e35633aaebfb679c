"""Whether a gradient is wrong because forward changes in place what it has saved for backward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from gradcli.errors import GradcliError
from gradcli.execution.forward.kinds import dense
from gradcli.execution.targets.function.subject import listed, refusals
from gradcli.execution.targets.function.trial import Trial, leaves_of
from gradcli.execution.targets.parameters import has_setup


class KeepingContext(FunctionCtx):
    """A ctx that gives backward every tensor as it was when it was saved; an input as forward was given it."""

    def __init__(self, inputs: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
        self.saved_tensors: tuple[Tensor | None, ...] = ()
        self._inputs, self._values = inputs, values
        self._saved: Sequence[Tensor | None] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors, and a copy of what they hold."""
        self._saved = tensors
        self.saved_tensors = tuple(map(self._copy, tensors))

    def _copy(self, tensor: Tensor | None) -> Tensor | None:
        name = self._name(tensor)
        return tensor if tensor is None else (self._values[name] if name else tensor).detach().clone()

    def _name(self, tensor: Tensor | None) -> str | None:
        return next((name for name, value in self._inputs.items() if value is tensor), None)

    def overwritten(self, outputs: Sequence[Any]) -> list[str]:
        """Return what was changed since it was saved, in words."""
        pairs = zip(self._saved, self.saved_tensors, strict=True)
        changed = [tensor for tensor, kept in pairs if tensor is not None and not _is_same(tensor, kept)]
        return [self._words(tensor, outputs) for tensor in changed]

    def _words(self, tensor: Tensor, outputs: Sequence[Any]) -> str:
        name = self._name(tensor)
        place = next((place for place, output in enumerate(outputs) if output is tensor), None)
        if name:
            return f"the input '{name}'"
        return f"a tensor of shape {tuple(tensor.shape)}" if place is None else f"output {place}"


def overwritten(trial: Trial) -> str | None:
    """Return in words what forward saves and then overwrites, if backward is right with it as it was; None else."""
    try:
        words, kept = _with_saved_values(trial)
        given = trial.apply().returned(trial.probe)
    except GradcliError:
        return None
    if not words or _is_right(trial, given) or not _is_right(trial, kept):
        return None
    return f"forward saves {' and '.join(words)} and then changes it in place: backward reads the new value"


def _with_saved_values(trial: Trial) -> tuple[list[str], list[Any]]:
    """Return what is overwritten, and what backward returns when it is given what was saved."""
    function, inputs = trial.subject.function, leaves_of(trial.point)
    arguments = trial.subject.arguments(inputs)
    context: Any = KeepingContext(inputs, trial.point)
    context.needs_input_grad = tuple(isinstance(item, Tensor) and item.requires_grad for item in arguments)
    with torch.no_grad(), refusals("forward"), trial.subject.as_ever():
        outputs = function.forward(*(arguments if has_setup(function) else [context, *arguments]))
        if has_setup(function):
            function.setup_context(context, tuple(arguments), outputs)
    words, upstream = context.overwritten(listed(outputs)), trial.apply().upstream(trial.probe)
    with torch.no_grad(), refusals("backward"):
        return words, listed(function.backward(context, *upstream)) if words else []


def _is_right(trial: Trial, returned: Sequence[Any]) -> bool:
    """Return whether gradients, one per argument of forward, are the right ones."""
    by_name = dict(zip((parameter.name for parameter in trial.subject.parameters), returned, strict=False))
    right = trial.right(trial.probe)
    return all(trial.agrees(by_name.get(name), value) for name, value in right.items())


def _is_same(tensor: Tensor, kept: Tensor | None) -> bool:
    if kept is None or tensor.shape != kept.shape:
        return False
    return torch.allclose(dense(tensor), dense(kept), 0.0, 0.0, equal_nan=True)
