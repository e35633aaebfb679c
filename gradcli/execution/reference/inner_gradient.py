"""A gradient that code asks for while it runs, as a gradient penalty does: as nodes, to be differentiated again.

It is what `pullback` makes of the calls so far, recorded on the tape of the program itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.errors import NotSupportedError
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.trace import InnerGradient, TracedTensor
from gradcli.execution.reference.decomposition import DecomposedCall, Decomposition, Inner
from gradcli.execution.reference.nodes import ComplexNode, Node, parts
from gradcli.execution.reference.pullback import Reference, decide_kinks, pass_on, pull_back_call
from gradcli.execution.reference.recorded_adjoints import RecordedAdjoints, leading_to

COMPLEX = "a gradient of complex numbers that the code itself asks for has no symbolic definition yet"


def differentiating(derivations: Derivations) -> Inner:
    """Return what derives the gradients that code asks for."""
    return lambda decomposition, inner: _gradients(decomposition, inner, derivations)


def _gradients(decomposition: Decomposition, inner: InnerGradient, derivations: Derivations) -> Sequence[Node]:
    """Return the gradients as nodes of the tape, one an input; NotSupportedError where there is none."""
    inputs = [_real(decomposition, traced) for traced in inner.inputs]
    on_the_way = leading_to(decomposition.tape.nodes, inputs)
    recording = RecordedAdjoints(perturb=decomposition.tape.perturb, tape=decomposition.tape)
    for output, upstream in zip(inner.outputs, inner.upstream, strict=True):
        node = _real(decomposition, output)
        recording.meet(node, _upstream(decomposition, node, upstream))
    calls = [call for call in decomposition.calls if not on_the_way.isdisjoint(_made(decomposition, call))]
    derivations.request(dict.fromkeys(edge.request for call in calls for node in call.nodes for edge in node.edges))
    with double_precision(), torch.no_grad():
        for call in reversed(calls):
            local = pull_back_call(call, recording, derivations.known)
            if local is not None:
                decide_kinks(decomposition, local, Reference())
                pass_on(local, recording)
    return [_found(decomposition, recording, node) for node in inputs]


def _made(decomposition: Decomposition, call: DecomposedCall) -> list[Node]:
    return [node for traced in call.call.outputs for node in parts(decomposition.nodes[traced])]


def _real(decomposition: Decomposition, traced: TracedTensor) -> Node:
    node: Node | ComplexNode = decomposition.nodes[traced]
    if isinstance(node, ComplexNode):
        raise NotSupportedError(COMPLEX)
    return node


def _upstream(decomposition: Decomposition, output: Node, upstream: TracedTensor | None) -> Node:
    if upstream is not None:
        return _real(decomposition, upstream)
    return _constant(decomposition, torch.ones_like(output.tensor))


def _found(decomposition: Decomposition, recording: RecordedAdjoints, node: Node) -> Node:
    if node in recording.undecided:
        raise NotSupportedError(recording.undecided[node])
    found = recording.nodes.get(node)
    return _constant(decomposition, torch.zeros_like(node.tensor)) if found is None else found


def _constant(decomposition: Decomposition, tensor: Tensor) -> Any:
    return decomposition.tape.enter(tensor, differentiable=False)
