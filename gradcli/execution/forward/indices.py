"""Where an entry of a tensor is: its index, from its position in a row of all, and as it is shown."""

from __future__ import annotations

from collections.abc import Sequence


def unravel(position: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the index of the entry at a position when the last axis runs fastest."""
    index = []
    for size in reversed(shape):
        index.append(position % size)
        position //= size
    return tuple(reversed(index))


def show_index(index: Sequence[int]) -> str:
    """Return an index in words, ` at [0, 1]`; nothing for the only entry of a scalar."""
    return f" at [{', '.join(map(str, index))}]" if index else ""
