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
    """Return a row for each box: below all that it depends on, and what depends on one leaf alone near its first use.

    That makes no arrow longer, and those of a model's parameters short.
    """
    rows = {box: row for row, boxes in enumerate(nx.topological_generations(graph)) for box in boxes}
    for box in [*nx.topological_sort(graph)][::-1]:
        if graph.out_degree(box) and _is_of_one_leaf(graph, box):
            rows[box] = min(rows[below] for below in graph.successors(box)) - 1
    return rows


def _is_of_one_leaf(graph: nx.DiGraph, box: str) -> bool:
    while graph.in_degree(box) == 1:
        (box,) = graph.predecessors(box)
    return not graph.in_degree(box)
