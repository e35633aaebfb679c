"""Derivatives of gradients: the gradient of every traced tensor as a node, and what is derived from these nodes.

A gradient Jᵀu is linear in u, so that the derivative of v·Jᵀu with respect to u is Jv: forward mode needs no rules of
its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.adjoints import Adjoints, accumulate
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.nodes import Node, parts, split
from gradcli.execution.reference.pullback import Reference, pull_back
from gradcli.execution.reference.recorded_adjoints import RecordedAdjoints, leading_to
from gradcli.execution.reference.systems.problem import UndecidedError

COMPLEX = "a Jacobian-vector product of a complex output is not supported yet"


@dataclass(slots=True)
class LargestContribution(Adjoints):
    """Adjoints that note, in a list of one, the size of the largest contribution: rounding is relative to it."""

    largest: list[float] = field(default_factory=lambda: [0.0])

    def add(self, node: Node, contribution: Tensor, *, fresh: bool = False) -> None:
        """Add a contribution."""
        self.largest[0] = max(self.largest[0], largest(contribution))
        Adjoints.add(self, node, contribution, fresh=fresh)

    def within(self, values: Mapping[Node, Tensor]) -> LargestContribution:
        """Return adjoints to work on apart, of some nodes to begin with."""
        return LargestContribution(dict(values), self.perturb, largest=self.largest)


def largest(value: Tensor) -> float:
    """Return the largest magnitude among the finite entries."""
    size = value.abs().reshape(-1)
    most = float(size.max()) if size.numel() else 0.0
    return most if math.isfinite(most) else max(size[size.isfinite()].tolist(), default=0.0)


@dataclass(frozen=True, slots=True)
class GradientNodes:
    """The gradient of every traced tensor: its value in `reference`, and as a node of `recording`.

    `scale` has the size of the largest contribution to anything that was derived from them.
    """

    decomposition: Decomposition
    reference: Reference
    recording: RecordedAdjoints
    cotangent: Node
    derivations: Derivations
    scale: list[float] = field(default_factory=lambda: [0.0])

    @staticmethod
    def of(decomposition: Decomposition, cotangent: Tensor, derivations: Derivations) -> GradientNodes:
        """Return the gradients for a cotangent of the output's shape."""
        recording = RecordedAdjoints(perturb=decomposition.tape.perturb)
        output = parts(decomposition.nodes[decomposition.trace.output])
        first, *_ = [recording.begin(node, part) for node, part in zip(output, split(double(cotangent)), strict=True)]
        reference = pull_back(decomposition, recording, derivations.known)
        return GradientNodes(decomposition, reference, recording, first, derivations)

    def pull_back(self, cotangents: Mapping[TracedTensor, Tensor], wanted: Iterable[TracedTensor]) -> Reference:
        """Return the gradient of Σ cotangent · gradient with respect to every traced tensor in `wanted`.

        UndecidedError if a gradient itself is undecided.
        """
        decomposition = self.decomposition
        adjoints = self._begin(cotangents)
        targets = leading_to(decomposition.tape.nodes, decomposition.parts(wanted))
        self._through_the_gradients(adjoints, targets)
        return pull_back(decomposition, adjoints, self.derivations.known)

    def push_forward(self, tangents: Mapping[TracedTensor, Tensor]) -> Tensor:
        """Return the Jacobian-vector product for tangents of leaves; UndecidedError if there is none."""
        if self.decomposition.nodes[self.decomposition.trace.output].tensor.is_complex():
            raise UndecidedError(COMPLEX)
        adjoints = self._begin(tangents)
        self._through_the_gradients(adjoints, [self.cotangent])
        if self.cotangent in adjoints.undecided:
            raise UndecidedError(adjoints.undecided[self.cotangent])
        value = adjoints.values.get(self.cotangent)
        return torch.zeros_like(self.cotangent.tensor) if value is None else value

    def _begin(self, cotangents: Mapping[TracedTensor, Tensor]) -> Adjoints:
        adjoints = LargestContribution(perturb=self.decomposition.tape.perturb, largest=self.scale)
        for traced, cotangent in cotangents.items():
            if traced in self.reference.undecided:
                raise UndecidedError(self.reference.undecided[traced])
            for part, value in zip(parts(self.decomposition.nodes[traced]), split(double(cotangent)), strict=False):
                node = self.recording.nodes.get(part)
                if node is not None:  # else the gradient is 0 everywhere
                    adjoints.add(node, value)
        return adjoints

    def _through_the_gradients(self, adjoints: Adjoints, targets: Iterable[Node]) -> None:
        """Take adjoints of gradients back to what they depend on, as far as that leads to the targets."""
        nodes = self.recording.tape.nodes
        wanted = leading_to(nodes, targets)
        reached = _reached(nodes, adjoints.values)
        with double_precision(), torch.no_grad():
            edges = [edge for node in nodes if node in reached for edge in node.edges if edge.source in wanted]
            self.derivations.request(dict.fromkeys(edge.request for edge in edges))
            accumulate(nodes, adjoints, self.derivations.known, wanted)


def _reached(nodes: Iterable[Node], starts: Iterable[Node]) -> set[Node]:
    """Return the nodes that some depend on, and these."""
    found = set(starts)
    for node in reversed(list(nodes)):
        if node in found:
            found.update(node.sources)
    return found
