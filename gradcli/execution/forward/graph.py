"""Autograd's graph, from some nodes to the leaves."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

Known = TypeVar("Known")
Edge: TypeAlias = tuple[Any, int, Known | None]


def reachable(starts: Iterable[Any], known: Container[Any] = ()) -> Iterator[Any]:
    """Yield the nodes that lead from some nodes to the leaves, each once; `known` ones are not entered."""
    seen, waiting = set[Any](), list(starts)
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen and node not in known:
            seen.add(node)
            yield node
            waiting += [following for following, _ in node.next_functions]


def edges_behind(starts: Iterable[Any], at: Callable[[Any, int], Known | None]) -> Iterator[Edge[Known]]:
    """Yield the edges from some nodes towards the leaves: node, place, and what is known there; none is behind that."""
    seen, waiting = set(starts), list(starts)
    while waiting:
        for node, place in waiting.pop().next_functions:
            if node is None:
                continue
            found = at(node, place)
            yield node, place, found
            if found is None and node not in seen:
                seen.add(node)
                waiting.append(node)


def age(node: Any) -> int:
    """Return when a node was made: the engine runs the last made first."""
    number: int = node._sequence_nr()  # noqa: SLF001 (PyTorch shows it nowhere else)
    return number
