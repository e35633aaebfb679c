"""Which tensor of what code returns is differentiated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from gradcli.errors import ExecutionError, InputError
from gradcli.phrases import did_you_mean

LOSS = "loss"
MOST_LISTED = 12


def output_of(returned: Any, path: str | None) -> tuple[str, Tensor]:
    """Return the tensor that a path names, with the path; without one the loss, or the only one that requires grad.

    Raises InputError for a path that is not there, or where there are several tensors; ExecutionError for no tensor.
    """
    found = tensors_of(returned)
    if path is not None:
        return path, _named(found, path)
    wanted = {name: tensor for name, tensor in found.items() if tensor.requires_grad}
    if LOSS in wanted:
        return LOSS, wanted[LOSS]
    if len(wanted) == 1 or (not wanted and len(found) == 1):
        return next(iter((wanted or found).items()))
    if not found:
        kind = type(returned).__name__
        raise ExecutionError(f"the code returns no tensor, but {kind}", hint="return what is to be differentiated")
    listed = ", ".join([*(wanted or found)][:MOST_LISTED])
    raise InputError(f"the code returns {len(wanted or found)} tensors", hint=f"pick one with `--output`: {listed}")


def tensors_of(returned: Any) -> dict[str, Tensor]:
    """Return the tensors among what code returned, by their paths; of these, `output_of` picks the same."""
    return dict(_tensors(returned, ()))


def _named(found: Mapping[str, Tensor], path: str) -> Tensor:
    if path not in found:
        hint = did_you_mean(path, found, f"there are {', '.join([*found][:MOST_LISTED])}" if found else None)
        raise InputError(f"the code returns no tensor '{path}'", option="--output", hint=hint)
    return found[path]


def _tensors(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors among what was returned, each with the keys, fields and places that lead to it."""
    if isinstance(value, Tensor):
        yield ".".join(path), value
        return
    for key, item in _items(value):
        yield from _tensors(item, (*path, key))


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), item) for key, item in value.items())
    elif is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name)) for field in fields(value))
    elif hasattr(value, "_fields"):
        yield from zip(value._fields, value, strict=True)
    elif isinstance(value, tuple | list):
        yield from ((str(place), item) for place, item in enumerate(value))
