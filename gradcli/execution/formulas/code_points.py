"""Random points for a derivation of code: the calls of a run, run again on leaves of their own, by names of formulas.

The code itself is run, so that its control flow decides, and what autograd says of it is kept. Its calls run again make
a graph that nothing else changes: modules hold other numbers at the next point.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import NotSupportedError
from gradcli.execution.autograd import backward
from gradcli.execution.code.program import CodeProgram
from gradcli.execution.forward.followed import Followed, source_of
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor, replaced
from gradcli.execution.forward.value_files import read_values
from gradcli.execution.targets.function.sampling import moved
from gradcli.settings import Settings
from gradcli.tolerance import CLOSENESS

TAKEN = "{}, and the formulas would take it for a constant"
# Of what has no name in the code.
CONSTANT, LEAF = "c", "leaf"


@dataclass(frozen=True, slots=True)
class CodePoint:
    """Code run at a point."""

    trace: Trace
    """Its calls, run again on leaves that nothing else holds; each has a name that a formula can have."""
    names: Mapping[str, str]
    """The code's name of a tensor -> the formulas' one."""
    gradients: Mapping[TracedTensor, Tensor]
    """What autograd says of the code itself, of the tensors that it knows."""


def code_point(
    program: CodeProgram, settings: Settings, given: Mapping[str, Any], *, cotangent: Any, moves: bool, assumed: Any
) -> CodePoint:
    """Return code run at a point: `cotangent` makes the upstream gradient of its output.

    With `moves`, the numbers that the code has from its author are others nearby; `assumed` makes a leaf's value one
    that it is assumed to have. Raises NotSupportedError for a call without a definition.
    """
    trace = _run(program, settings, given, moves=moves, assumed=assumed)
    output = backward.check_differentiable(program, trace)
    _refuse(trace)
    known = [traced for traced in trace.tensors if isinstance(traced, Followed) and traced.tensor.requires_grad]
    found = backward.gradients(output, known, cotangent(output), create_graph=False)
    names = _names(trace)
    again, own = replayed(trace, names, {leaf: leaf.tensor.detach() for leaf in trace.leaves})
    apart = (again.output.tensor - output.tensor).abs().max() if output.tensor.numel() else 0.0
    if not apart <= CLOSENESS * output.tensor.abs().max():
        raise NotSupportedError(f"the calls of '{program.source}', run again, give other numbers")
    gradients = {own[traced]: one.detach() for traced, one in found.items() if one is not None and traced in own}
    texts = {leaf.name or leaf.text: name for leaf, name in names.items()}
    return CodePoint(again, texts, gradients)


def replayed(
    trace: Trace, names: Mapping[TracedTensor, str], values: Mapping[TracedTensor, Tensor]
) -> tuple[Trace, dict[TracedTensor, TracedTensor]]:
    """Return a trace whose leaves have other values, and which of its tensors stands for which."""
    made = {
        leaf: TracedTensor(
            values[leaf].clone().requires_grad_(leaf.tensor.requires_grad), names[leaf], names[leaf], is_leaf=True
        )
        for leaf in trace.leaves
    }
    leaves, calls = [*made.values()], []
    with torch.enable_grad():
        for call in trace.calls:
            results = call.run({traced: made[traced].tensor for traced in call.inputs})
            for traced, value in results.items():
                made.setdefault(traced, TracedTensor(value, traced.name, traced.text))
            calls.append(_with(call, made))
    hidden = frozenset(made[traced] for traced in trace.hidden if traced in made)
    return Trace(leaves, calls, made[trace.output], constants=trace.constants, hidden=hidden, ran=trace.ran), made


def _with(call: TracedCall, made: Mapping[TracedTensor, TracedTensor]) -> TracedCall:
    """Return a call of other tensors."""
    own = call.arguments
    parts = [replaced(part, made.__getitem__) for part in (own.positional, own.keywords, own.bound)]
    return replace(call, arguments=BoundCall(own.node, *parts), result=replaced(call.result, made.__getitem__))


def _run(program: CodeProgram, settings: Settings, given: Mapping[str, Any], *, moves: bool, assumed: Any) -> Trace:
    """Return the trace of code at a point."""
    trace = program.drawn(settings, given)
    leaves = {
        leaf.text: leaf.tensor.detach() for leaf in trace.leaves if isinstance(leaf, Followed) and leaf.real is not None
    }
    kept = valued(program, settings, given) if moves else {*leaves}
    others = moved({name: value for name, value in leaves.items() if name not in kept}, settings.seed)
    changed = {name: assumed(name, value) for name, value in {**leaves, **others}.items()}
    if all(value is leaves[name] for name, value in changed.items()):
        return trace
    requires = {leaf.text: leaf.tensor.requires_grad for leaf in trace.leaves}
    return program.trace_of(
        settings, {name: value.detach().clone().requires_grad_(requires[name]) for name, value in changed.items()}
    )


def valued(program: CodeProgram, settings: Settings, given: Mapping[str, Any]) -> set[str]:
    """Return the names of what has a value by the user, or is drawn anew at each point."""
    return {*given, *settings.values, *read_values(settings.values_file), *program.target.free}


def _refuse(trace: Trace) -> None:
    """Refuse what no formula can follow."""
    if trace.ran is not None and trace.ran.constants:
        raise NotSupportedError(TAKEN.format(trace.ran.constants[0].said()))
    for call in trace.calls:
        why = "the code differentiates" if call.inner is not None else call.gap
        if why is not None:
            place = next((source for one in call.outputs if (source := source_of(one))), None)
            raise NotSupportedError(f"there is no formula for '{call.op.name}'{f' ({place})' if place else ''}: {why}")


def _names(trace: Trace) -> dict[TracedTensor, str]:
    """Return a name for each leaf that a formula can have: `layers_0_weight` for `layers.0.weight`."""
    names: dict[TracedTensor, str] = {}
    for leaf in trace.leaves:
        own = leaf.name or (LEAF if leaf.tensor.requires_grad else CONSTANT)
        names[leaf] = unlike(identifier(own), names.values())
    return names


def identifier(name: str) -> str:
    """Return a name as one word."""
    word = re.sub(r"\W+", "_", name).strip("_")
    return f"_{word}" if word[:1].isdigit() else word or LEAF


def unlike(name: str, taken: Iterable[str]) -> str:
    """Return a name that is none of those taken, with a number behind it where it has to be another."""
    known, number, found = {*taken}, 1, name
    while found in known:
        number += 1
        found = f"{name}{number}" if not name[-1].isdigit() else f"{name}_{number}"
    return found
