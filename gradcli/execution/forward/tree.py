"""Nested arguments and results: lists, tuples, and PyTorch's results with named parts."""

from __future__ import annotations

from collections import namedtuple
from functools import cache
from typing import Any


def rebuild(like: Any, items: list[Any]) -> Any:
    """Return items in a list, tuple or named tuple like another."""
    if isinstance(like, list):
        return items
    fields = getattr(type(like), "_fields", None) or _structseq_fields(like)
    return _named(type(like).__name__, fields)(*items) if fields else tuple(items)


def _structseq_fields(value: Any) -> tuple[str, ...] | None:
    """Return the field names of one of PyTorch's results with several named parts."""
    if type(value) is tuple or not hasattr(value, "n_sequence_fields"):
        return None
    names = [name for name in dir(type(value)) if not name.startswith("_") and name not in {"count", "index"}]
    names = [name for name in names if not name.startswith("n_")]
    by_place = {id(getattr(value, name)): name for name in names}
    return tuple(by_place[id(item)] for item in value)


@cache
def _named(name: str, fields: tuple[str, ...]) -> Any:
    return namedtuple(name, fields)  # noqa: PYI024 (the fields are PyTorch's, known only at run time)
