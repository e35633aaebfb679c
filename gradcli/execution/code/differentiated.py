"""Gradients that code asks for with `torch.autograd.grad(..., create_graph=True)`, as steps that it computes with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.code.steps import Steps, gap
from gradcli.execution.code.values import value_of
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.followed import Followed
from gradcli.execution.forward.inner import AS_ASKED
from gradcli.execution.forward.trace import InnerGradient
from gradcli.report.custom import SourcePlace

KEPT = "backward(create_graph=True) is called inside{}: what it adds to `.grad` is not followed"
INSTEAD = "`torch.autograd.grad(..., create_graph=True)` returns the gradient, and `gradcli run` checks a whole script"
UNUSUAL = "a gradient that the code itself asks for in this way is not followed"
NAMES = ("outputs", "inputs", "grad_outputs", "retain_graph", "create_graph", "only_inputs", "allow_unused")


def refuse_kept_graph(call: MadeCall, place: SourcePlace | None) -> None:
    """Refuse a backward whose graph code goes on with: `.grad` outlives the code, and is not made anew when it runs."""
    if call.short == "backward" and (call.keywords.get("create_graph") or call.args[3:4] == (True,)):
        where = "" if place is None else f", at {place.file}:{place.line}"
        raise ExecutionError(KEPT.format(where), hint=INSTEAD)


def note_gradients(steps: Steps, call: MadeCall, result: Sequence[Tensor | None]) -> None:
    """Note what a call of `torch.autograd.grad` has returned, if that has a graph itself."""
    given = dict(zip(NAMES, call.args, strict=False)) | call.keywords
    outputs, inputs = _listed(given["outputs"]), _listed(given["inputs"])
    upstream = _listed(given.get("grad_outputs")) or [None] * len(outputs)
    is_usual = all(isinstance(tensor, Tensor) for tensor in (*outputs, *inputs)) and not given.get("is_grads_batched")
    note(steps, outputs, inputs, upstream, result, reason=AS_ASKED if is_usual else UNUSUAL)


def note(  # noqa: PLR0917 (as they are asked for)
    steps: Steps,
    outputs: Sequence[Any],
    inputs: Sequence[Any],
    upstream: Sequence[Tensor | None],
    result: Sequence[Tensor | None],
    reason: str = AS_ASKED,
) -> None:
    """Note gradients, one an input, as a step that depends on all that made them; None for an input without one."""
    found = [(of, tensor) for of, tensor in zip(inputs, result, strict=True) if tensor is not None]
    if not any(tensor.requires_grad for _, tensor in found):
        return
    of, with_respect_to = _traced(steps, outputs), _traced(steps, [given for given, _ in found])
    given = tuple(None if tensor is None else steps.traced(tensor) for tensor in upstream)
    faces = [_face(steps, tensor) for _, tensor in found]
    unknown = gap(reason, [*of, *with_respect_to, *(value for value in given if value is not None)], tuple(faces))
    inner = InnerGradient(of, with_respect_to, given) if reason == AS_ASKED else None
    steps.note([replace(unknown, inner=inner)], faces)


def _listed(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return [] if value is None else list(value) if isinstance(value, Sequence) else [value]


def _traced(steps: Steps, tensors: Sequence[Any]) -> tuple[Followed, ...]:
    return tuple(steps.traced(tensor) for tensor in tensors if isinstance(tensor, torch.Tensor))


def _face(steps: Steps, tensor: Tensor) -> Followed:
    face = Followed(value_of(tensor), None, "grad(...)")
    return steps.settle(tensor, face) if tensor.requires_grad else face
