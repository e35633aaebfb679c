"""Which Function's backward cannot be differentiated right: it gives the derivative, and its own derivative is another.

What backward reads of forward that is neither an input nor an output is a constant to autograd when it differentiates
the backward: a gradient penalty, or a Hessian, then lacks a term. The backward is run by itself, of a random upstream
gradient, and what it gives is differentiated along a random direction, by autograd and by the definitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.errors import GradcliError
from gradcli.execution.code.steps import gap
from gradcli.execution.comparison.blame_words import applied
from gradcli.execution.comparison.compare import compare
from gradcli.execution.comparison.failing import derivatives
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.followed import Followed, Ran, Step, edge_known
from gradcli.execution.forward.inner import AS_ASKED
from gradcli.execution.forward.trace import InnerGradient, Trace, TracedTensor
from gradcli.report.notes import Note, NoteKind, Notes
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

WORDS = "{} gives the derivative, but differentiating it again does not, with respect to {}: {}"
OF_INPUTS = (
    "what it reads there is a constant to autograd: an intermediate result that forward saves (compute it in backward, "
    "or return it as an output), or a tensor that is detached"
)
OF_UPSTREAM = "it is detached in backward"
UPSTREAM = "the upstream gradient"


@dataclass(frozen=True, slots=True)
class Twice:
    """The derivatives that autograd gives of a Function's backward, along a direction of what that gives."""

    step: Step
    asked: InnerGradient
    results: tuple[TracedTensor, ...]
    direction: tuple[Tensor, ...]
    found: Mapping[TracedTensor, Tensor]

    def judged(self, derivations: Derivations, tolerance: Tolerance) -> Notes:
        """Return what is wrong with them."""
        given = [*self.asked.outputs, *self.asked.inputs, *(one for one in self.asked.upstream if one is not None)]
        call = replace(gap(AS_ASKED, given, self.results), inner=self.asked)
        upstream = dict(zip(self.results, self.direction, strict=True))
        try:
            right = derivatives([*self.step.calls, call], upstream, derivations)
        except (GradcliError, RuntimeError):
            return ()
        for traced, found in self.found.items():
            if traced in right and compare(double(found), right[traced], tolerance).verdict is Verdict.MISMATCH:
                return (Note(NoteKind.BLAME, self._words(traced), None),)
        return ()

    def _words(self, traced: TracedTensor) -> str:
        if traced in self.asked.upstream:
            return WORDS.format(applied(self.step), UPSTREAM, OF_UPSTREAM)
        return WORDS.format(applied(self.step), f"'{traced.name or traced.text}'", OF_INPUTS)


def differentiated_twice(trace: Trace) -> list[Twice]:
    """Return the derivatives of the backward of each Function behind some code's output, whose graph is still there."""
    steps = [step for step in trace.ran.steps if step.function is not None] if isinstance(trace.ran, Ran) else []
    found = []
    for step in steps:
        with suppress(Exception):  # it is the user's code; what it raises by itself is no verdict
            one = None if any(call.gap is not None for call in step.calls) else _of(step)
            found += [] if one is None else [one]
    return found


def _of(step: Step) -> Twice | None:
    made = {traced: traced for call in step.calls for traced in call.outputs if isinstance(traced, Followed)}
    faces = {traced: edge for traced in made if (edge := edge_known(traced)) is not None}
    inputs = {traced: edge for traced in step.inputs if (edge := edge_known(traced)) is not None}
    generator = torch.Generator().manual_seed(0)
    upstream = {TracedTensor(given, None, UPSTREAM): given for given in _upstream(faces, generator)}
    gradients: tuple[Tensor | None, ...] = torch.autograd.grad(
        [*faces.values()], [*inputs.values()], [*upstream.values()], create_graph=True, allow_unused=True
    )
    pairs = [(of, one) for of, one in zip(inputs, gradients, strict=True) if one is not None and one.requires_grad]
    if not pairs:
        return None
    direction = tuple(_drawn(one, generator) for _, one in pairs)
    by = dict[TracedTensor, Any]([*inputs.items(), *upstream.items()])
    seconds: tuple[Tensor | None, ...] = torch.autograd.grad(
        [one for _, one in pairs], [*by.values()], direction, retain_graph=True, allow_unused=True
    )
    asked = InnerGradient(tuple(faces), tuple(of for of, _ in pairs), tuple(upstream))
    results = tuple(TracedTensor(one.detach(), None, "grad") for _, one in pairs)
    zeros = {of: torch.zeros_like(of.tensor, requires_grad=False) for of in by}
    found = {of: zeros[of] if one is None else one for of, one in zip(by, seconds, strict=True)}
    return Twice(step, asked, results, direction, found)


def _upstream(faces: Iterable[Followed], generator: torch.Generator) -> list[Tensor]:
    return [_drawn(traced.tensor, generator).requires_grad_() for traced in faces]


def _drawn(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like.detach())


def blamed_twice(found: list[Twice], derivations: Derivations, tolerance: Tolerance) -> Notes:
    """Return which Functions are to blame for a wrong second derivative."""
    notes = [note for one in reversed(found) for note in one.judged(derivations, tolerance)]
    return tuple(dict.fromkeys(notes))
