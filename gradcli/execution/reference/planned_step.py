"""One op of a planned run's definitions, without its values: done again on the tensors of another run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.forward import tree
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.places import UnplacedError, filled, placed
from gradcli.execution.forward.plan import DiffersError
from gradcli.execution.reference import supports
from gradcli.execution.reference.nodes import NODES, Edge, Node, nodes_in
from gradcli.execution.reference.steps import Definition, Step, Way, computed, made_by
from gradcli.execution.reference.tape import Tape, moved_by, note_kinks
from gradcli.ops.record import Op

Made = tuple[torch.Size, torch.dtype, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One op of a definition without its values: each has its place among the nodes of the tape."""

    op: Op
    way: Way
    call: BoundCall
    bound: Any
    result: Any
    is_known: bool
    has_indices: bool
    """Whether it has operands of whole numbers or truth values: their entries may say which are read, or how many."""
    definition: Definition | None
    """Of a node whose edges are told by shapes and strides alone: a primitive one, or a view of another's memory."""
    operands: tuple[tuple[str, int], ...]
    """By name, the places of what that is made of."""
    made: tuple[Made, ...]
    """What of each node that it adds is as planned."""
    has_support: bool | None
    """Whether the zeros of a constant are structural; None for what is not a single one."""

    @staticmethod
    def of(step: Step, places: Mapping[Node, int]) -> PlannedStep:
        """Return a step without its values; UnplacedError if it cannot be planned."""
        place = partial(placed, places=places, kinds=NODES)
        given, results = nodes_in([step.call.positional, step.call.keywords]), nodes_in(step.result)
        call = BoundCall(step.call.node, place(step.call.positional), place(step.call.keywords), {})
        definition, operands = _defined(step, results[0])
        has_indices = not all(one.tensor.is_floating_point() for one in given)
        made = [] if step.way is Way.KINKS else [_made(one.tensor) for one in results]
        is_one = step.way is Way.CONSTANT and step.result is results[0]
        has_support = results[0].support is not None if is_one else None
        return PlannedStep(step.op, step.way, call, place(dict(step.bound)), place(step.result), step.is_known,
                           has_indices, definition, tuple([(name, places[node]) for name, node in operands.items()]),
                           tuple(made), has_support)  # fmt: skip

    def again(self, tensors: list[Tensor], known: Any) -> Any:
        """Return what it makes of these tensors of a tape's nodes, and add that to them.

        DiffersError if it is of another kind. `known` is what PyTorch has computed.
        """
        if self.way is Way.KINKS:
            return None
        found, start = known if self.is_known else self._computed(tensors), len(tensors)
        tensors += [found] if isinstance(found, Tensor) else tree.tensors(found)
        if [_made(tensor) for tensor in tensors[start:]] != [*self.made]:
            raise DiffersError
        if self.definition is not None and self.way is Way.MOVED:
            ((_, source),) = self.operands
            if found.data_ptr() != tensors[source].data_ptr():
                raise DiffersError
        return found

    def enter(self, tape: Tape, found: Any) -> None:
        """Put what it has made on a tape, beside the nodes that it is made of."""
        nodes = tape.nodes
        if self.definition is not None:
            self._connect(self.definition, tape, found)
        elif self.way is Way.KINKS:
            note_kinks(self.op, filled(self.bound, nodes), filled(self.result, nodes))
        elif self.way is Way.MOVED:
            tape.moved(self.op, self._call(nodes), filled(self.bound, nodes), found)
        else:
            self._enter(tape, found)

    @property
    def is_told(self) -> bool:
        """Return whether its edges, if it has any, are told by shapes and strides alone."""
        return self.definition is not None or self.way is not Way.MOVED

    def _enter(self, tape: Tape, found: Any) -> None:
        """Put a constant on the tape."""
        bound = filled(self.bound, tape.nodes)
        if self.has_support is None or not isinstance(found, Tensor):
            tape.entered(self.op, bound, found)
            return
        node = made_by(tape.enter(found, differentiable=False), self.op, bound)
        node.support = supports.of_constant(node) if self.has_support else None

    def _call(self, nodes: Sequence[Node]) -> BoundCall:
        call = self.call
        return BoundCall(call.node, filled(call.positional, nodes), filled(call.keywords, nodes), {})

    def _computed(self, tensors: Sequence[Tensor]) -> Any:
        keywords = filled(self.call.keywords, tensors) if self.call.keywords else {}
        return computed(self.op, filled(self.call.positional, tensors), keywords, checked=self.has_indices)

    def _connect(self, definition: Definition, tape: Tape, result: Tensor) -> None:
        """Put a node on the tape, with its edges."""
        nodes = tape.nodes
        operands = {name: nodes[place] for name, place in self.operands}
        if self.way is Way.PRIMITIVE:
            made_by(tape.defined(definition, operands, result), self.op, operands)
        else:
            node = tape.node(result, (definition.view(operands["input"]),))
            moved_by(node, self.op, self._call(nodes), filled(self.bound, nodes), 0)


def _made(tensor: Tensor) -> Made:
    return tensor.shape, tensor.dtype, tensor.stride()


def _defined(step: Step, node: Any) -> tuple[Definition | None, dict[str, Node]]:
    """Return what a node is, and its operands, if its edges are told by shapes and strides alone."""
    if not isinstance(node, Node):
        raise UnplacedError
    edges, origin = node.edges, node.origin
    if step.way is Way.PRIMITIVE:
        operands = dict(origin[1])
    elif step.way is Way.MOVED and len(edges) == 1 and _is_view(edges[0], node):
        operands = {"input": edges[0].source}
    else:
        return None, {}
    return Definition(edges[0].request, edges[0].layout, tuple([edge.name for edge in edges])), operands


def _is_view(edge: Edge, node: Node) -> bool:
    """Tell whether a node's tensor is a view of all of another one's memory: what was read at indices is a copy."""
    one, other = node.tensor, edge.source.tensor
    is_whole = one.numel() == other.numel() > 0 and edge.operands.keys() == {"input"}
    return is_whole and one.data_ptr() == other.data_ptr()
