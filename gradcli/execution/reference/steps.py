"""What definitions come to: ops on nodes, one after the other, and what a primitive one is apart from its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest
from gradcli.errors import NotSupportedError
from gradcli.execution.forward import tree
from gradcli.execution.forward.callables import function
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.memory import check_call
from gradcli.execution.reference import layout, supports
from gradcli.execution.reference.contraction import einsum
from gradcli.execution.reference.layout import Layout
from gradcli.execution.reference.nodes import NODES, ComplexNode, Edge, Node
from gradcli.execution.reference.systems.solve import LastSystem
from gradcli.ops.record import Kind, Op
from gradcli.ops.table import find


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
        tensors = {name: self.presented(name, node.tensor) for name, node in operands.items()}
        if self.request.unknown:
            tensors[self.request.unknown] = result
        depends = supports.presented(operands, self.shown)
        edges = [Edge(operands[name], self.request, name, self.shown, tensors, depends, last) for name in self.wrt]
        return tuple(edges)

    def presented(self, name: str, tensor: Tensor) -> Tensor:
        """Return an operand's tensor as the definition sees it."""
        view = self.shown.views[name]
        whole = view.is_whole and tensor.is_floating_point()
        return tensor if whole else view.apply(layout.as_numbers(tensor, name))

    def view(self, source: Node) -> Edge:
        """Return the edge of a node that has the memory of another one."""
        operand = self.shown.views["input"].apply(source.tensor)
        return Edge(source, self.request, "input", self.shown, {"input": operand})


def computed(op: Op, positional: list[Any], keywords: dict[str, Any], *, checked: bool = True) -> Any:
    """Return what PyTorch makes of tensors; what would be too large is refused, unless it was checked before."""
    run = function(op.torch)
    if checked:
        check_call(run, positional, keywords, pointwise=op.is_entrywise)
    run = einsum if op.kind is Kind.EINSUM else run
    try:
        return run(*positional, **keywords)
    except (RuntimeError, NotSupportedError):
        # PyTorch had them laid out in a way that the call takes: a definition's strides may be others.
        positional, keywords = tree.map(_contiguous, positional), tree.map(_contiguous, keywords)
        return run(*positional, **keywords)


def _contiguous(leaf: Any) -> Any:
    return leaf.contiguous() if isinstance(leaf, Tensor) else leaf


def made_by(result: Any, op: Op, arguments: Mapping[str, Any]) -> Any:
    """Note on a node which op made it of what; formulas are read off that.

    One of several results is read from what stands for all of them.
    """
    if isinstance(result, NODES):
        _note_origin(result, (op, arguments))
    elif isinstance(result, tuple) and result and all(isinstance(one, NODES) for one in result):
        whole = Node(result[0].tensor, differentiable=False, origin=(op, arguments))
        for place, one in enumerate(result):
            _note_origin(one, (find("getitem"), {"input": whole, "index": place}))
    return result


def _note_origin(node: Node | ComplexNode, origin: Any) -> None:
    if isinstance(node, Node):
        node.origin = origin
    else:
        node.made_by = origin
