"""Derivatives that are finite though others on the way to them are too large: by a cotangent that is much smaller.

A derivative is linear in the cotangent. That of 1/b by b, for b = 1/x and x = 1e160, is -1e320; the one by x is 1.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.derivation.messages import DerivativeRequest, Derived
from gradcli.execution.comparison.exact import exact_contribution
from gradcli.execution.comparison.overflow import LARGEST, Overflow
from gradcli.execution.comparison.rounding import Point
from gradcli.execution.forward.indices import show_index
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.adjoints import Adjoints, contribution
from gradcli.execution.reference.nodes import Edge, Node
from gradcli.execution.reference.pullback import Reference, adjoints_of_output, pull_back
from gradcli.ops.record import Kind
from gradcli.report.notes import NoteKind, noted
from gradcli.report.verdict import Verdict

# By how much the cotangent is made smaller, and with it all derivatives.
SMALLER = 2.0**-500
# Of how many entries of one operand the contribution is asked for to 50 digits, at most.
MOST_ENTRIES = 16


@dataclass(frozen=True)
class Smaller:
    """The symbolic derivatives of a program for a much smaller cotangent; without slots, to keep them."""

    point: Point

    def contradicts(self, traced: TracedTensor, gradient: Tensor) -> Overflow | None:
        """Return that no infinity of a gradient is an infinite derivative, nor one too large; None if one may be."""
        value, infinite = self._reference.values.get(traced), gradient.isinf()
        if value is None or value.shape != gradient.shape or value.is_complex():
            return None
        if not bool((value[infinite].abs() <= SMALLER * sys.float_info.max).all()):  # not where one is NaN
            return None
        index = tuple(infinite.nonzero()[0].tolist())
        name, size = traced.name or traced.text, float(value[index]) / SMALLER  # of few digits, where it underflows
        words = f"the derivative by '{name}'{show_index(index)} is not infinite, but about {size:.2g}"
        return Overflow(Verdict.MISMATCH, noted(NoteKind.UNDEFINED, f"{words}: it overflows on the way", traced.text))

    @cached_property
    def _reference(self) -> Reference:
        decomposition, derivations = self.point.decomposition, self.point.derivations
        start = adjoints_of_output(decomposition, SMALLER * self.point.cotangent)
        return pull_back(decomposition, _Exact(start.values, derivations=derivations), derivations.known)


@dataclass(slots=True)
class _Exact(Adjoints):
    """Adjoints to which pointwise calls contribute what 50 digits say, where double precision says infinity."""

    derivations: Derivations | None = None

    def contribute(self, node: Node, edge: Edge, derived: Mapping[DerivativeRequest, Derived]) -> None:
        """Add what a node contributes along one of its edges; UndecidedError if there is no derivative."""
        found = contribution(edge, self.values[node], derived)
        if found is not None:
            self.is_finite = False  # as far as is known
            self.add(edge.source, self._exactly(node, edge, found))

    def _exactly(self, node: Node, edge: Edge, found: Tensor) -> Tensor:
        kind = node.origin[0].kind if isinstance(node.origin, tuple) else None
        places = found.reshape(-1).isinf().nonzero()[:, 0].tolist()
        if self.derivations is None or kind is not Kind.POINTWISE or not 0 < len(places) <= MOST_ENTRIES:
            return found
        exact = found.clone()
        for place in places:
            answer = exact_contribution(self.derivations, node, edge, self.values[node], place)
            if answer is not None and answer.extent == "number" and abs(Fraction(answer.text)) <= LARGEST:
                exact.view(-1)[place] = float(Fraction(answer.text))
        return exact

    def within(self, values: Mapping[Node, Tensor]) -> Adjoints:
        """Return adjoints to work on apart, of some nodes to begin with."""
        return _Exact(dict(values), derivations=self.derivations)
