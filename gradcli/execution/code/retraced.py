"""What code computes where it cannot be followed, computed once more where it can: a checkpoint, what vmap maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import CheckpointFunction

from gradcli.execution.code.steps import Steps, gap
from gradcli.execution.code.values import value_of
from gradcli.execution.forward.equivalents import entry
from gradcli.execution.forward.followed import Followed, steps_behind
from gradcli.execution.forward.shared import passed
from gradcli.execution.forward.trace import TracedCall
from gradcli.execution.forward.twins import is_same, random_numbers, random_state

DIFFERENT = "{} does not compute here what it does when it is computed once more"


def checkpointed(function: type, args: Sequence[Any]) -> Callable[[], Any] | None:
    """Return what a re-entrant checkpoint computes, as its backward computes it: under autograd; None of all else."""
    if function is not CheckpointFunction:
        return None

    def body() -> Any:
        with torch.enable_grad():
            return args[0](*args[2:])

    return body


def with_these_numbers(body: Callable[[], Any]) -> Callable[[], Any]:
    """Return what computes something once more later, with the random numbers that come next now."""
    drawn = random_state()

    def again() -> Any:
        with random_numbers(drawn):
            return body()

    return again


def note_copies(steps: Steps, name: str, results: Sequence[Tensor], copies: Sequence[Tensor], begun: int) -> None:
    """Note results as copies of what was computed once more, by the steps since the one that it had `begun` after.

    Autograd differentiates the results, so that it knows nothing of what leads to the others.
    """
    pairs = [pair for pair in zip(results, copies, strict=True) if pair[0].requires_grad]
    values = [steps.traced(copy) for _, copy in pairs]
    inside = {step for value in values for step in steps_behind(value) if step.number > begun}
    for step in inside:
        for traced in [traced for call in step.calls for traced in call.outputs if isinstance(traced, Followed)]:
            traced.aside, traced.edge = traced.edge, None
    faces = [steps.settle(result, Followed(value_of(result), None, f"{name}(...)")) for result, _ in pairs]
    if all(is_same(result.detach(), copy.detach()) for result, copy in pairs):
        calls = [TracedCall(*entry("clone", value), face) for value, face in zip(values, faces, strict=True)]
    else:
        calls = [gap(DIFFERENT.format(f"{name}()"), values, tuple(faces))]
    steps.note(calls, faces)
    given = {*faces, *values, *(value for step in inside for value in step.inputs)}
    for value in passed([face.edge.node for face in faces if face.edge is not None], steps.values.at):
        value.is_ambiguous |= value not in given  # autograd makes of it what is known as made of other values
