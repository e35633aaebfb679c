"""What things of Python hold by name or place, to be put back: attributes, items, names that are rebound."""

from __future__ import annotations

import functools
import sys
import sysconfig
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch

from gradcli.execution.targets.frames import is_own

# Where packages are installed: their functions are called, and what these hold is their own affair.
INSTALLED = tuple({sysconfig.get_path("purelib") + "/", sysconfig.get_path("platlib") + "/"})


@dataclass(frozen=True, slots=True, eq=False)
class Namespace:
    """The global names of a file, which its functions rebind by `global`; `only` some of them, if it is given."""

    names: dict[str, Any]
    only: frozenset[str] | None = None

    def content(self) -> dict[str, Any]:
        """Return what the names mean now, but for modules."""
        return {key: value for key, value in list(self.names.items()) if self._has(key, value)}

    def hold(self, content: Mapping[str, Any]) -> None:
        """Let the names mean what they did, one by one: all others are in use meanwhile."""
        for key in self.content().keys() - content.keys():
            del self.names[key]
        for key, value in content.items():
            if self.names.get(key, self) is not value:
                self.names[key] = value

    def narrowed(self, names: Mapping[str, Any]) -> Namespace:
        """Return those names alone that mean another thing now."""
        now = self.content()
        differ = {key for key in now.keys() | names.keys() if now.get(key, self) is not names.get(key, self)}
        return replace(self, only=frozenset(differ))

    def _has(self, key: str, value: Any) -> bool:
        if self.only is not None:
            return key in self.only
        return not is_dunder(key) and not isinstance(value, types.ModuleType)


def identity(value: Any) -> int:
    """Return what tells a thing from all others: two namespaces of a file are one."""
    return id(value.names) if isinstance(value, Namespace) else id(value)


def reached(code: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what a function reaches by name: the globals of its file, what it closes over, and its defaults."""
    yield "", Namespace(code.__globals__)
    yield from zip(code.__code__.co_freevars, code.__closure__ or (), strict=True)
    names, defaults = code.__code__.co_varnames[: code.__code__.co_argcount], code.__defaults__ or ()
    yield from zip(names[len(names) - len(defaults) :], defaults, strict=True)
    yield from (code.__kwdefaults__ or {}).items()


def parts(name: str, value: Any, content: Any) -> Iterator[tuple[str, Any]]:
    """Yield what something holds, and what it reaches as a function, a method, or a call with arguments."""
    if content is not None:
        items = content.items() if isinstance(content, Mapping) else enumerate(content)
        yield from ((joined(name, value, key), item) for key, item in items if not is_dunder(key))
    if isinstance(value, tuple):
        yield from ((joined(name, value, key), item) for key, item in enumerate(value))
    elif isinstance(value, types.FunctionType) and is_followed(value):
        yield from reached(value)
    elif isinstance(value, types.MethodType):
        yield from ((name, value.__self__), (name, value.__func__))
    elif isinstance(value, functools.partial):
        yield from ((name, item) for item in (value.func, *value.args, *value.keywords.values()))


def content_of(value: Any) -> Any:
    """Return what something holds, in a container of its own; None if it holds nothing that is looked at."""
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, list | deque | set):
        return list(value)
    if isinstance(value, Namespace):
        return value.content()
    if isinstance(value, types.CellType):
        return _of_cell(value)
    if isinstance(value, types.FunctionType):
        return dict(vars(value)) if is_followed(value) else None
    if isinstance(value, type):
        return {key: item for key, item in vars(value).items() if not is_dunder(key)} if is_users(value) else None
    if isinstance(value, torch.nn.Module | types.SimpleNamespace) or is_users(type(value)):
        return dict(vars(value)) if hasattr(value, "__dict__") else _in_slots(value)
    return None


def _in_slots(value: Any) -> dict[str, Any]:
    """Return the attributes of an object that has room for these alone."""
    named = (vars(kind).get("__slots__", ()) for kind in type(value).__mro__)
    names = [name for slots in named for name in ((slots,) if isinstance(slots, str) else slots)]
    return {name: getattr(value, name) for name in names if not is_dunder(name) and hasattr(value, name)}


def _of_cell(cell: types.CellType) -> list[Any]:
    try:
        return [cell.cell_contents]
    except ValueError:  # it is not bound yet
        return []


def is_same(now: Any, content: Any) -> bool:
    """Return whether two contents are of the same things."""
    if isinstance(now, Mapping):
        return now.keys() == content.keys() and all(now[key] is content[key] for key in now)
    return len(now) == len(content) and all(one is two for one, two in zip(now, content, strict=True))


def hold(owner: Any, content: Any) -> None:
    """Let something hold what it did, or anything else."""
    if isinstance(owner, type):
        for key in content_of(owner).keys() - content.keys():
            delattr(owner, key)
        for key, value in content.items():
            if vars(owner).get(key, owner) is not value:
                setattr(owner, key, value)
    elif isinstance(owner, Namespace):
        owner.hold(content)
    elif not is_same(content_of(owner), content):
        _refill(owner, content)


def _refill(owner: Any, content: Any) -> None:
    if isinstance(owner, types.CellType):
        if content:
            owner.cell_contents = content[0]
        else:
            del owner.cell_contents
        return
    if isinstance(owner, list):
        owner[:] = content
        return
    if not isinstance(owner, dict | deque | set) and not hasattr(owner, "__dict__"):
        _refill_slots(owner, content)
        return
    held = owner if isinstance(owner, dict | deque | set) else vars(owner)
    held.clear()
    extend: Callable[[Any], None] = held.extend if isinstance(held, deque) else held.update
    extend(content)


def _refill_slots(owner: Any, content: Mapping[str, Any]) -> None:
    for name in _in_slots(owner).keys() - content.keys():
        object.__delattr__(owner, name)
    for name, value in content.items():
        object.__setattr__(owner, name, value)


def is_users(kind: type) -> bool:
    """Return whether a class is written in a user's own file."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return isinstance(file, str) and is_own_file(file)


def is_followed(code: types.FunctionType) -> bool:
    """Return whether a function is a user's own, and of no installed package."""
    file = code.__code__.co_filename
    return is_own_file(file) and not file.startswith(INSTALLED)


is_own_file = lru_cache(maxsize=4096)(is_own)


def is_dunder(key: Any) -> bool:
    """Return whether a name is one of Python's own."""
    return isinstance(key, str) and key.startswith("__")


def joined(name: str, owner: Any, key: Any) -> str:
    """Return how something's item or attribute is written."""
    if isinstance(owner, Namespace | types.CellType):
        return str(key) if isinstance(owner, Namespace) else name
    return f"{name}[{key!r}]" if isinstance(owner, dict | list | deque | set | tuple) else f"{name}.{key}"
