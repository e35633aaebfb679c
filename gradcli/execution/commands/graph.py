"""`graph`: the forward graph beside autograd's own, with every gradient judged as `eval` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gradcli.derivation.derivations import Derivations
from gradcli.execution.autograd.nodes import BackwardGraph, backward_graph, memory_of
from gradcli.execution.comparison.evaluation import evaluate_run
from gradcli.execution.forward.followed import Followed, module_of, source_of
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.execution.run import Run, report, start
from gradcli.execution.witnesses.bends import where_it_bends
from gradcli.report.graph import ForwardNode, Graph, GraphDetails
from gradcli.report.report import Report
from gradcli.settings import Settings


def graph(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Report:
    """Return the report of `graph`."""
    run = start(program, settings, given, derivations)
    backward = backward_graph(run.trace, run.names)  # before the backward pass frees what it shows
    reports = where_it_bends(run, evaluate_run(run))
    return report(run, list(reports.values()), GraphDetails(graph_of(run, backward, {*reports})))


def graph_of(run: Run, backward: BackwardGraph, reported: set[TracedTensor]) -> Graph:
    """Return the forward graph of a run beside autograd's, which was read before its backward pass."""
    return Graph(tuple(_forward(run, backward, reported)), backward.nodes)


def _forward(run: Run, backward: BackwardGraph, reported: set[TracedTensor]) -> Iterator[ForwardNode]:
    """Yield the tensors that the output rests on, and those that are reported: leaves, then the others in order."""
    calls = {output: call for call in run.trace.calls for output in call.outputs}
    given = {memory_of(leaf.tensor): leaf for leaf in run.trace.leaves if leaf not in run.trace.hidden}
    operands = {traced: tuple(_operands(traced, calls, run.trace, given)) for traced in run.names}
    drawn = _behind({run.output} | reported, operands)
    for traced, name in run.names.items():
        if traced in drawn and traced not in run.trace.hidden:
            call = calls.get(traced)
            yield ForwardNode(
                name,
                "leaf" if traced.is_leaf else "non-leaf",
                None if call is None else _op(traced, call),
                traced.text,
                tuple(run.names[operand] for operand in operands[traced]),
                tuple(traced.tensor.shape),
                str(traced.tensor.dtype).removeprefix("torch."),
                traced.tensor.requires_grad,
                backward.of_tensors.get(traced),
                value=None if traced in reported else traced.tensor.detach(),
                source=source_of(traced),
                module=module_of(traced),
            )


def _operands(
    traced: TracedTensor,
    calls: Mapping[TracedTensor, TracedCall],
    trace: Trace,
    given: Mapping[tuple[Any, ...], TracedTensor],
) -> Iterator[TracedTensor]:
    """Yield the tensors that the operation of a tensor was given, each once.

    For what was made inside of a Function, or of a write to memory, stand the tensors that it was made from; for a
    constant that code read, the leaf in whose memory it lies, if there is one: `given` has the leaves by that.
    """
    seen, waiting = set[TracedTensor](), [traced]
    while waiting:
        call = calls.get(waiting.pop())
        for operand in () if call is None else call.inputs:
            is_inner = operand in trace.hidden
            known = given.get(memory_of(operand.tensor), operand) if is_inner and operand not in calls else operand
            if known not in seen:
                seen.add(known)
                if known in trace.hidden:
                    waiting.append(known)
                else:
                    yield known


def _behind(tensors: set[TracedTensor], operands: Mapping[TracedTensor, tuple[TracedTensor, ...]]) -> set[TracedTensor]:
    """Return tensors with all that they are made from."""
    found, waiting = set(tensors), [*tensors]
    while waiting:
        new = [operand for operand in operands[waiting.pop()] if operand not in found]
        found.update(new)
        waiting += new
    return found


def _op(traced: TracedTensor, call: TracedCall) -> str:
    """Return what made a tensor: an op of the table, or a Function of the code's own."""
    function = traced.step.function if isinstance(traced, Followed) and traced.step is not None else None
    return call.op.name if function is None else function.__name__
