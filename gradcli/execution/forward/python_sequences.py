"""Python's own lists, tuples and texts in a program: what their operators make, and how many items that has."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

SEQUENCES = (tuple, list, str)
OPERATORS: Mapping[str, Callable[..., Any]] = {"+": operator.add, "*": operator.mul}

# What loops run over is made at once, as a list; a tuple stays one.
LISTS: Mapping[str, Callable[..., Any]] = {
    "dict": lambda items=(), **more: {**dict(items), **more},
    "enumerate": lambda items, start=0: list(enumerate(items, start)),
    "list": lambda items=(): [*items],
    "range": lambda *bounds: [*range(*bounds)],
    "reversed": lambda items: [*reversed(items)],
    "set": lambda items=(): [*dict.fromkeys(items)],  # in their order, so that two runs are alike
    "sorted": sorted,
    "tuple": lambda items=(): (*items,),
    "zip": lambda *several: list(zip(*several, strict=False)),
}


def count_range(bounds: list[Any]) -> int:
    """Return how many numbers a range has; 0 where Python refuses its bounds."""
    try:
        counted = range(*bounds)
        return max(0, (counted.stop - counted.start) // counted.step + 1)
    except (TypeError, ValueError):
        return 0


def is_operator(sign: str | None, operands: list[Any]) -> bool:
    """Return whether an operator is that of a list, a tuple or a text, one of which is among the operands."""
    return sign in OPERATORS and any(isinstance(value, SEQUENCES) for value in operands)


def count_result(sign: str, operands: list[Any]) -> int | None:
    """Return how many items the result will have; None where Python refuses the operands."""
    sizes = [count_items(value) if isinstance(value, SEQUENCES) else value for value in operands]
    if not all(isinstance(size, int) for size in sizes):
        return None
    count: int = OPERATORS[sign](*(max(size, 0) for size in sizes))
    return count


def count_items(value: Any) -> int:
    """Return how many items a list or tuple holds, those of lists in it included; of a text, its characters."""
    if isinstance(value, str):
        return len(value)
    return len(value) + sum(count_items(item) for item in value if isinstance(item, tuple | list))
