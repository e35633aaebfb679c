"""Reverse accumulation over the tape: every node's adjoint, by derivatives that sympy derived from the definitions."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest, Derived
from gradcli.derivation.tensor_program import COTANGENT
from gradcli.errors import LimitError, out_of_memory
from gradcli.execution.reference import dependence
from gradcli.execution.reference.liveness import lives
from gradcli.execution.reference.nodes import Edge, Node
from gradcli.execution.reference.systems.problem import UndecidedError
from gradcli.execution.reference.tensor_eval import Perturbation, identity


@dataclass(slots=True)
class Adjoints:
    """Adjoints by node."""

    values: dict[Node, Tensor] = field(default_factory=dict)
    perturb: Perturbation = identity
    """Changes every value on the way, so that rounding can be measured."""
    undecided: dict[Node, str] = field(default_factory=dict)
    """Why a node has no adjoint: a derivative is missing."""
    fresh: set[Node] = field(default_factory=set)
    """Nodes whose adjoints are tensors that nothing else reads, so that more is added in place."""
    is_finite: bool = True
    """Whether each contribution is known to be finite: what is added up of such ones is not NaN."""

    def add(self, node: Node, contribution: Tensor, *, fresh: bool = False) -> None:
        """Add a contribution: where paths meet, adjoints add up. Nothing else reads one that is `fresh`."""
        known = self.values.get(node)
        if known is None:
            self.values[node] = contribution
        elif known.dtype != contribution.dtype or not (fresh or node in self.fresh):
            self.values[node], fresh = known + contribution, True
        else:
            self.values[node] = known.add_(contribution) if node in self.fresh else contribution.add_(known)
            fresh = True
        if fresh:
            self.fresh.add(node)

    def contribute(self, node: Node, edge: Edge, derived: Mapping[DerivativeRequest, Derived]) -> None:
        """Add what a node contributes along one of its edges; UndecidedError if there is no derivative."""
        answer = answered(edge, derived)
        program = answer.adjoints[edge.name]
        if not program.is_zero:
            found, is_finite = _contribution(edge, self.values[node], answer, self.perturb)
            self.is_finite = self.is_finite and is_finite
            self.add(edge.source, found, fresh=lives(program).fresh)

    def within(self, values: Mapping[Node, Tensor]) -> Adjoints:
        """Return adjoints to work on apart, of some nodes to begin with."""
        return Adjoints(dict(values), self.perturb)

    def take(self, node: Node, local: Adjoints) -> None:
        """Add a node's adjoint that was worked out apart."""
        self.add(node, local.values[node], fresh=node in local.fresh)

    def fail(self, node: Node, reason: str) -> None:
        """Note that a node has no adjoint; the first reason stays."""
        self.undecided.setdefault(node, reason)


def accumulate(
    nodes: Iterable[Node],
    adjoints: Adjoints,
    derived: Mapping[DerivativeRequest, Derived],
    wanted: Container[Node] | None = None,
    kept: Container[Node] | None = None,
) -> None:
    """Go through nodes from the last to the first and add each one's contributions to its operands' adjoints.

    `wanted` limits that to some operands. An adjoint that has been passed on is dropped unless it is among the `kept`.
    """
    for node in reversed(list(nodes)):
        reason = adjoints.undecided.get(node) or (node.error if node in adjoints.values else None)
        if reason is not None:
            for source in node.sources:
                adjoints.fail(source, reason)
        elif node in adjoints.values:
            for edge in node.edges:
                if wanted is None or edge.source in wanted:
                    _contribute(node, edge, adjoints, derived)
        if kept is not None and node not in kept:
            adjoints.values.pop(node, None)


def _contribute(node: Node, edge: Edge, adjoints: Adjoints, derived: Mapping[DerivativeRequest, Derived]) -> None:
    try:
        adjoints.contribute(node, edge, derived)
    except (UndecidedError, LimitError) as error:
        adjoints.fail(edge.source, str(error))
    except (RuntimeError, MemoryError) as error:
        lacking = out_of_memory(error)
        if lacking is None:
            raise
        adjoints.fail(edge.source, str(lacking))


def contribution(
    edge: Edge, cotangent: Tensor, derived: Mapping[DerivativeRequest, Derived], perturb: Perturbation = identity
) -> Tensor | None:
    """Return cotangent times local derivative for one operand, a tensor of its shape; None if that is always 0."""
    answer = answered(edge, derived)
    return None if answer.adjoints[edge.name].is_zero else _contribution(edge, cotangent, answer, perturb)[0]


def _contribution(edge: Edge, cotangent: Tensor, answer: Derived, perturb: Perturbation) -> tuple[Tensor, bool]:
    """Return cotangent times local derivative, and whether it is known to be finite."""
    shown = edge.layout.result
    presented = cotangent if shown.is_whole else shown.apply(cotangent)
    if answer.system is not None:
        presented = -edge.last_system.solve(answer.system, presented, edge.operands | scalars(edge.request))
    return pulled_back(edge, presented, answer, perturb)


def answered(edge: Edge, derived: Mapping[DerivativeRequest, Derived]) -> Derived:
    """Return the derivatives that an edge asks for; UndecidedError says why there are none."""
    answer = derived[edge.request]
    if answer.error is not None:
        raise UndecidedError(answer.error)
    return answer


def pulled_back(
    edge: Edge, cotangent: Tensor, answer: Derived, perturb: Perturbation = identity
) -> tuple[Tensor, bool]:
    """Return the vector-Jacobian product of one operand, and whether it is known to be finite.

    `cotangent` is as the definition sees it.
    """
    program = answer.adjoints[edge.name]
    operands = {**edge.operands, COTANGENT: cotangent}
    if not operands.keys() >= {*program.operands}:
        operands = scalars(edge.request) | operands
    value, is_finite = dependence.evaluate(program, operands, edge.supports, perturb)
    shown = edge.layout.views[edge.name]
    return value if shown.is_whole else shown.undo(value), is_finite


def scalars(request: DerivativeRequest) -> dict[str, Tensor]:
    """Return the numeric parameters as tensors: a derivative reads those that sympy had to keep as symbols."""
    return {
        name: torch.tensor(value, dtype=torch.float64)
        for name, value in request.numbers
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
