"""What reports consist of: dataclasses with optional fields, and the strict JSON that they turn into.

Values are tensors (anything with `tolist()`, `shape`), so that Python callers get tensors and JSON gets lists.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import Field, dataclass, field, fields
from enum import StrEnum
from functools import cache
from typing import Any

from gradcli.errors import GradcliError

SUMMARY = "summary"
PLAIN = frozenset({str, int, bool, type(None)})  # types of values that are JSON as they are


@dataclass(frozen=True, slots=True)
class Summary:
    """A tensor whose entries are left out: its 2-norm and its extremes; those of a complex one are of absolute values.

    A NaN among the entries makes all of them NaN.
    """

    shape: tuple[int, ...]
    norm: float
    min: float
    max: float
    mean: float | complex

    @staticmethod
    def of(tensor: Any) -> Summary:
        """Return what a tensor of at least one entry is like."""
        entries = tensor.detach().reshape(-1)
        entries = entries if entries.is_complex() else entries.double()
        sizes = entries.abs().double() if entries.is_complex() else entries
        least, most = float(sizes.amin()), float(sizes.amax())
        return Summary(tuple(tensor.shape), float(entries.norm()), least, most, entries.mean().item())


def optional(*names: str, default: Any = None) -> Any:
    """Return a field that only some commands fill: None means that the JSON has no such key; `names` as `shown_as`."""
    return field(default=default, metadata={"optional": True, **({"shown_as": names} if names else {})})


def shown_as(*names: str, **options: Any) -> Any:
    """Return a field in whose place the JSON has properties of its record: the text of its notes, say, or nothing."""
    return field(metadata={"shown_as": names}, **options)


def merged() -> Any:
    """Return a field of another record, or None: the JSON has that record's fields in its place."""
    return field(default=None, metadata={"merged": True})


def keys_of(entry: Field[Any]) -> tuple[str, ...]:
    """Return the keys that a field has in the JSON, each the name of an attribute."""
    names: tuple[str, ...] = entry.metadata.get("shown_as", (entry.name,))
    return names


def is_merged(entry: Field[Any]) -> bool:
    """Return whether the JSON has the fields of what a field holds in its place."""
    return "merged" in entry.metadata


def is_optional(entry: Field[Any]) -> bool:
    """Return whether a field is left out of the JSON where it is None."""
    return "optional" in entry.metadata


def present(record: Any) -> Iterator[tuple[str, Any]]:
    """Yield what the JSON has of a dataclass: its fields, but for the optional ones that are None."""
    for name, keys, merges, may_lack in _entries_of(type(record)):  # type: ignore[arg-type]  # a class is hashable
        if merges:
            inner = getattr(record, name)
            yield from () if inner is None else present(inner)
            continue
        for key in keys:
            value = getattr(record, key)
            if value is not None or not may_lack:
                yield key, value


@cache
def _entries_of(kind: Any) -> list[tuple[str, tuple[str, ...], bool, bool]]:
    """Return the fields of a kind of record: their names and keys, whether one is merged, and whether optional."""
    return [(entry.name, keys_of(entry), is_merged(entry), is_optional(entry)) for entry in fields(kind)]


def bounded(items: Iterable[tuple[str, Any]], most: int | None) -> Iterator[tuple[str, Any]]:
    """Yield the items of a record; a tensor of more entries than `most` as None, and last what such are like."""
    if most is None:
        yield from items
        return
    left_out: dict[str, Summary] = {}
    for name, value in items:
        is_large = _is_large(value, most)
        left_out |= {name: Summary.of(value)} if is_large else {}
        yield name, None if is_large else value
    if left_out:
        yield SUMMARY, left_out


def _is_large(value: Any, most: int) -> bool:
    return hasattr(value, "tolist") and math.prod(value.shape) > most


def jsonable(value: Any, most: int | None = None) -> Any:
    """Return `value` as strict JSON data: dataclasses, tensors, tuples and non-finite floats included.

    Of a tensor of more entries than `most` the entries are left out, and what it is like stands in `summary`; of one
    that is not a field of a record, in its place.
    """
    if type(value) in PLAIN:
        return value
    if hasattr(value, "__dataclass_fields__"):
        return jsonable_items(present(value) if most is None else bounded(present(value), most), most)
    if most is not None and _is_large(value, most):
        return jsonable(Summary.of(value))
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, str | int):
        return str(value) if isinstance(value, StrEnum) else value
    if isinstance(value, complex):
        return {"real": _finite(value.real), "imag": _finite(value.imag)}
    if isinstance(value, dict):
        return jsonable_items(((str(key), item) for key, item in value.items()), most)
    if hasattr(value, "tolist"):
        return _entries(value)
    if isinstance(value, list | tuple):
        return [item if type(item) in PLAIN else jsonable(item, most) for item in value]
    msg = f"a report cannot hold {type(value).__name__}"
    raise GradcliError(msg)


def jsonable_items(items: Iterable[tuple[str, Any]], most: int | None) -> dict[str, Any]:
    """Return the items of a record as strict JSON data, as `jsonable` does; most are plain, and need no call."""
    return {name: item if type(item) in PLAIN else jsonable(item, most) for name, item in items}


def dumps(value: object) -> str:
    """Return JSON data on one line."""
    # ASCII only: no character of a program can then steer a terminal or fail to be encoded.
    return json.dumps(value, allow_nan=False, ensure_ascii=True)


def _entries(tensor: Any) -> Any:
    """Return a tensor as nested lists; the entries of a finite one need no look at each."""
    if hasattr(tensor, "is_complex") and not tensor.is_complex() and math.isfinite(tensor.sum().item()):
        return tensor.tolist()
    return jsonable(tensor.tolist())


def _finite(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
