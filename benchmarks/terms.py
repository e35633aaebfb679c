"""What the gradient by a node of a program is the sum of: a derivative for each place at which the node is read.

Where these cancel, autograd's gradient is off by their rounding, however small the gradient is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from kink_grammar import Node
from mpmath import mp, mpf
from one_sided import Function, evaluate

# Steps are 10^-k times the program's smallest number.
STEP = 30


def largest_term(function: Function) -> mpf:
    """Return the largest derivative by an entry of a node at one of the places where it is read; 0 where none is."""
    return max(
        (abs(slope) for output, place in _apart(function) for slope in _slopes(function, output, place)), default=mpf(0)
    )


def _apart(function: Function) -> Iterator[tuple[Node, Node]]:
    """Yield the program's output with a node of its own at each place where the function's is read, and that node."""
    output = function.drawn.output
    for reader in output.walk():
        for number, operand in enumerate(reader.operands):
            if operand is function.node:
                place = Node("place", (), "", operand.is_vector)
                operands = (*reader.operands[:number], place, *reader.operands[number + 1 :])
                yield _rebuilt(output, {id(reader): replace(reader, operands=operands)}), place


def _rebuilt(node: Node, known: Mapping[int, Node]) -> Node:
    """Return a node with others in the place of some that it is made of."""
    if id(node) in known:
        return known[id(node)]
    operands = tuple(_rebuilt(operand, known) for operand in node.operands)
    return node if all(map(_is, operands, node.operands)) else replace(node, operands=operands)


def _is(one: Node, other: Node) -> bool:
    return one is other


def _slopes(function: Function, output: Node, place: Node) -> Iterator[mpf]:
    step = function.scale * mpf(10) ** -STEP
    for entry in range(len(function.start)):
        ahead, behind = (_value(function, output, place, entry, shift) for shift in (step, -step))
        slope = (ahead - behind) / (2 * step)
        yield slope if mp.isfinite(slope) else mpf(0)


def _value(function: Function, output: Node, place: Node, entry: int, shift: mpf) -> mpf:
    moved = list(function.start)
    moved[entry] += shift
    return evaluate(function.drawn, output, {id(place): moved if place.is_vector else moved[0]})
