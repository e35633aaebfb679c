"""What reports are made of: dataclasses with optional fields, the strict JSON that they turn into, and one comparison.

Values are tensors (anything with `tolist()`, `shape`), so that Python callers get tensors and JSON gets lists.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from enum import StrEnum
from typing import Any

from gradcli.errors import GradcliError


def optional() -> Any:
    """Return a field that only some commands fill: None means that the JSON has no such key."""
    return field(default=None, metadata={"optional": True})


def unwritten(default: Any) -> Any:
    """Return a field that only what is computed from it needs: the JSON has no such key."""
    return field(default=default, metadata={"unwritten": True})


def merged() -> Any:
    """Return a field of another record, or None: the JSON has that record's fields in its place."""
    return field(default=None, metadata={"merged": True})


def is_merged(entry: Field[Any]) -> bool:
    """Return whether the JSON has the fields of what a field holds in its place."""
    return "merged" in entry.metadata


def is_optional(entry: Field[Any]) -> bool:
    """Return whether a field is left out of the JSON where it is None."""
    return "optional" in entry.metadata


@dataclass(frozen=True, slots=True)
class Symbolic:
    """The symbolic derivative beside autograd's: formula, value, and how far apart they are.

    `value` is a tensor of the operand's shape, or None where undecided; errors are None where there is no value.
    """

    formula: str | None
    latex: str | None
    value: Any | None
    max_abs_error: float | None = None
    max_rel_error: float | None = None
    worst_index: tuple[int, ...] | None = None


def computed(kind: Any) -> tuple[str, ...]:
    """Return the names of the properties that the JSON of a dataclass has before its fields: those in `COMPUTED`."""
    names: tuple[str, ...] = getattr(kind, "COMPUTED", ())
    return names


def written(kind: Any) -> tuple[Field[Any], ...]:
    """Return the fields of a dataclass that its JSON has."""
    return tuple(entry for entry in fields(kind) if "unwritten" not in entry.metadata)


def present(record: Any) -> Iterator[tuple[str, Any]]:
    """Yield what the JSON of a dataclass has: its computed properties, and its fields but for optional ones of None."""
    yield from ((name, getattr(record, name)) for name in computed(record))
    for entry in written(record):
        value = getattr(record, entry.name)
        if is_merged(entry):
            yield from () if value is None else present(value)
        elif value is not None or not is_optional(entry):
            yield entry.name, value


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
