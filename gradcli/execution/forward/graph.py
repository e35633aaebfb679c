"""Autograd's graph, from some nodes to the leaves."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any


def reachable(starts: Iterable[Any], known: Container[Any] = ()) -> Iterator[Any]:
    """Yield the nodes that lead from some nodes to the leaves, each once; `known` ones are not entered."""
    seen, waiting = set[Any](), list(starts)
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen and node not in known:
            seen.add(node)
            yield node
            waiting += [following for following, _ in node.next_functions]


def edges_behind(starts: Iterable[Any], is_end: Callable[[Any, int], Any]) -> Iterator[tuple[Any, int]]:
    """Yield the edges that lead from some nodes to the leaves, as nodes and places; behind an end is not looked."""
    seen, waiting = set(starts), list(starts)
    while waiting:
        for node, place in waiting.pop().next_functions:
            if node is None:
                continue
            yield node, place
            if node not in seen and not is_end(node, place):
                seen.add(node)
                waiting.append(node)


def age(node: Any) -> int:
    """Return when a node was made: the engine runs the last made first."""
    number: int = node._sequence_nr()  # noqa: SLF001 (PyTorch shows it nowhere else)
    return number
