"""A backward as code, of any program with definitions: their derivatives, recorded as they run on the tape.

It is what formulas in terms of the leaves are where these would be too long, or have no notation: the values of the
definitions from the leaves, and from the upstream gradient back what each of them contributes, a call a step. What is
defined by an equation is solved for. No kink is decided by autograd.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest, Derived
from gradcli.derivation.tensor_program import COTANGENT
from gradcli.errors import NotSupportedError, first_line
from gradcli.execution.formulas.code_points import replayed
from gradcli.execution.formulas.forward_source import ForwardSource
from gradcli.execution.formulas.plain_definitions import careful
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.recorded import Recorder
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.reference import tensor_eval
from gradcli.execution.reference.adjoints import answered, scalars
from gradcli.execution.reference.decomposition import Decomposition, decompose
from gradcli.execution.reference.nodes import Edge, Node, joined, parts, split
from gradcli.execution.reference.systems.blocks import by_matrix
from gradcli.execution.reference.systems.problem import Problem, UndecidedError
from gradcli.execution.reference.systems.restricted import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcli.derivation.derivations import Derivations

Known = Mapping[DerivativeRequest, Derived]


def recorded_backward(
    point: Point,
    names: Mapping[TracedTensor, str],
    upstream: str,
    derivations: Derivations,
    *,
    is_careful: bool = False,
    folds: bool = True,
) -> tuple[list[str], dict[str, str]]:
    """Return statements, and the gradient of each leaf that is wanted as an expression after them.

    With `is_careful`, 0/0 and 0 times infinity are 0, and a singular system has its shortest solution.
    Raises NotSupportedError where a call has no definition, or the code would be too long.
    """
    cotangent = point.cotangent.detach().clone()
    recorder = Recorder({upstream: cotangent})
    try:
        trace, made = _traced(point, names, recorder)
        with _recording(recorder):
            decomposition = decompose(careful(trace))
        _check(decomposition)
        derivations.request(decomposition.requests())
        with _recording(recorder):
            gradients = _gradients(decomposition, cotangent, derivations.known)
            found = {traced: _of(decomposition, made[traced], gradients) for traced in point.wanted}
        lines, texts = recorder.code([*found.values()], upstream, names.values(), is_careful=is_careful, folds=folds)
    except UndecidedError as error:
        raise NotSupportedError(str(error)) from None
    except REFUSALS as error:
        raise NotSupportedError(first_line(error)) from None
    return lines, dict(zip((names[traced] for traced in found), texts, strict=True))


def recorded_forward(point: Point, names: Mapping[TracedTensor, str], *, folds: bool = True) -> ForwardSource:
    """Return the code of a forward run, by the calls of PyTorch that each of its own is made of."""
    recorder = Recorder({})
    trace, _ = _traced(point, names, recorder)
    lines, (result,) = recorder.code([trace.output.tensor], next(iter(names.values())), names.values(), folds=folds)
    return ForwardSource(tuple(lines), result)


def _traced(
    point: Point, names: Mapping[TracedTensor, str], recorder: Recorder
) -> tuple[Trace, dict[TracedTensor, TracedTensor]]:
    """Return the program run once more, recorded, and which of its tensors stands for which."""
    values = {leaf: leaf.tensor.detach().clone() for leaf in point.trace.leaves}
    recorder.give({names[leaf]: value for leaf, value in values.items()})
    with double_precision(), recorder, recorder.of_program():
        return replayed(point.trace, names, values)


@contextmanager
def _recording(recorder: Recorder) -> Iterator[None]:
    with double_precision(), torch.no_grad(), recorder:
        yield


def _check(decomposition: Decomposition) -> None:
    reason = next((call.error for call in decomposition.calls if call.error is not None), None)
    if reason is not None:
        raise NotSupportedError(reason)


def _gradients(decomposition: Decomposition, cotangent: Tensor, known: Known) -> dict[Node, Tensor]:
    """Return what arrives at each node."""
    output = decomposition.nodes[decomposition.trace.output]
    values: dict[Node, Tensor] = dict(zip(parts(output), split(double(cotangent)), strict=True))
    for node in reversed(decomposition.tape.nodes):
        if node.error is not None and node in values:
            raise NotSupportedError(node.error)
        for edge in node.edges if node in values else ():
            found = _contribution(edge, values[node], known)
            if found is not None:
                values[edge.source] = values[edge.source] + found if edge.source in values else found
    return values


def _contribution(edge: Edge, cotangent: Tensor, known: Known) -> Tensor | None:
    """Return cotangent times local derivative for one operand; None if that is always 0."""
    answer = answered(edge, known)
    program = answer.adjoints[edge.name]
    if program.is_zero or not cotangent.numel():
        return None
    operands = edge.operands | scalars(edge.request)
    presented = edge.layout.result.apply(cotangent)
    if answer.system is not None:
        problem = Problem(answer.system, operands, presented)
        presented = -by_matrix(problem, presented, EVERYTHING)
    value = tensor_eval.evaluate(program, operands | {COTANGENT: presented})
    return edge.layout.views[edge.name].undo(value)


def _of(decomposition: Decomposition, traced: TracedTensor, values: Mapping[Node, Tensor]) -> Tensor:
    found = joined(decomposition.nodes[traced], values)
    return torch.zeros_like(traced.tensor) if found is None else found
