"""What reports consist of: dataclasses with optional fields, and the strict JSON that they turn into.

Values are tensors (anything with `tolist()`, `shape`), so that Python callers get tensors and JSON gets lists.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import Field, field, fields
from enum import StrEnum
from typing import Any

from gradcli.errors import GradcliError


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
    for entry in fields(record):
        if is_merged(entry):
            inner = getattr(record, entry.name)
            yield from () if inner is None else present(inner)
            continue
        for name in keys_of(entry):
            value = getattr(record, name)
            if value is not None or not is_optional(entry):
                yield name, value


def jsonable(value: Any) -> Any:
    """Return `value` as strict JSON data: dataclasses, tensors, tuples and non-finite floats included."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: jsonable(item) for name, item in present(value)}
    if isinstance(value, float):
        return _finite(value)
    if value is None or isinstance(value, str | int):
        return str(value) if isinstance(value, StrEnum) else value
    if isinstance(value, complex):
        return {"real": _finite(value.real), "imag": _finite(value.imag)}
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return _entries(value)
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    msg = f"a report cannot hold {type(value).__name__}"
    raise GradcliError(msg)


def _entries(tensor: Any) -> Any:
    """Return a tensor as nested lists; the entries of a finite one need no look at each."""
    if hasattr(tensor, "isfinite") and not tensor.is_complex() and bool(tensor.isfinite().all()):
        return tensor.tolist()
    return jsonable(tensor.tolist())


def _finite(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
