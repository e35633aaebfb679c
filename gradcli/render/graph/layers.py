"""In which row each box of a picture stands: what flows down flows from row to row, leaves on top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import networkx as nx

from gradcli.render.graph.picture import Picture

Arrows = Iterable[tuple[str, str]]


def rows_of(picture: Picture) -> Mapping[str, int]:
    """Return the row of each box; a tensor stands in the row of its grad_fn, wherever that is possible."""
    down = [*picture.forward.arrows, *((head, tail) for tail, head in picture.backward.arrows)]
    boxes = [*picture.forward.boxes, *picture.backward.boxes]
    same = {node: tensor for tensor, node in picture.beside.items()}
    together = _graph({same.get(box, box) for box in boxes}, [(same.get(a, a), same.get(b, b)) for a, b in down])
    if nx.is_directed_acyclic_graph(together):
        rows = _rows(together)
        return {box: rows[same.get(box, box)] for box in boxes}
    return _rows(_graph(boxes, down))


def _graph(boxes: Iterable[str], arrows: Arrows) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(boxes)
    graph.add_edges_from(arrows)
    return graph


def _rows(graph: nx.DiGraph) -> dict[str, int]:
    """Return a row for each box, from 0 on: below all that it depends on, and near what it is linked to."""
    order = [*nx.topological_sort(graph)]
    near_leaf = {box: _is_of_one_leaf(graph, box) for box in order}
    last = enumerate(nx.topological_generations(graph.reverse(copy=False)))
    rows = {box: -row for row, boxes in last for box in boxes}
    for box in order:
        above = [other for other in graph.predecessors(box) if not near_leaf[other]]
        if above and not near_leaf[box]:
            rows[box] = _raised(graph, rows, box, max(rows[other] for other in above) + 1)
    for box in order[::-1]:
        if near_leaf[box] and graph.out_degree(box):
            rows[box] = min(rows[below] for below in graph.successors(box)) - 1
    for box in order:
        if graph.in_degree(box) and not graph.out_degree(box):  # an output, or what nothing uses
            rows[box] = max(rows[above] for above in graph.predecessors(box)) + 1
    known = {row: number for number, row in enumerate(sorted(set(rows.values())))}
    return {box: known[row] for box, row in rows.items()}


def _raised(graph: nx.DiGraph, rows: Mapping[str, int], box: str, earliest: int) -> int:
    """Return the earliest row of a box if that makes what leads to it shorter by as much as what leads on is longer."""
    shorter = sum(
        all(rows[other] <= earliest for other in graph.successors(above) if other != box)
        for above in graph.predecessors(box)
    )
    return earliest if shorter >= min(graph.out_degree(box), 1) else rows[box]


def _is_of_one_leaf(graph: nx.DiGraph, box: str) -> bool:
    """Tell whether a box is a leaf, or is made of one alone: it stands near its first use, whatever else moves."""
    while graph.in_degree(box) == 1:
        (box,) = graph.predecessors(box)
    return not graph.in_degree(box)
