"""The way back of a planned run, worked out once: which derivatives pull which adjoints back, and where they add up.

Layouts, lengths and the derivatives themselves are the same in a second run on other numbers. Where there may be a kink
or a system to solve, where something on the way is not finite, or anything turns out otherwise than planned, the run is
taken back as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import torch
from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest, Derived
from gradcli.derivation.tensor_program import COTANGENT
from gradcli.errors import GradcliError
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.finite import all_finite
from gradcli.execution.forward.plan import DiffersError
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.adjoints import scalars
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.liveness import lives
from gradcli.execution.reference.planned import FilledDecomposition, PlannedDecomposition, PlannedDefinition
from gradcli.execution.reference.planned_step import PlannedStep
from gradcli.execution.reference.pullback import Derivatives, Reference, differentiate
from gradcli.execution.reference.steps import Definition, Way
from gradcli.execution.reference.tensor_eval import fixed

# Makes a contribution of an adjoint and of the tensors of all nodes.
Pull = Callable[[Tensor, Sequence[Tensor]], Tensor]


class UnplannedError(Exception):
    """There is no plan of the way back."""


class Into(Enum):
    """How a contribution is added to what is there."""

    FIRST = auto()
    """Nothing is."""
    BOTH = auto()
    """To a new tensor."""
    KNOWN = auto()
    """In place: nothing else reads what is there."""
    ADDED = auto()
    """In place of the contribution, likewise."""


@dataclass(frozen=True, slots=True)
class PlannedEdge:
    """One edge, from a node back to an operand, without values."""

    source: int
    """The place of the node."""
    target: int
    """That of the operand."""
    pull: Pull
    into: Into
    is_last: bool
    """Whether nothing reads the node's adjoint after it."""


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call's cotangents taken back through its definition, without values."""

    reached: tuple[int, ...]
    """The places of the nodes where they arrive."""
    edges: tuple[PlannedEdge, ...]
    passed: tuple[tuple[int, Into], ...]
    """The operands that get contributions, and how these are added to those of later calls."""


@dataclass(frozen=True, slots=True)
class PlannedPullback:
    """The way back of a planned run without its values."""

    calls: tuple[PlannedCall, ...]
    """From the last to the first."""
    answers: tuple[tuple[DerivativeRequest, Derived], ...]
    """The derivatives that it goes by."""
    places: tuple[int, ...]
    """The nodes of the leaves and of what calls make, in the order of the trace."""
    output: int
    """That of the output."""

    @staticmethod
    def of(decomposition: FilledDecomposition, derived: Derivatives) -> PlannedPullback | None:
        """Return the way back without values; None if it has no plan."""
        planned, leaves = decomposition.planned, len(decomposition.trace.leaves)
        places = [*range(leaves), *(place for call in planned.calls for place in call.outputs)]
        output = places[decomposition.traced.index(decomposition.trace.output)]
        try:
            calls = _calls_behind(output, planned, leaves, derived)
        except UnplannedError:
            return None
        answers = tuple([(request, derived[request]) for request in planned.requests])
        return PlannedPullback(calls, answers, tuple(places), output)

    def again(self, decomposition: FilledDecomposition, cotangent: Tensor, derived: Derivatives) -> Reference | None:
        """Return the gradients of another run; None if they are not as planned."""
        if any(derived.get(request) is not answer for request, answer in self.answers):
            return None
        adjoints = {self.output: double(cotangent)}
        try:
            with double_precision(), torch.no_grad():
                for call in self.calls:
                    _pull_back(call, adjoints, decomposition.tensors)
        except (DiffersError, GradcliError, *REFUSALS):
            return None
        values = dict[TracedTensor, Tensor]()
        for traced, place in zip(decomposition.traced, self.places, strict=True):
            tensor = decomposition.tensors[place]
            if tensor.is_floating_point():  # integers and truth values have no gradient
                values[traced] = adjoints[place] if place in adjoints else torch.zeros_like(tensor)
        return Reference(values)


def differentiated(decomposition: Decomposition, cotangent: Tensor, derived: Derivatives) -> Reference:
    """Return the gradient of every traced tensor, as `differentiate` gives it: by its plan, if it has one."""
    kept = decomposition.kept
    if kept is None or not isinstance(decomposition, FilledDecomposition):
        return differentiate(decomposition, cotangent, derived)
    planned = kept.get(PlannedPullback)
    found = None if planned is None else planned.again(decomposition, cotangent, derived)
    if found is not None:
        return found
    reference = differentiate(decomposition, cotangent, derived)
    if (PlannedPullback not in kept or planned is not None) and not reference.undecided:
        kept[PlannedPullback] = PlannedPullback.of(decomposition, derived)
    return reference


def _pull_back(call: PlannedCall, adjoints: dict[int, Tensor], tensors: Sequence[Tensor]) -> None:
    """Take what has arrived at a call back to its operands."""
    local = {place: adjoints[place] for place in call.reached}
    for edge in call.edges:
        cotangent = local.pop(edge.source) if edge.is_last else local[edge.source]
        _add(local, edge.target, edge.pull(cotangent, tensors), edge.into)
    for place, into in call.passed:
        _add(adjoints, place, local[place], into)


def _add(adjoints: dict[int, Tensor], place: int, contribution: Tensor, into: Into) -> None:
    """Add a contribution, in the way in which `Adjoints.add` does."""
    if into is Into.FIRST:
        adjoints[place] = contribution
        return
    known = adjoints[place]
    if into is Into.BOTH or known.dtype != contribution.dtype:
        adjoints[place] = known + contribution
    else:
        adjoints[place] = known.add_(contribution) if into is Into.KNOWN else contribution.add_(known)


def _calls_behind(
    output: int, planned: PlannedDecomposition, leaves: int, derived: Derivatives
) -> tuple[PlannedCall, ...]:
    """Return the calls that the output's cotangent comes to, from the last to the first."""
    if not planned.is_told or any(step.way is Way.KINKS for call in planned.calls for step in call.steps):
        raise UnplannedError
    made, stop = list[tuple[PlannedDefinition, list[tuple[int, PlannedStep]]]](), leaves
    for call in planned.calls:
        numbered, stop = call.numbered(stop)
        made.append((call, numbered))
    adjoints, found = {output: False}, []
    for call, steps in reversed(made):
        reached = tuple([place for place in call.own if place in adjoints])
        if reached:
            local = dict.fromkeys(reached, False)
            edges = [edge for place, step in reversed(steps) for edge in _edges(place, step, local, derived)]
            passed = [place for place in call.operands if place in local and place not in reached]
            into = tuple([(place, _into(adjoints, place, fresh=local[place])) for place in passed])
            found.append(PlannedCall(reached, tuple(edges), into))
    return tuple(found)


def _edges(place: int, step: PlannedStep, local: dict[int, bool], derived: Derivatives) -> list[PlannedEdge]:
    """Return the edges along which a node's adjoint contributes to others, if it has one.

    `local` are the adjoints that are there, and whether nothing else reads each.
    """
    if place not in local or step.definition is None:
        return []
    answer, operands = derived[step.definition.request], dict(step.operands)
    if answer.error is not None or answer.system is not None:
        raise UnplannedError
    names = [name for name in step.definition.wrt if not answer.adjoints[name].is_zero]
    return [
        PlannedEdge(
            place,
            operands[name],
            _pull(step.definition, operands, name, answer),
            _into(local, operands[name], fresh=lives(answer.adjoints[name]).fresh),
            name == names[-1],
        )
        for name in names
    ]


def _into(adjoints: dict[int, bool], place: int, *, fresh: bool) -> Into:
    """Return how a contribution is added, and note that it is there; nothing else reads one that is `fresh`."""
    if place not in adjoints:
        adjoints[place] = fresh
        return Into.FIRST
    known, adjoints[place] = adjoints[place], True
    return Into.KNOWN if known else Into.ADDED if fresh else Into.BOTH


def _pull(definition: Definition, operands: Mapping[str, int], name: str, answer: Derived) -> Pull:
    """Return what pulls an adjoint back along an edge; DiffersError if it makes what is not finite."""
    program, shown, view = answer.adjoints[name], definition.shown.result, definition.shown.views[name]
    shapes = {own: seen.shape for own, seen in definition.shown.views.items()} | {COTANGENT: shown.shape}
    run = fixed(program, shapes)
    used = {program.result, *(value for step in program.steps for value in step.inputs)}
    reads = [_read(definition, operands, own) if at in used else None for at, own in enumerate(program.operands)]

    def pull(cotangent: Tensor, tensors: Sequence[Tensor]) -> Tensor:
        presented = cotangent if shown.is_whole else shown.apply(cotangent)
        value = run([None if read is None else read(presented, tensors) for read in reads])
        if not all_finite(value):
            raise DiffersError
        return value if view.is_whole else view.undo(value)

    return pull


def _read(definition: Definition, operands: Mapping[str, int], name: str) -> Pull:
    """Return what reads an operand of a derivative."""
    if name == COTANGENT:
        return lambda cotangent, _: cotangent
    if name in operands:
        place = operands[name]
        return lambda _, tensors: definition.presented(name, tensors[place])
    number = scalars(definition.request)[name]
    return lambda _, __: number
