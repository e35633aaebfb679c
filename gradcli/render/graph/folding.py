"""Which tensors of a large graph are drawn as one box: those of a module, or runs of a program without modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import networkx as nx

from gradcli.report.graph import ForwardNode

DEEPEST = 12  # levels of modules that are tried
PAGE = 30  # boxes of a model: as many in a column as are readable in print
FEWEST = 4  # of which a picture says something
LONGEST_END = 12  # of the names of the first and the last of a run


@dataclass(frozen=True, slots=True)
class Fold:
    """Tensors that are drawn as one box, by their names, and what that is called."""

    title: str
    members: tuple[str, ...]


def folds(nodes: Sequence[ForwardNode], most: int, depth: int | None = None, page: int = PAGE) -> tuple[Fold, ...]:
    """Return the boxes of more than one tensor.

    Modules are opened to `depth` levels, or as far as they fit a page of as many boxes; to at most `most`, where that
    would leave hardly a box. Where even the outermost ones are more, or there is no module, runs of tensors in the
    order in which they were made are boxes.
    """
    has_modules = any(node.module for node in nodes)
    fits, depth = (min(most, page), depth) if has_modules else (most, None)
    if depth is not None:
        return _by_module(nodes, depth)
    if len(nodes) <= fits:
        return ()
    tried = [_by_module(nodes, level) for level in range(DEEPEST, 0, -1)]
    shut = tried[::-1]  # what does not fit a page is opened no further than it must be
    for limit, least, levels in ((fits, FEWEST, tried), (most, FEWEST, shut), (fits, 0, tried), (most, 0, shut)):
        for found in levels:
            if least <= _boxes(nodes, found) <= limit:
                return found
    return _by_order(nodes, tried[-1], page)


def _boxes(nodes: Sequence[ForwardNode], found: Sequence[Fold]) -> int:
    return len(nodes) - sum(len(fold.members) - 1 for fold in found)


def _by_module(nodes: Sequence[ForwardNode], depth: int) -> tuple[Fold, ...]:
    def title(node: ForwardNode) -> str | None:
        return ".".join(node.module.split(".")[:depth]) if node.module else None

    return _contracted(nodes, title)


def _by_order(nodes: Sequence[ForwardNode], modules: Sequence[Fold], page: int) -> tuple[Fold, ...]:
    """Return the boxes of modules, and a page of runs of what no module made, each called by its first and its last."""
    titles = {name: fold.title for fold in modules for name in fold.members}
    others = [node for node in nodes if node.op is not None and node.name not in titles]
    length = -(-len(others) // page)
    for start in range(0, len(others), length or 1):
        run = others[start : start + length]
        titles |= dict.fromkeys((node.name for node in run), f"{_end(run[0])} ... {_end(run[-1])}")
    return _contracted(nodes, lambda node: titles.get(node.name))


def _end(node: ForwardNode) -> str:
    return node.name if len(node.name) <= LONGEST_END else f"{node.op}(...)"


def _contracted(nodes: Sequence[ForwardNode], title: Callable[[ForwardNode], str | None]) -> tuple[Fold, ...]:
    """Return tensors of one title as one box: several where a way leaves such a box and comes back to it."""
    graph, box_of = nx.DiGraph(), dict[str, str]()
    latest, members = dict[str, str](), dict[str, list[str]]()
    titles = dict[str, str]()
    for node in nodes:
        name = title(node)
        operands = {box_of[operand] for operand in node.operands if operand in box_of}
        box = latest.get(name) if name is not None else None
        if box is None or any(_leads(graph, box, operand) for operand in operands if operand != box):
            box = node.name
            graph.add_node(box)
            if name is not None:
                latest[name], titles[box] = box, name
        box_of[node.name] = box
        members.setdefault(box, []).append(node.name)
        graph.add_edges_from((operand, box) for operand in operands if operand != box)
    return tuple(Fold(titles[box], tuple(names)) for box, names in members.items() if len(names) > 1)


def _leads(graph: nx.DiGraph, start: str, end: str) -> bool:
    return bool(nx.has_path(graph, start, end))
