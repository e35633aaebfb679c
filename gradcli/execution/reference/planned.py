"""The definitions of a planned run's calls, worked out once: the ops on nodes that they come to, without their values.

A definition is read, and its ops are laid out in index notation, by shapes and dtypes. A second run on other numbers
does the same ops. What moves data at indices is traced each time, as indices are values. Where anything turns out
otherwise than planned, the run is decomposed as ever.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest
from gradcli.errors import GradcliError
from gradcli.execution.forward import tree
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.memory import limits_in_force
from gradcli.execution.forward.places import UnplacedError
from gradcli.execution.forward.plan import DiffersError
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.straight import OF_SHAPES
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor, replaced
from gradcli.execution.reference.decomposition import DecomposedCall, Decomposition, Inner, decompose
from gradcli.execution.reference.nodes import NODES, Node, nodes_in
from gradcli.execution.reference.planned_step import PlannedStep
from gradcli.execution.reference.steps import Step, Way
from gradcli.execution.reference.tape import Tape


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

    def again(self, call: TracedCall, tensors: list[Tensor]) -> list[Any]:
        """Return what the steps make in another run of the call; DiffersError if it is not as planned.

        `tensors` are those of the nodes on the tape, to which theirs are added.
        """
        known = replaced(call.result, lambda traced: traced.tensor.detach()) if self.goes_on else None
        found = [step.again(tensors, known) for step in self.steps]
        if self.is_entered:
            tensors += [double(output.tensor) for output in call.outputs]
        return found

    def numbered(self, start: int) -> tuple[list[tuple[int, PlannedStep]], int]:
        """Return the steps by the places of what they make, of which the first is given, and the next place."""
        steps = [step for step in self.steps for _ in step.made]
        stop = start + len(steps) + (len(self.outputs) if self.is_entered else 0)
        return [*enumerate(steps, start)], stop

    def enter(self, decomposition: Decomposition, call: TracedCall, found: Sequence[Any]) -> DecomposedCall:
        """Return the call by its definition, whose steps have made this, on the decomposition's tape."""
        tape, start = decomposition.tape, len(decomposition.tape.nodes)
        if self.goes_on:
            decomposition.shared.update(call.outputs)
        for step, made in zip(self.steps, found, strict=True):
            step.enter(tape, made)
        if self.is_entered:
            decomposition.entered(call, differentiable=False)
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
    requests: tuple[DerivativeRequest, ...]
    """What its derivatives are asked by."""
    is_told: bool
    """Whether all its edges are told by shapes and strides alone."""
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
        is_told = all(step.is_told for call in calls for step in call.steps)
        return PlannedDecomposition(tuple(calls), tuple(decomposition.requests()), is_told, None if reads else {})

    def again(self, trace: Trace, inner: Inner) -> Decomposition | None:
        """Return the decomposition of another run; None if it is not as planned."""
        calls = [call for call in trace.calls if call.outputs]
        try:
            with double_precision():
                tensors = [double(leaf.tensor) for leaf in trace.leaves]
                found = [planned.again(call, tensors) for call, planned in zip(calls, self.calls, strict=True)]
                decomposition = FilledDecomposition(self, trace, inner, tensors, found)
                if not self.is_told:
                    decomposition.fill()
        except (DiffersError, GradcliError, *REFUSALS):
            return None
        return decomposition


class FilledDecomposition(Decomposition):
    """The decomposition of a planned run, whose nodes are made when they are first asked for: hardly anyone does."""

    __slots__ = ("_found", "planned", "tensors")

    def __init__(
        self, planned: PlannedDecomposition, trace: Trace, inner: Inner, tensors: list[Tensor], found: list[list[Any]]
    ) -> None:
        self.planned, self.trace, self.inner, self.kept = planned, trace, inner, planned.kept
        self.tensors, self._found = tensors, found

    def __getattr__(self, name: str) -> Any:
        """Return what is not there before the nodes are."""
        if name not in {"tape", "nodes", "calls", "shared"}:
            raise AttributeError(name)
        self.fill()
        return getattr(self, name)

    def fill(self) -> None:
        """Put all that the run has made on a tape."""
        self.tape, self.nodes, self.calls, self.shared = Tape(), {}, [], set()
        for leaf, tensor in zip(self.trace.leaves, self.tensors, strict=False):
            self.enter(leaf, tensor)
        calls = [call for call in self.trace.calls if call.outputs]
        for call, planned, found in zip(calls, self.planned.calls, self._found, strict=True):
            self.calls.append(planned.enter(self, call, found))

    @property
    def traced(self) -> list[TracedTensor]:
        """Return the tensors that have nodes."""
        return [*self.trace.leaves, *(output for call in self.trace.calls for output in call.outputs)]

    def requests(self) -> list[DerivativeRequest]:
        """Return the signatures whose derivatives are needed, each once."""
        return [*self.planned.requests] if self.planned.is_told else super().requests()


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
