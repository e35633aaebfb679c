"""`prove`: whether the backward that PyTorch executes is the derivative of the program, for all values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.errors import InputError
from gradcli.execution.autograd.backward import cotangent_of, output_of
from gradcli.execution.code.program import CodeProgram
from gradcli.execution.forward.domains import domains, interval
from gradcli.execution.forward.graph import reachable
from gradcli.execution.forward.interpreter import Interpreter
from gradcli.execution.forward.run import reduction
from gradcli.execution.forward.sampling import run_at_a_point
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.proof.circuit import UnprovableError
from gradcli.execution.proof.examine import examine
from gradcli.execution.proof.machine import CircuitMachine
from gradcli.execution.proof.provable import Defined, Provable, by_calls, replayed
from gradcli.language.program import Program
from gradcli.ops.table import find
from gradcli.report.proof import ProofReport
from gradcli.settings import Settings


def prove(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> ProofReport:
    """Return the report of a proof."""
    if settings.dtype != "float64":
        raise InputError("a proof is over the real numbers, and traced in float64", option="--dtype")
    trace = run_at_a_point(program, settings, given)
    output_of(program, trace)
    provable = (
        _of_text(program, settings, trace) if isinstance(program, Program) else _of_code(program, settings, trace)
    )
    return examine(provable, settings, derivations, strict=settings.strict)


def _of_text(program: Program, settings: Settings, trace: Trace) -> Provable:
    names = [leaf.text for leaf in trace.leaves]
    point = {leaf.text: leaf.tensor.detach() for leaf in trace.leaves}
    known = domains(program, find)
    intervals = {name: interval(known[name]) for name in names if known.get(name, "real").startswith("(")}
    return Provable(
        text=program.source,
        point=point,
        wanted=[leaf.text for leaf in trace.leaves if leaf.tensor.requires_grad],
        function=_function(trace),
        defined=_defined(program, settings),
        cotangent=_cotangent(trace, settings),
        domains=intervals,
        is_text=True,
    )


def _function(trace: Trace) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """Return the program as it ran: whatever it decides by values, its definition cannot, and refuses."""

    def function(leaves: Mapping[str, Tensor]) -> Tensor:
        values = {leaf: leaves[leaf.text] for leaf in trace.leaves}
        for call in trace.calls:
            values |= call.run(values)
        return values[trace.output]

    return function


def _defined(program: Program, settings: Settings) -> Defined:
    """Return the program by the definitions of its ops: run anew, so that nothing is decided by the point."""

    def defined(machine: CircuitMachine, given: Mapping[str, Any]) -> Any:
        output = Interpreter(program, machine, dict(given)).run()
        if settings.reduce == "none":
            return output
        placeholder = TracedTensor(torch.zeros(()), None, "output")
        op, call = reduction(program, settings, placeholder)
        call.positional[0] = call.bound["input"] = output
        return machine.apply(op, call)

    return defined


def _of_code(program: Source, settings: Settings, trace: Trace) -> Provable:
    if not isinstance(program, CodeProgram):
        raise InputError("prove takes programs, functions and Functions")
    leaves = {leaf.name: leaf for leaf in trace.leaves if leaf.name}
    if trace.ran is not None and trace.ran.constants:
        raise UnprovableError(trace.ran.constants[0].said())

    def function(given: Mapping[str, Tensor]) -> Tensor:
        return program.run(given, settings)[1]

    point = {name: leaf.tensor.detach().requires_grad_(leaf.tensor.requires_grad) for name, leaf in leaves.items()}
    return Provable(
        text=program.source,
        point={name: value.detach() for name, value in point.items()},
        wanted=[name for name, leaf in leaves.items() if leaf.tensor.requires_grad],
        function=function,
        defined=replayed(trace, leaves)
        if _calls_functions(function, point)
        else by_calls(function, point, detaches=True),
        cotangent=_cotangent(trace, settings),
        domains={},
    )


def _calls_functions(function: Callable[[Mapping[str, Tensor]], Tensor], point: Mapping[str, Tensor]) -> bool:
    """Return whether a Function of the user's is on the way: its forward is what defines it, not what it calls."""
    nodes = reachable([function(point).grad_fn])
    return any(isinstance(node, torch.autograd.function.BackwardCFunction) for node in nodes)


def _cotangent(trace: Trace, settings: Settings) -> Tensor:
    """Return the upstream gradient at the point: an unknown of the proof, of the output's shape."""
    return cotangent_of(trace.output, "random", seed=settings.seed)
