"""A program run forward: its leaves made, its calls traced, `--reduce` applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.forward.callables import function
from gradcli.execution.forward.leaves import finished, make_leaves
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.plan import PLANS
from gradcli.execution.forward.refused_calls import ConstantError, IntegerError
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.forward.tracer import Tracer, run
from gradcli.execution.forward.value_files import read_values
from gradcli.language.program import Call, Program
from gradcli.ops.record import Op
from gradcli.ops.table import find
from gradcli.settings import Settings


def run_program(program: Source, settings: Settings, given: Mapping[str, Any]) -> Trace:
    """Return the trace of a program, with `--reduce` applied to its output."""
    return trace_of(program, settings, leaves_of(program, settings, given))


def leaves_of(program: Source, settings: Settings, given: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the program's leaves, and those of the leaves that it makes itself that are given another value."""
    if not isinstance(program, Program):
        return program.leaves_of(settings, given)
    valued = {**read_values(settings.values_file), **settings.values, **given} if program.made else {}
    made = [leaf.name for leaf in program.made if leaf.name in valued]
    return make_leaves([*(leaf.name for leaf in program.leaves), *made], settings, given)


def trace_of(program: Source, settings: Settings, leaves: dict[str, Tensor]) -> Trace:
    """Return the trace of a program on these leaves, with `--reduce` applied to its output."""
    if not isinstance(program, Program):
        return program.trace_of(settings, leaves)
    return PLANS.trace_of(program, settings, leaves, lambda: _traced(program, settings, leaves))


def _traced(program: Program, settings: Settings, leaves: dict[str, Tensor]) -> Trace:
    trace = _run(program, settings, leaves)
    if settings.reduce != "none" and isinstance(trace.output, TracedTensor):
        trace.output = _reduce(program, trace, settings)
    return trace


def _run(program: Program, settings: Settings, leaves: dict[str, Tensor]) -> Trace:
    """Return the trace; a leaf that PyTorch has no derivative by is made a constant, and the trace says so."""
    constants: dict[str, str] = {}
    while True:
        try:
            with nullcontext() if settings.device == "cpu" else torch.device(settings.device):  # of what it makes
                trace = run(program, leaves, settings.limits, partial(finished, settings=settings), settings.seed)
        except ConstantError as error:
            if not error.leaf or error.leaf in (settings.wrt or ()):
                raise
            leaves = {**leaves, error.leaf: leaves[error.leaf].detach()}
            constants[error.leaf] = f"a constant here: PyTorch has no derivative of {error.argument}"
        except IntegerError as error:
            leaves = {**leaves, error.leaf: _whole(error, leaves, settings)}
            constants[error.leaf] = f"read as integers, and so a constant: {error.message}"
        else:
            trace.constants = constants
            return trace


def _whole(error: IntegerError, leaves: Mapping[str, Tensor], settings: Settings) -> Tensor:
    """Return a leaf's numbers as integers; ExecutionError if a gradient of them is wanted."""
    name = error.leaf
    tensor = leaves.get(name)
    hint = f"give it integers: `--value {name}=[0,1]`, or in the program `{name} = torch.tensor([0, 1])`"
    if tensor is None or name in (settings.wrt or ()):
        raise ExecutionError(f"{error.message}, and '{name}' holds floats", hint=hint)
    return tensor.detach().to(torch.int64)


def _reduce(program: Program, trace: Trace, settings: Settings) -> TracedTensor:
    op, call = reduction(program, settings, trace.output)
    reduced: TracedTensor = Tracer(program, trace, settings.limits).apply(op, call)
    reduced.name = reduced.text = f"{op.name}({trace.output.name or trace.output.text})"
    return reduced


def reduction(program: Program, settings: Settings, output: TracedTensor) -> tuple[Op, BoundCall]:
    """Return the call that `--reduce` puts around the output."""
    op, last = find(settings.reduce), program.statements[-1]
    assert op is not None  # noqa: S101 (every reduction is in the table)
    node = Call(op.name, (), (), last.span, last.span)
    return op, BoundCall(node, [output], {}, {"input": output})


def reduction_of(settings: Settings) -> Callable[..., Tensor]:
    """Return the function of PyTorch that `--reduce` means."""
    op = find(settings.reduce)
    assert op is not None  # noqa: S101 (every reduction is in the table)
    return function(op.torch)


def display_names(trace: Trace) -> dict[TracedTensor, str]:
    """Return what each tensor is called: its name, else its text; a repeated one gets a number, hidden ones last."""
    names: dict[TracedTensor, str] = {}
    counts: dict[str, int] = {}
    made = [*trace.leaves, *(output for call in trace.calls for output in call.outputs)]
    for traced in sorted(made, key=trace.hidden.__contains__):
        if traced not in names:
            name = traced.name or traced.text
            counts[name] = counts.get(name, 0) + 1
            names[traced] = name if counts[name] == 1 else f"{name} ({counts[name]})"
    return names
