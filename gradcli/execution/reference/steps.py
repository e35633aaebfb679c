"""What definitions come to: ops on nodes, one after the other, and what a primitive one is apart from its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.reference import layout, supports
from gradcli.execution.reference.layout import Layout
from gradcli.execution.reference.nodes import Edge, Node
from gradcli.execution.reference.systems.solve import LastSystem
from gradcli.ops.record import Op


class Way(Enum):
    """How an op is done on nodes."""

    CONSTANT = auto()
    """No gradient passes through it."""
    PRIMITIVE = auto()
    """Its derivative is asked for."""
    MOVED = auto()
    """It moves data."""
    KINKS = auto()
    """Its result is there: its kinks are noted."""


@dataclass(frozen=True, slots=True)
class Step:
    """One op that a definition came to."""

    op: Op
    call: BoundCall
    bound: Mapping[str, Any]
    """The arguments by parameter, defaults among them."""
    result: Any
    way: Way
    is_known: bool = False
    """Whether PyTorch had computed it, in the user's run."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a real primitive node is, but for its values: the same for all operands of the same shapes."""

    request: DerivativeRequest
    shown: Layout
    wrt: tuple[str, ...]

    def edges(self, operands: Mapping[str, Node], result: Tensor, last: LastSystem) -> tuple[Edge, ...]:
        """Return an edge to each operand that it is differentiated by."""
        views = self.shown.views
        tensors = {name: views[name].apply(layout.as_numbers(node.tensor, name)) for name, node in operands.items()}
        if self.request.unknown:
            tensors[self.request.unknown] = result
        depends = supports.presented(operands, self.shown)
        edges = [Edge(operands[name], self.request, name, self.shown, tensors, depends, last) for name in self.wrt]
        return tuple(edges)

    def view(self, source: Node) -> Edge:
        """Return the edge of a node that has the memory of another one."""
        operand = self.shown.views["input"].apply(source.tensor)
        return Edge(source, self.request, "input", self.shown, {"input": operand})
