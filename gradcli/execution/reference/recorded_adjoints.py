"""The backward pass as nodes on a tape of its own, so that gradients are differentiated again like any other value.

A contribution (cotangent times local derivative) is a node whose definition is the vector-Jacobian product of the
original definition: an entry that reads one operand more, the cotangent. An implicit definition's adjoint
system is an implicit definition again, and the contribution is explicit in its solution. Nothing is derived by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest, Derived, cotangent_name, solution_name
from gradcli.execution.forward.finite import has_nan
from gradcli.execution.reference.adjoints import Adjoints, answered, pulled_back, scalars
from gradcli.execution.reference.layout import AxisView, Layout, reshaped
from gradcli.execution.reference.nodes import Edge, Node
from gradcli.execution.reference.systems.solve import solve
from gradcli.execution.reference.tape import Tape

CHOICE = "a gradient passes a kink, where autograd makes a choice: that has no derivative"
STANDS_IN = "a symbolic first derivative is NaN here, and the number that stands in for it is not differentiated again"


@dataclass(slots=True)
class RecordedAdjoints(Adjoints):
    """Adjoints that are nodes of `tape`, too; `nodes` has them by the node whose adjoint they are."""

    tape: Tape = field(default_factory=Tape)
    nodes: dict[Node, Node] = field(default_factory=dict)
    _solutions: dict[Node, Node] = field(default_factory=dict)

    def begin(self, node: Node, cotangent: Tensor) -> Node:
        """Return the cotangent that everything begins with, as a node."""
        recorded: Node = self.tape.enter(cotangent, differentiable=True)
        self.meet(node, recorded)
        return recorded

    def contribute(self, node: Node, edge: Edge, derived: Mapping[DerivativeRequest, Derived]) -> None:
        """Add what a node contributes along one of its edges; UndecidedError if there is no derivative."""
        answer = answered(edge, derived)
        if answer.adjoints[edge.name].is_zero:
            return
        local = _Local(node, edge, self.nodes[node], answer)
        if answer.system is not None:
            local = replace(local, cotangent=self._solution(local))
        self.meet(edge.source, self._product(local))

    def within(self, values: Mapping[Node, Tensor]) -> RecordedAdjoints:
        """Return adjoints to work on apart, of some nodes to begin with."""
        nodes = {node: self.nodes[node] for node in values}
        return RecordedAdjoints(dict(values), self.perturb, tape=self.tape, nodes=nodes)

    def take(self, node: Node, local: Adjoints) -> None:
        """Add a node's adjoint that was worked out apart; one that was chosen at a kink is not differentiated."""
        assert isinstance(local, RecordedAdjoints)  # noqa: S101 (`within` made it)
        recorded, value = local.nodes.get(node), local.values[node]
        if recorded is None or not (recorded.tensor is value or torch.equal(recorded.tensor, value)):
            made_nan = recorded is not None and has_nan(recorded.tensor)
            recorded = self.tape.node(value, ())
            recorded.error = STANDS_IN if made_nan else CHOICE
            recorded.blocked = tuple(dict.fromkeys([*local.nodes, *local.nodes.values()]))
        self.meet(node, recorded)

    def meet(self, node: Node, recorded: Node) -> None:
        """Add a contribution that is a node: where paths meet, adjoints add up."""
        known = self.nodes.get(node)
        self.nodes[node] = recorded if known is None else self.tape.add(known, recorded)
        self.values[node] = self.nodes[node].tensor

    def _product(self, local: _Local) -> Node:
        """Return a contribution, whose edges go to all that it depends on."""
        edge = local.edge
        presented = local.view.apply(local.cotangent.tensor)
        name = cotangent_name(local.level)
        value, is_finite = pulled_back(edge, presented, local.answer, self.perturb)
        self.is_finite = self.is_finite and is_finite
        shown = local.layout({name: local.view}, edge.layout.views[edge.name])
        operands = edge.operands | {name: presented}
        sources = local.sources | {name: local.cotangent}
        return self.tape.node(value, _edges(sources, local.pulled_back_by(edge.name), shown, operands))

    def _solution(self, local: _Local) -> Node:
        """Return the solution of an implicit definition's adjoint system; the edges of one node share it."""
        node, edge = local.node, local.edge
        if node not in self._solutions:
            assert local.answer.system is not None  # noqa: S101 (the caller looked)
            presented = edge.layout.result.apply(local.cotangent.tensor)
            solution = -solve(local.answer.system, presented, edge.operands | scalars(edge.request))
            given, unknown = cotangent_name(local.level), solution_name(local.level)
            whole = _whole(solution)
            shown = local.layout({given: edge.layout.result, unknown: whole}, whole)
            operands = edge.operands | {given: presented, unknown: solution}
            sources = local.sources | {given: local.cotangent}
            assert edge.request.solved_for is not None  # noqa: S101 (it has a system)
            pulled_back_by = local.pulled_back_by(edge.request.solved_for)
            self._solutions[node] = self.tape.node(solution, _edges(sources, pulled_back_by, shown, operands))
        return self._solutions[node]


@dataclass(frozen=True, slots=True)
class _Local:
    """One node, one of its edges, and what arrives there: the cotangent, or the adjoint system's solution."""

    node: Node
    edge: Edge
    cotangent: Node
    answer: Derived

    @property
    def level(self) -> int:
        """Return the order of the derivative."""
        return len(self.edge.request.pulled_back_by) + 1

    @property
    def view(self) -> AxisView:
        """Return how the definition sees what arrives."""
        return self.edge.layout.result if self.answer.system is None else _whole(self.cotangent.tensor)

    @property
    def sources(self) -> dict[str, Node]:
        """Return the differentiable operands of the definition by name; the unknown is the node itself."""
        found = {other.name: other.source for other in self.node.edges if other.layout is self.edge.layout}
        unknown = self.edge.request.solved_for
        return found | ({unknown: self.node} if unknown else {})

    def pulled_back_by(self, name: str) -> DerivativeRequest:
        """Return the signature of the adjoint with respect to an operand."""
        request = self.edge.request
        return replace(request, pulled_back_by=(*request.pulled_back_by, name))

    def layout(self, further: Mapping[str, AxisView], result: AxisView) -> Layout:
        """Return how the adjoint's operands and result are shown to its definition."""
        shown = self.edge.layout
        return replace(shown, views={**shown.views, **further}, result=result)


def _edges(
    sources: Mapping[str, Node], request: DerivativeRequest, shown: Layout, operands: dict[str, Tensor]
) -> tuple[Edge, ...]:
    return tuple(Edge(source, replace(request, wrt=(name,)), name, shown, operands) for name, source in sources.items())


def _whole(tensor: Tensor) -> AxisView:
    return reshaped(tuple(tensor.shape), tuple(tensor.shape))


def leading_to(nodes: Iterable[Node], targets: Iterable[Node]) -> set[Node]:
    """Return the targets and those of the nodes, given in the order in which they were made, that depend on any."""
    found = set(targets)
    for node in nodes:
        if not found.isdisjoint(node.sources):
            found.add(node)
    return found
