"""Second derivatives where a program bends: its gradients at points nearby, and their quotients to both sides."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import torch
from torch import Tensor

from gradcli.execution.comparison.second_sides import Sides, sides_of
from gradcli.execution.forward.rerun import again
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.jacobian import stacked
from gradcli.execution.reference.nodes import Node
from gradcli.execution.reference.tape import condition
from gradcli.execution.run import Run
from gradcli.ops.record import Kind
from gradcli.python_trees import module_tree

# Each entry that is moved takes six gradients.
MOST_ENTRIES = 64

Pair = tuple[TracedTensor, TracedTensor]
Gradients = Callable[[TracedTensor, int, float], Mapping[TracedTensor, Tensor]]


def sides_by_pairs(
    run: Run, decomposition: Decomposition, leaves: Sequence[TracedTensor], *, wanted: bool = False
) -> dict[Pair, Sides]:
    """Return the second derivatives to both sides by pairs of leaves, row first; none if no kink is met.

    They are `wanted` all the same where there is no symbolic derivative. There are none of a large program, or where it
    cannot be run nearby.
    """
    if not (wanted or at_kinks(decomposition)) or sum(leaf.tensor.numel() for leaf in leaves) > MOST_ENTRIES:
        return {}
    if any(leaf.tensor.is_complex() for leaf in run.trace.leaves):
        return {}
    gradients = gradients_nearby(run, leaves)
    try:
        columns = {leaf: _columns(gradients, leaf, leaves) for leaf in leaves}
    except RuntimeError:
        return {}
    return {(row, column): _block(columns[column], row, column) for row in leaves for column in leaves}


def gradients_nearby(run: Run, leaves: Sequence[TracedTensor]) -> Gradients:
    """Return autograd's gradients as a function of a leaf, one of its entries, and how far that is moved."""
    rerun = again(run.program, run.settings, run.trace)

    @cache
    def gradients(moved: TracedTensor, entry: int, shift: float) -> Mapping[TracedTensor, Tensor]:
        values = {leaf: rerun.leaves[leaf].tensor.clone() for leaf in leaves}
        values[moved].view(-1)[entry] += shift
        own = {leaf: value.requires_grad_() for leaf, value in values.items()}
        with torch.enable_grad():
            output = rerun.output(own)
            cotangent = run.cotangent.to(output.dtype)
            found: tuple[Tensor | None, ...] = torch.autograd.grad(
                output, list(own.values()), cotangent, allow_unused=True
            )
        return {
            leaf: torch.zeros_like(value) if one is None else one
            for (leaf, value), one in zip(own.items(), found, strict=True)
        }

    return gradients


def at_kinks(decomposition: Decomposition) -> bool:
    """Return whether an op is at one of its kinks, or where its definition is another one to a side."""
    nodes = decomposition.tape.nodes
    masks = (node.kinks() for node in nodes if node.kinks is not None)
    return any(bool(mask.any()) for mask in masks) or any(map(_is_at_a_change, nodes))


def _is_at_a_change(node: Node) -> bool:
    """Return whether two values are equal that an op's definition compares."""
    if node.origin is None or not node.edges:
        return False
    op, operands = node.origin
    bound = {**dict(node.edges[0].request.numbers), **operands}
    compared = _compared(op.definition) if op.kind is Kind.POINTWISE else {}
    lacking = {name for name, value in bound.items() if value is None}  # what is compared with it is not in question
    return any(bool(condition(text, bound).any()) for text, names in compared.items() if not names & lacking)


@cache
def _compared(definition: str) -> Mapping[str, frozenset[str]]:
    """Return, of each order in a definition, that the two are equal; with the names in it."""
    found = (part for part in ast.walk(module_tree(definition)) if isinstance(part, ast.Compare))
    orders = [part for part in found if isinstance(part.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE)]
    return {
        f"({ast.unparse(part.left)}) == ({ast.unparse(part.comparators[0])})": frozenset(
            node.id for node in ast.walk(part) if isinstance(node, ast.Name)
        )
        for part in orders
    }


def _columns(
    gradients: Gradients, column: TracedTensor, rows: Sequence[TracedTensor]
) -> list[Mapping[TracedTensor, Sides]]:
    """Return, for each entry of a leaf, the derivatives of all gradients by it."""
    scales = column.tensor.detach().abs().clamp_min(1.0).reshape(-1).tolist()
    return [
        {row: sides_of(lambda shift, row=row, entry=entry: gradients(column, entry, shift)[row], scale) for row in rows}  # type: ignore[misc]
        for entry, scale in enumerate(scales)
    ]


def _block(columns: Sequence[Mapping[TracedTensor, Sides]], row: TracedTensor, column: TracedTensor) -> Sides:
    """Return the sides by each entry of a column as one block of the Hessian."""
    sides = [one[row] for one in columns]

    def block(parts: Sequence[Tensor]) -> Tensor:
        count = row.tensor.numel()
        matrix = torch.stack([part.reshape(count) for part in parts], 1) if parts else torch.zeros(count, 0)
        return stacked([*matrix], row.tensor, column.tensor)

    below, above, jump = ([getattr(one, name) for one in sides] for name in ("below", "above", "jump"))
    return Sides(block(below), block(above), block(jump), max([one.error for one in sides], default=0.0))
