"""Where values on the tape are structural zeros: masks and margins that definitions make by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.forward import tree
from gradcli.execution.forward.callables import function
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.reference import movement
from gradcli.execution.reference.layout import Layout
from gradcli.execution.reference.nodes import ComplexNode, Node, nodes_in, parts
from gradcli.ops.record import Op


def with_support(result: Any, op: Op, bound: Mapping[str, Any]) -> Any:
    """Return constants, with their zeros as structural ones where they are not numbers of the program.

    That is what a definition makes of sizes and positions by a helper of its own, and of nothing but such constants.
    """
    arguments = [part for node in nodes_in(bound) for part in parts(node)]
    if op.name.startswith("_") or (arguments and all(node.support is not None for node in arguments)):
        for node in (part for value in nodes_in(result) for part in parts(value)):
            node.support = of_constant(node)
    return result


def of_constant(node: Node) -> Callable[[], Tensor]:
    """Return where a constant is not 0."""
    return partial(_is_not_zero, node.tensor)


def _is_not_zero(tensor: Tensor) -> Tensor:
    return tensor != 0


def of_moved(op: Op, call: BoundCall, place: int) -> Tensor:
    """Return where a result of an op that moves data is made of data: what it fills with 0 depends on nothing."""
    arguments = [call.positional, call.keywords]
    sources = {node: _support(node) for node in nodes_in(arguments) if movement.holds_numbers(node)}
    positional, keywords = movement.numbers_for(arguments, sources)
    return [leaf for leaf in tree.leaves(function(op.torch)(*positional, **keywords)) if isinstance(leaf, Tensor)][
        place
    ] != 0


def _support(node: Node | ComplexNode) -> Tensor:
    if isinstance(node, Node) and node.support is not None:
        return node.support().to(torch.float64)
    return torch.ones(node.tensor.shape, dtype=torch.float64)


def presented(operands: Mapping[str, Node], shown: Layout) -> dict[str, Callable[[], Tensor]]:
    """Return where operands are not structural zeros, as a definition sees them, for those that have any."""

    def support(node: Node, name: str) -> Tensor:
        assert node.support is not None  # noqa: S101 (only such nodes are asked)
        return shown.views[name].apply(node.support())

    return {name: partial(support, node, name) for name, node in operands.items() if node.support is not None}
