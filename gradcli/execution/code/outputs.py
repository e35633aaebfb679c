"""Which tensor of what code returns is differentiated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

from torch import Tensor

from gradcli.errors import ExecutionError, InputError
from gradcli.phrases import did_you_mean

LOSS = "loss"
MOST_LISTED = 12
Items: TypeAlias = Iterator[tuple[str, Any]]


def output_of(returned: Any, path: str | None) -> tuple[str, Tensor]:
    """Return the tensor that a path names, with the path; without one the loss, or the only one that requires grad.

    Raises InputError for a path that is not there, or where there are several tensors; ExecutionError for no tensor.
    """
    found = tensors_of(returned)
    if path is not None:
        return _named(returned, found, path)
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


def _named(returned: Any, found: Mapping[str, Tensor], path: str) -> tuple[str, Tensor]:
    """Return a tensor by its path, which may have places where others have the names of fields."""
    by_place = dict(zip((place for place, _ in _tensors(returned, (), _places)), found, strict=True))
    name = path if path in found else by_place.get(path)
    if name is None:
        hint = did_you_mean(path, found, f"there are {', '.join([*found][:MOST_LISTED])}" if found else None)
        raise InputError(f"the code returns no tensor '{path}'", option="--output", hint=hint)
    return name, found[name]


def _tensors(
    value: Any, path: tuple[str, ...], items: Callable[[Any], Items] | None = None
) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors among what was returned, each with the keys, fields and places that lead to it."""
    if isinstance(value, Tensor):
        yield ".".join(path), value
        return
    for key, item in (items or _items)(value):
        yield from _tensors(item, (*path, key), items)


def _places(value: Any) -> Items:
    """Yield the entries of a tuple by their places, though they have names, and all else as `_items` does."""
    is_tuple = isinstance(value, tuple)
    return ((str(place), item) for place, item in enumerate(value)) if is_tuple else _items(value)


def _items(value: Any) -> Items:
    if isinstance(value, Mapping):
        yield from ((str(key), item) for key, item in value.items())
    elif is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name)) for field in fields(value))
    elif isinstance(value, tuple) and (hasattr(value, "_fields") or hasattr(value, "n_sequence_fields")):
        kind: Any = type(value)
        names = getattr(value, "_fields", None) or kind.__match_args__  # which PyTorch's own have in their place
        yield from zip(names, value, strict=True)
    elif isinstance(value, tuple | list):
        yield from ((str(place), item) for place, item in enumerate(value))
