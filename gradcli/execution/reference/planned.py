"""The definitions of a planned run's calls, worked out once: the ops on nodes that they come to, without their values.

A definition is read, and its ops are laid out in index notation, by shapes and dtypes. A second run on other numbers
does the same ops. What moves data at indices is traced each time, as indices are values. Where anything turns out
otherwise than planned, the run is decomposed as ever.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.forward import tree
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.memory import limits_in_force
from gradcli.execution.forward.places import UnplacedError, filled, placed
from gradcli.execution.forward.plan import DiffersError
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.straight import OF_SHAPES
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor, replaced
from gradcli.execution.reference import supports
from gradcli.execution.reference.decomposition import DecomposedCall, Decomposition, Inner, decompose
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

    def again(self, tape: Tape, tensors: list[Tensor], known: Any) -> None:
        """Do it on the nodes of a tape, which have these tensors; DiffersError if what it makes is of another kind."""
        if self.definition is not None:
            found = known if self.is_known else self._computed(tensors)
            if not isinstance(found, Tensor) or _made(found) != self.made[0]:
                raise DiffersError
            self._connect(self.definition, tape, found)
            tensors.append(found)
            return
        nodes, start = tape.nodes, len(tensors)
        if self.way is Way.KINKS:
            note_kinks(self.op, filled(self.bound, nodes), filled(self.result, nodes))
        elif self.way is Way.MOVED:
            tape.moved(self.op, self._call(nodes), filled(self.bound, nodes), known if self.is_known else None)
        else:
            self._enter(tape, known if self.is_known else self._computed(tensors))
        tensors += [node.tensor for node in nodes[start:]]
        if [_made(tensor) for tensor in tensors[start:]] != [*self.made]:
            raise DiffersError

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
        elif result.data_ptr() != operands["input"].tensor.data_ptr():
            raise DiffersError
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


@dataclass(frozen=True, slots=True)
class PlannedDefinition:
    """The definition of one call without its values."""

    steps: tuple[PlannedStep, ...]
    outputs: tuple[int, ...]
    """The nodes of the call's outputs, by their places on the tape."""
    goes_on: bool
    """Whether it goes on from what PyTorch computed."""
    is_entered: bool
    """Whether the outputs are made of nothing."""
    operands: tuple[int, ...]
    """What it depends on, likewise."""
    own: tuple[int, ...]
    """What it made, likewise."""

    @staticmethod
    def of(group: DecomposedCall, known: Mapping[TracedTensor, Any], places: Mapping[Node, int]) -> PlannedDefinition:
        """Return the definition of a call without its values; UnplacedError if it cannot be planned."""
        if group.error is not None or group.call.op.signs or group.call.op.ordered:
            raise UnplacedError
        steps = [step for step in group.steps if _makes_nodes(step)]
        planned = tuple([PlannedStep.of(step, places) for step in steps])
        outputs, made = [known[output] for output in group.call.outputs], {*nodes_in([step.result for step in steps])}
        goes_on = any(step.is_known for step in steps)
        around = [tuple([places[node] for node in nodes]) for nodes in (outputs, group.operands, group.own)]
        return PlannedDefinition(planned, around[0], goes_on, not made >= {*outputs}, *around[1:])

    def again(self, decomposition: Decomposition, call: TracedCall, tensors: list[Tensor]) -> DecomposedCall:
        """Return a call of another run by its definition; DiffersError if it is not as planned.

        `tensors` are those of the nodes on the tape.
        """
        tape, start, known = decomposition.tape, len(tensors), None
        if self.goes_on:
            known = replaced(call.result, lambda traced: traced.tensor.detach())
            decomposition.shared.update(call.outputs)
        for step in self.steps:
            step.again(tape, tensors, known)
        if self.is_entered:
            tensors += [node.tensor for node in decomposition.entered(call, differentiable=False)]
        nodes = tape.nodes
        decomposition.note(call, [nodes[place] for place in self.outputs])
        operands, own = [nodes[place] for place in self.operands], [nodes[place] for place in self.own]
        return DecomposedCall(call, tuple(nodes[start:]), operands, own)


def _makes_nodes(step: Step) -> bool:
    """Tell whether a step makes nodes; UnplacedError where it makes a number of entries too, which may have decided."""
    made, given = tree.leaves(step.result), nodes_in([step.call.positional, step.call.keywords])
    if given and step.op.name not in OF_SHAPES and not all(isinstance(one, NODES) for one in made):
        raise UnplacedError
    return any(isinstance(one, NODES) for one in made)


@dataclass(frozen=True, slots=True)
class PlannedDecomposition:
    """The decomposition of a planned run without its values."""

    calls: tuple[PlannedDefinition, ...]
    kept: dict[Hashable, Any] | None
    """What is worked out of such a decomposition later, by who does so; it holds no values either. None where entries
    say which others are read."""

    def __len__(self) -> int:
        """Return how many ops it has."""
        return sum(len(call.steps) for call in self.calls)

    @staticmethod
    def of(decomposition: Decomposition) -> PlannedDecomposition | None:
        """Return a decomposition without its values; None if they may have decided something."""
        if not decomposition.tape.is_straight or decomposition.is_complex:
            return None
        places = {node: place for place, node in enumerate(decomposition.tape.nodes)}
        try:
            calls = [PlannedDefinition.of(group, decomposition.nodes, places) for group in decomposition.calls]
        except UnplacedError:
            return None
        reads = any(step.way is Way.MOVED and step.has_indices for call in calls for step in call.steps)
        return PlannedDecomposition(tuple(calls), None if reads else {})

    def again(self, trace: Trace, inner: Inner) -> Decomposition | None:
        """Return the decomposition of another run; None if it is not as planned."""
        decomposition = Decomposition(trace, Tape(), inner=inner, kept=self.kept)
        try:
            with double_precision():
                for leaf in trace.leaves:
                    decomposition.enter(leaf, double(leaf.tensor))
                calls = [call for call in trace.calls if call.outputs]
                tensors = [node.tensor for node in decomposition.tape.nodes]
                for call, planned in zip(calls, self.calls, strict=True):
                    decomposition.calls.append(planned.again(decomposition, call, tensors))
        except (DiffersError, GradcliError, *REFUSALS):
            return None
        return decomposition


def decomposed(trace: Trace, inner: Inner) -> Decomposition:
    """Return the trace's definitions, as `decompose` gives them: by what was planned, if the run has a plan."""
    if trace.plan is None:
        return decompose(trace, inner=inner)
    kept, key = trace.plan.further, (PlannedDecomposition, limits_in_force())
    planned = kept.get(key)
    found = planned.again(trace, inner) if isinstance(planned, PlannedDecomposition) else None
    if found is None:
        found = decompose(trace, inner=inner)
        kept.setdefault(key, PlannedDecomposition.of(found) or ())
    return found
