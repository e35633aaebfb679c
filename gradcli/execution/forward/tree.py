"""Nested arguments and results: lists, tuples, PyTorch's results with named fields, and dicts; all else is a leaf.

As `torch.utils._pytree` and `jax.tree`, in small.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from torch import Tensor

Path = tuple[int | str, ...]
NESTING = (tuple, list, dict)


def leaves(tree: Any) -> list[Any]:
    """Return the leaves of a tree in order."""
    if not isinstance(tree, NESTING):
        return [tree]
    found: list[Any] = []
    _collect(tree, found)
    return found


def _collect(tree: Any, found: list[Any]) -> None:
    # No call for each leaf: there are many, and this is what a small program's check takes the most time for.
    for item in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(item, NESTING):
            _collect(item, found)
        else:
            found.append(item)


def tensors(tree: Any) -> list[Tensor]:
    """Return the tensors among the leaves of a tree, in order."""
    return [leaf for leaf in leaves(tree) if isinstance(leaf, Tensor)]


def map(change: Callable[..., Any], tree: Any, *others: Any) -> Any:  # noqa: A001 (as jax.tree.map)
    """Return a tree with every leaf changed; `change` also gets the leaves of `others`, trees of the same structure."""
    if not others:
        return _mapped(change, tree)
    if not isinstance(tree, NESTING):
        return change(tree, *others)
    if isinstance(tree, dict):
        return {key: map(change, *_items(key, tree, *others)) for key in tree}
    return _like(tree, [map(change, *items) for items in zip(tree, *others, strict=True)])


def _mapped(change: Callable[[Any], Any], tree: Any) -> Any:
    if not isinstance(tree, NESTING):
        return change(tree)
    # No call for each leaf here either.
    if isinstance(tree, dict):
        return {key: _mapped(change, item) if isinstance(item, NESTING) else change(item) for key, item in tree.items()}
    return _like(tree, [_mapped(change, item) if isinstance(item, NESTING) else change(item) for item in tree])


def map_with_path(change: Callable[..., Any], tree: Any, *others: Any, path: Path = ()) -> Any:
    """Return a tree with every leaf changed; `change` gets the keys that lead to a leaf, then the leaf."""
    if isinstance(tree, dict):
        return {key: map_with_path(change, *_items(key, tree, *others), path=(*path, key)) for key in tree}
    if isinstance(tree, NESTING):
        several = enumerate(zip(tree, *others, strict=True))
        return _like(tree, [map_with_path(change, *items, path=(*path, position)) for position, items in several])
    return change(path, tree, *others)


def outline(tree: Any, kind: Callable[[Any], Hashable | None]) -> Hashable | None:
    """Return the structure of a tree with what `kind` says of each leaf; None where it says nothing of one."""
    found: list[Hashable] = []
    return tuple(found) if _outlined([tree], kind, found) else None


def _outlined(tree: Any, kind: Callable[[Any], Hashable | None], found: list[Hashable]) -> bool:
    for item in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(item, NESTING):
            found.append((type(item), tuple(item) if isinstance(item, dict) else len(item)))
            if not _outlined(item, kind, found):
                return False
        else:
            found.append(kind(item))
            if found[-1] is None:
                return False
    return True


def subscripts(path: Path) -> str:
    """Return the keys that lead to a leaf as they are written after a name: `[0][1]`."""
    return "".join(f"[{key!r}]" for key in path)


def _items(key: Any, *trees: Any) -> list[Any]:
    return [tree[key] for tree in trees]


def field_names(value: Any) -> tuple[str, ...]:
    """Return the names of a result's fields, as PyTorch calls them; none for a plain tuple."""
    if hasattr(value, "n_sequence_fields"):  # a struct sequence: what torch.sort returns
        names: tuple[str, ...] = type(value).__match_args__
        return names
    return getattr(value, "_fields", ())


def _like(tree: Any, items: list[Any]) -> Any:
    """Return items in a list, tuple, named tuple or struct sequence like another; a size is a plain tuple."""
    if type(tree) is tuple:  # most are
        return tuple(items)
    if isinstance(tree, list):
        return items
    if hasattr(tree, "n_sequence_fields"):
        return type(tree)(items)
    return type(tree)(*items) if hasattr(tree, "_fields") else tuple(items)
