"""Points on both sides of every constant that a program's ops compare with, so that no case of theirs goes unseen.

Random points are of usual size, and never enter what a threshold of 20 is for, or an `eps`.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.formulas.paths import path_of
from gradcli.execution.formulas.points import Point, moved_to
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import replaced
from gradcli.execution.reference.decomposition import decompose
from gradcli.execution.reference.nodes import nodes_in
from gradcli.execution.reference.tape import condition
from gradcli.ops.record import Kind, Op
from gradcli.ops.signature import defaults
from gradcli.python_trees import module_tree

# A test of a program's: the node that is made by it, in words, and whether it holds.
Side: TypeAlias = tuple[int, str, bool]
# By what entries are multiplied: so often, in either direction.
FACTOR, TIMES = 16.0, 13
# In how many steps what lies between two powers is looked at: next to a constant the most is to be seen.
FINE = 8
ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


@dataclass(frozen=True, slots=True)
class _Move:
    """How leaves are changed: the first entry of each, or all entries, by a power of FACTOR and a sign."""

    is_whole: bool
    sign: float
    power: float

    def of(self, here: Point) -> dict[str, Tensor]:
        """Return the leaves' values; what is assumed of a leaf stays as it is."""
        assumed = {*here.settings.orthogonal, *here.settings.symmetric, *here.settings.positive}
        moving = {leaf for leaf in here.trace.leaves if leaf.tensor.requires_grad and leaf.name not in assumed}
        factor, changed = self.sign * FACTOR**self.power, torch.mul if self.is_whole else _first
        values = {leaf: leaf.tensor.detach() for leaf in here.trace.leaves}
        return {
            leaf.name or leaf.text: changed(value, factor) if leaf in moving else value
            for leaf, value in values.items()
        }

    def nearer(self) -> Iterator[_Move]:
        """Yield moves from the one before up to this one."""
        back = math.copysign(1, self.power)
        yield from (replace(self, power=self.power - back * (1 - part / FINE)) for part in range(1, FINE + 1))


def beyond(points: Sequence[Point]) -> Iterator[Point]:
    """Yield points at which tests come to what they come to at none of some points, nearest to the first of them."""
    known = {side for point in points for side in _sides(point)}
    missing = {(node, text, not truth) for node, text, truth in known} - known
    moves = product(range(1, TIMES), (1, -1), (1.0, -1.0), (False, True))
    for power, way, sign, is_whole in moves:
        if not missing:
            return
        move = _Move(is_whole, sign, way * power)
        if not missing & _entered(points[0], move)[1]:
            continue
        for there, sides in (_entered(points[0], one) for one in move.nearer()):
            if there is not None and missing & sides:
                yield there
                missing -= sides


def _entered(here: Point, move: _Move) -> tuple[Point | None, set[Side]]:
    """Return the point that a move leads to, and what tests come to there."""
    there = _finite(here, move.of(here))
    return there, {*_sides(there)} if there is not None else set()


def _first(value: Tensor, factor: float) -> Tensor:
    """Return a tensor whose first entry is another: of a size and sign."""
    found = value.clone().reshape(-1)
    found[:1] = found[:1].abs() * factor
    return found.reshape(value.shape)


def _finite(here: Point, values: Mapping[str, Any]) -> Point | None:
    """Return the program run at other values; None where it takes another path, or where a gradient is not finite."""
    try:
        with warnings.catch_warnings(action="ignore"):  # what is tried is not the user's point
            there = moved_to(here, values)
        several = (there.output.tensor, *there.gradients().values())
    except (GradcliError, *REFUSALS):
        return None
    is_same = path_of(there.trace) == path_of(here.trace)
    return there if is_same and all(bool(one.isfinite().all()) for one in several) else None


def _sides(point: Point) -> Iterator[Side]:
    """Yield what the tests of a program's ops come to, of an entry or another."""
    with double_precision():
        decomposition = decompose(point.trace)
    for number, node in enumerate(decomposition.tape.nodes):
        if node.origin is not None:
            op, arguments = node.origin
            numbers = dict(node.edges[0].request.numbers) if node.edges else {}
            yield from _found(number, op, {**numbers, **arguments})
    for number, call in enumerate(point.trace.calls, 1):  # what is constant has no node of its own
        if call.op.formula is not None and all(traced in decomposition.nodes for traced in call.inputs):
            bound = replaced(call.arguments.bound, decomposition.nodes.__getitem__)
            yield from _found(-number, call.op, {**defaults(call.op.signature), **bound})


def _found(number: int, op: Op, bound: Mapping[str, Any]) -> Iterator[Side]:
    return ((number, text, truth) for text in _of_constants(op, bound) for truth in _truths(text, bound))


def _of_constants(op: Op, bound: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tests of an op by which tensors are compared with constants."""
    tensors = {name for name, value in bound.items() if nodes_in(value)}
    yield from (text for text, left, right in _tests(*_texts(op)) if bool(tensors & left) != bool(tensors & right))


def _texts(op: Op) -> tuple[str, ...]:
    return tuple(text for text in (op.definition if op.kind is Kind.POINTWISE else op.formula, op.kinks) if text)


@lru_cache(maxsize=256)
def _tests(*texts: str) -> tuple[tuple[str, frozenset[str], frozenset[str]], ...]:
    """Return the comparisons that a definition and its kinks name, with the names on either side of each."""
    trees = [node for text in texts for node in ast.walk(module_tree(text))]
    found = [node for node in trees if isinstance(node, ast.Compare) and isinstance(node.ops[0], (*ORDERED, ast.Eq))]
    tests = [ast.Compare(node.left, [ast.Gt()], node.comparators) for node in found]
    return tuple((ast.unparse(test), _names(test.left), _names(test.comparators[0])) for test in tests)


def _names(node: ast.expr) -> frozenset[str]:
    return frozenset(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))


def _truths(text: str, bound: Mapping[str, Any]) -> Iterator[bool]:
    try:
        mask = condition(text, bound)
    except (GradcliError, *REFUSALS):
        return
    yield from mask.unique().tolist() if mask.dtype is torch.bool else ()
