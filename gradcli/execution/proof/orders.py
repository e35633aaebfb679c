"""Orders on a circuit: which entry of a row stands at a rank, by comparisons of every two entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from gradcli.execution.proof.circuit import Circuit, Entries
from gradcli.execution.reference import layout

MEDIANS = frozenset({"median", "nanmedian"})
RUNNING: Mapping[str, str] = {"cummax": "ge", "cummin": "le"}
NAMES = frozenset({"sort", "argsort", "topk", "kthvalue", *MEDIANS, *RUNNING})


def run(circuit: Circuit, name: str, bound: Mapping[str, Any]) -> Any:
    """Return the result of an op that sorts or picks by rank; over the reals no entry is NaN."""
    entries: Entries = bound["input"]
    if name in MEDIANS and "dim" not in bound:
        return _shared(circuit, Entries(entries.codes.reshape(-1)))
    axis = layout.dimensions(bound.get("dim", -1), max(entries.codes.ndim, 1))[0]
    whole = Entries(entries.codes.reshape(1)) if not entries.codes.ndim else entries
    values, places = _along(circuit, name, bound, whole, axis)
    drops = name not in {"sort", "argsort", "topk", *RUNNING} and not bound.get("keepdim")
    shapes = entries.shape if not entries.codes.ndim else None
    found = [_shaped(part.codes, axis if drops else None, shapes) for part in (values, places)]
    return found[1] if name == "argsort" else tuple(found)


def _shared(circuit: Circuit, row: Entries) -> Entries:
    """Return the median of a row as the mean of all entries that are equal to it."""
    found = circuit.decoded(_ranked(circuit, row, 0, [_middle(row, 0)])[0].codes)[0]
    median, zero, one = circuit.node("detach", found), circuit.number(0), circuit.number(1)
    nodes = circuit.decoded(row.codes)
    tests = [circuit.node("eq", node, median) for node in nodes]
    total = circuit.node("sum", *(circuit.node("where", t, n, zero) for t, n in zip(tests, nodes, strict=True)))
    count = circuit.node("sum", *(circuit.node("where", test, one, zero) for test in tests))
    return Entries(Circuit.codes([circuit.node("div", total, count)], ()))


def _shaped(codes: Tensor, dropped: int | None, shape: Sequence[int] | None) -> Entries:
    if shape is not None:
        return Entries(codes.reshape(tuple(shape)))
    return Entries(codes if dropped is None else codes.squeeze(dropped))


def _middle(entries: Entries, axis: int) -> int:
    return (entries.shape[axis] - 1) // 2


def _along(
    circuit: Circuit, name: str, bound: Mapping[str, Any], entries: Entries, axis: int
) -> tuple[Entries, Entries]:
    """Return the values and the places along an axis, which stays."""
    length = entries.shape[axis]
    if name in RUNNING:
        return _running(circuit, RUNNING[name], entries, axis)
    if name == "kthvalue":
        return _ranked(circuit, entries, axis, [bound["k"] - 1])
    if name in MEDIANS:
        return _ranked(circuit, entries, axis, [_middle(entries, axis)])
    if name == "topk":
        return _ranked(circuit, entries, axis, range(bound["k"]), descending=bool(bound["largest"]))
    return _ranked(circuit, entries, axis, range(length), descending=bool(bound["descending"]))


def _ranked(
    circuit: Circuit, entries: Entries, axis: int, ranks: Sequence[int], *, descending: bool = False
) -> tuple[Entries, Entries]:
    """Return the entries that stand at some ranks, of equal ones the first first, and their places."""
    lines = entries.codes.movedim(axis, -1)
    rows = [circuit.decoded(line) for line in lines.reshape(-1, lines.shape[-1])]
    found = [_picked(circuit, row, ranks, "gt" if descending else "lt") for row in rows]
    shape = (*lines.shape[:-1], len(ranks))
    parts = [Circuit.codes([node for row in found for node in row[part]], shape) for part in (0, 1)]
    return Entries(parts[0].movedim(-1, axis)), Entries(parts[1].movedim(-1, axis))


def _picked(circuit: Circuit, row: Sequence[int], ranks: Sequence[int], before: str) -> tuple[list[int], list[int]]:
    own = [_rank(circuit, row, place, before) for place in range(len(row))]
    numbers = [circuit.number(place) for place in range(len(row))]
    values, places = [], []
    for rank in ranks:
        tests = [circuit.node("eq", node, circuit.number(rank)) for node in own]
        values.append(_chosen(circuit, tests, row))
        places.append(_chosen(circuit, tests, numbers))
    circuit.different.add(frozenset(places))
    return values, places


def _rank(circuit: Circuit, row: Sequence[int], place: int, before: str) -> int:
    """Return how many entries stand before one."""
    one, zero = circuit.number(1), circuit.number(0)
    terms = []
    for other, node in enumerate(row):
        if other < place:  # one that is equal stands before it
            terms.append(circuit.node("where", circuit.node(before, row[place], node), zero, one))
        elif other > place:
            terms.append(circuit.node("where", circuit.node(before, node, row[place]), one, zero))
    return circuit.node("sum", *terms)


def _chosen(circuit: Circuit, tests: Sequence[int], nodes: Sequence[int]) -> int:
    found = nodes[-1]
    for test, node in reversed(list(zip(tests[:-1], nodes[:-1], strict=True))):
        found = circuit.node("where", test, node, found)
    return found


def _running(circuit: Circuit, relation: str, entries: Entries, axis: int) -> tuple[Entries, Entries]:
    """Return the largest entry so far, of equal ones the last, and its place."""
    lines = entries.codes.movedim(axis, -1)
    values, places = list[int](), list[int]()
    for line in lines.reshape(-1, lines.shape[-1]):
        best, found = -1, -1
        for place, node in enumerate(circuit.decoded(line)):
            test = circuit.node(relation, node, best) if place else 0
            best = circuit.node("where", test, node, best) if place else node
            number = circuit.number(place)
            found = circuit.node("where", test, number, found) if place else number
            values.append(best)
            places.append(found)
    parts = [Circuit.codes(nodes, lines.shape).movedim(-1, axis) for nodes in (values, places)]
    return Entries(parts[0]), Entries(parts[1])
