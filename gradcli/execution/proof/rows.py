"""Functions of whole rows on a circuit: which entry is the largest, and what stands at a place that is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.proof import orders
from gradcli.execution.proof.circuit import Circuit, Entries, UnprovableError
from gradcli.execution.reference import layout

# The relation by which a later entry takes the place of the one that is picked so far: the first of equal ones stays.
BEYOND: Mapping[str, str] = {"argmax": "gt", "argmin": "lt"}


# Functions of whole rows, by the names of the nodes that they are.
OF_ROWS: Mapping[str, str] = {"amax": "amax", "amin": "amin", "any": "logical_or", "all": "logical_and"}

EXTREMES = frozenset({"amax", "amin"})
RELATIONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})
# Functions that are constant between their jumps, and what a gradient does not pass.
STOPS = RELATIONS | {"detach", "logical_and", "logical_or", "logical_not"}


class Rows:
    """Runs what looks at whole rows.

    The largest entry is one function of its row, or, with `picks`, what comparisons pick.
    """

    def __init__(self, circuit: Circuit, *, picks: bool) -> None:
        self.circuit = circuit
        self.picks = picks

    def is_differentiated(self, output: Entries) -> bool:
        """Return whether a gradient passes a largest or smallest entry on its way from an output."""
        nodes = self.circuit.nodes
        extremes = [place for place in self._passed(self.circuit.decoded(output.codes)) if nodes[place][0] in EXTREMES]
        return any(nodes[place][0] == "leaf" for place in self._passed(extremes))

    def _passed(self, places: Sequence[int]) -> set[int]:
        """Return the nodes that a gradient passes on its way from some."""
        seen, waiting = set[int](), list(places)
        while waiting:
            place = waiting.pop()
            name, *operands = self.circuit.nodes[place]
            if place not in seen and name not in STOPS:
                seen.add(place)
                waiting += [operand for operand in operands if isinstance(operand, int)]
        return seen

    @property
    def is_compared(self) -> bool:
        """Return whether a largest or smallest entry is compared with a number, as where entries tie with it."""
        nodes = self.circuit.nodes
        found = [
            [nodes[o][0] for o in operands if isinstance(o, int)] for name, *operands in nodes if name in RELATIONS
        ]
        return any(EXTREMES & set(names) and "infinity" not in names for names in found)

    def apply(self, name: str, bound: Mapping[str, Any]) -> Any:
        """Return the result of an op that looks at rows; None for any other."""
        if name in orders.NAMES:
            return orders.run(self.circuit, name, bound)
        match name:
            case "argmax" | "argmin":
                return places(self.circuit, name, bound["input"], bound.get("dim"), keepdim=bool(bound.get("keepdim")))
            case "max" | "min" if isinstance(bound.get("dim"), int):
                return self._extreme(f"arg{name}", bound["input"], bound["dim"], keepdim=bool(bound.get("keepdim")))
            case "_at" if isinstance(bound["index"], Entries):
                index = Entries(bound["index"].codes.unsqueeze(-1))
                return Entries(taken(self.circuit, bound["input"], -1, index).codes.squeeze(-1))
            case "gather" if isinstance(bound["index"], Entries):
                return taken(self.circuit, bound["input"], bound["dim"], bound["index"])
        return self._function(name, bound) if name in OF_ROWS else None

    def _extreme(self, name: str, entries: Entries, dim: int, *, keepdim: bool) -> tuple[Entries, Entries]:
        found = places(self.circuit, name, entries, dim, keepdim=True)
        values = taken(self.circuit, entries, dim, found)
        both = values.codes, found.codes
        return (values, found) if keepdim else (Entries(both[0].squeeze(dim)), Entries(both[1].squeeze(dim)))

    def _function(self, name: str, bound: Mapping[str, Any]) -> Entries | None:
        """Return the largest entries, or whether any is true, as functions of rows; None where they are picked."""
        codes = bound["input"].codes
        rows, rest, dims = rows_of(codes, bound.get("dim"))
        if name in EXTREMES and self.picks:
            return None
        nodes = [self.circuit.node(OF_ROWS[name], *sorted(set(self.circuit.decoded(row)))) for row in rows]
        return Entries(Circuit.codes(nodes, kept(codes.shape, dims, rest, keepdim=bool(bound.get("keepdim")))))


def rows_of(codes: Tensor, dim: Any) -> tuple[Tensor, list[int], list[int]]:
    """Return entries with the axes of `dim` as the last one, the other axes' lengths, and the axes."""
    dims = layout.dimensions(dim, codes.ndim)
    others = [axis for axis in range(codes.ndim) if axis not in dims]
    rest = [codes.shape[axis] for axis in others]
    length = max(1, torch.Size([codes.shape[axis] for axis in dims]).numel())
    return codes.permute((*others, *dims)).reshape(-1, length), rest, list(dims)


def kept(shape: Sequence[int], dims: Sequence[int], rest: Sequence[int], *, keepdim: bool) -> list[int]:
    """Return the shape of a reduction."""
    return [1 if axis in dims else size for axis, size in enumerate(shape)] if keepdim else list(rest)


def places(circuit: Circuit, name: str, entries: Entries, dim: int | None, *, keepdim: bool) -> Entries:
    """Return the place of the largest entry of each row, or the smallest, as numbers that are chosen by comparisons."""
    codes = entries.codes
    rows, rest, dims = rows_of(codes, dim)
    found = [_place(circuit, BEYOND[name], circuit.decoded(row)) for row in rows]
    return Entries(Circuit.codes(found, kept(codes.shape, dims, rest, keepdim=keepdim)))


def _place(circuit: Circuit, relation: str, row: Sequence[int]) -> int:
    return largest(circuit, relation, row, range(len(row)))[1]


def largest(circuit: Circuit, relation: str, row: Sequence[int], numbers: Sequence[int]) -> tuple[int, int]:
    """Return the entry that no later one is beyond, and its number."""
    best, found = row[0], circuit.number(numbers[0])
    for number, node in zip(numbers[1:], row[1:], strict=True):
        test = circuit.node(relation, node, best)
        best = circuit.node("where", test, node, best)
        found = circuit.node("where", test, circuit.number(number), found)
    return best, found


def taken(circuit: Circuit, entries: Entries, dim: int, index: Entries) -> Entries:
    """Return `gather(entries, dim, index)` for an index that is computed of what depends on a leaf."""
    axis = dim % max(entries.codes.ndim, 1)
    lengths = [slice(None) if other == axis else slice(size) for other, size in enumerate(index.shape)]
    rows = entries.codes[tuple(lengths)].movedim(axis, -1).unsqueeze(axis)
    wide = rows.expand(*index.shape, rows.shape[-1]).reshape(-1, rows.shape[-1])
    chosen = [
        _chosen(circuit, place, circuit.decoded(row))
        for place, row in zip(circuit.decoded(index.codes), wide, strict=True)
    ]
    return Entries(Circuit.codes(chosen, index.shape))


def _chosen(circuit: Circuit, place: int, row: Sequence[int]) -> int:
    found = row[0]
    for number, node in enumerate(row[1:], 1):
        found = circuit.node("where", circuit.node("eq", place, circuit.number(number)), node, found)
    return found


def put(circuit: Circuit, whole: Entries, dim: int, index: Entries, source: Entries) -> Entries:
    """Return `scatter(whole, dim, index, source)` for such an index, whose entries along `dim` are different places."""
    axis = dim % max(whole.codes.ndim, 1)
    values = source.codes.expand(index.shape) if source.codes.ndim == 0 else source.codes
    beside = tuple(slice(None) if a == axis else slice(size) for a, size in enumerate(index.shape))
    kept = tuple(slice(size) for size in index.shape)
    lines = zip(
        _lines(circuit, whole.codes[beside], axis),
        _lines(circuit, index.codes, axis),
        _lines(circuit, values[kept], axis),
        strict=True,
    )
    codes = whole.codes.clone()
    part = codes[beside].movedim(axis, -1)
    nodes = [node for line in lines for node in _put(circuit, *line)]
    codes[beside] = Circuit.codes(nodes, part.shape).movedim(-1, axis)
    return Entries(codes)


def _put(circuit: Circuit, own: Sequence[int], places: Sequence[int], values: Sequence[int]) -> list[int]:
    """Return a line of nodes with others put in their places."""
    if len(places) > 1 and not any(different >= {*places} for different in circuit.different):
        raise UnprovableError("scatter puts several entries where what depends on a leaf says")
    found = list(own)
    for place, value in zip(places, values, strict=True):
        tests = [circuit.node("eq", place, circuit.number(number)) for number in range(len(own))]
        found = [circuit.node("where", test, value, before) for test, before in zip(tests, found, strict=True)]
    return found


def added_at(circuit: Circuit, whole: Entries, dim: int, index: Entries, source: Entries) -> Entries:
    """Return `scatter_add(whole, dim, index, source)` for such an index."""
    axis = dim % max(whole.codes.ndim, 1)
    kept = tuple(slice(size) for size in index.shape)
    pairs = zip(_lines(circuit, index.codes, axis), _lines(circuit, source.codes[kept], axis), strict=True)
    beside = tuple(slice(None) if a == axis else slice(size) for a, size in enumerate(index.shape))
    whole_lines = _lines(circuit, whole.codes[beside], axis)
    codes = whole.codes.clone()
    lines = [
        [_added(circuit, node, number, *pair) for number, node in enumerate(own)]
        for own, pair in zip(whole_lines, pairs, strict=True)
    ]
    part = codes[beside].movedim(axis, -1)
    codes[beside] = Circuit.codes([node for line in lines for node in line], part.shape).movedim(-1, axis)
    return Entries(codes)


def _lines(circuit: Circuit, codes: Tensor, axis: int) -> list[list[int]]:
    """Return the nodes along an axis, for every place on the others."""
    return [circuit.decoded(line) for line in codes.movedim(axis, -1).reshape(-1, codes.shape[axis])]


def _added(circuit: Circuit, node: int, number: int, places: Sequence[int], values: Sequence[int]) -> int:
    zero, own = circuit.number(0), circuit.number(number)
    terms = [
        circuit.node("where", circuit.node("eq", place, own), value, zero)
        for place, value in zip(places, values, strict=True)
        if _may_be(circuit, place, own)
    ]
    return circuit.node("sum", *(term for term in (node, *terms) if term != zero))


def _may_be(circuit: Circuit, place: int, number: int) -> bool:
    """Return whether a node may be a number, as far as choices among numbers tell."""
    name, *operands = circuit.nodes[place]
    if name == "where":
        return any(_may_be(circuit, int(operand), number) for operand in operands[1:])
    return name != "number" or place == number
