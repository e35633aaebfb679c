"""A Function whose forward and backward are programs in gradcli's language."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError, InputError
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.forward.tracer import run
from gradcli.language.program import Program
from gradcli.limits import Limits
from gradcli.phrases import did_you_mean

# What a backward calls the upstream gradient, unless forward has a tensor of that name.
UPSTREAM = ("g", "grad_output")


def inline_function(
    forward: Program, backwards: Mapping[str, Program], limits: Limits
) -> type[torch.autograd.Function]:
    """Return the Function; a backward may read forward's leaves, what forward assigns, and `g`.

    InputError for a backward that is not an input's, ProgramError for one that reads what is not there.
    """
    leaves = [leaf.name for leaf in forward.leaves]
    for name in backwards:
        if name not in leaves:
            hint = did_you_mean(name, leaves, f"forward reads {', '.join(leaves)}")
            raise InputError(f"'{name}' is not an input of forward", option="--backward", hint=hint)

    class Custom(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Tensor) -> Tensor:
            ctx.save_for_backward(*inputs)
            return _tensor(run(forward, dict(zip(leaves, inputs, strict=True)), limits).output)

        @staticmethod
        def backward(ctx: Any, *upstream: Any) -> tuple[Tensor | None, ...]:
            inputs = dict(zip(leaves, ctx.saved_tensors, strict=True))
            trace = run(forward, dict(inputs), limits)
            known = _known(trace, upstream[0])
            gradients = {
                name: _gradient(backwards[name], known, trace.numbers, inputs[name], limits) for name in backwards
            }
            return tuple(gradients.get(name) for name in leaves)

    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("ctx_", *leaves)]
    Custom.forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return Custom


def _known(trace: Trace, upstream: Tensor) -> dict[str, Tensor]:
    """Return the tensors that a backward may read, by name."""
    made = [traced for call in trace.calls for traced in call.outputs if traced.name]
    named = {traced.name: traced.tensor for traced in [*trace.leaves, *made] if traced.name}
    named |= {name: value.tensor for name, value in trace.variables.items() if isinstance(value, TracedTensor)}
    return {**dict.fromkeys(UPSTREAM, upstream), **named}


def _gradient(
    program: Program, known: Mapping[str, Tensor], numbers: Mapping[str, Any], like: Tensor, limits: Limits
) -> Tensor:
    for leaf in program.leaves:
        if leaf.name not in known and leaf.name not in numbers:
            listed = ", ".join(name for name in [*known, *numbers] if name not in UPSTREAM)
            hint = did_you_mean(leaf.name, known, f"it may use {listed}, and g for the upstream gradient")
            message = f"forward has no variable '{leaf.name}'"
            raise InputError(message, option="--backward", span=leaf.span, source=program.source, hint=hint)
    tensors = {leaf.name: known[leaf.name] for leaf in program.leaves if leaf.name in known}
    output = run(program, tensors, limits, numbers=numbers).output
    if isinstance(output, TracedTensor):
        return output.tensor
    return torch.full_like(like, float(output)) if isinstance(output, int | float) else _tensor(output)


def _tensor(output: Any) -> Tensor:
    if not isinstance(output, TracedTensor):
        raise ExecutionError("the program's output is not a tensor", hint="its last statement must be one")
    return output.tensor
