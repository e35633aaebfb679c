"""Frozen dataclasses that are made in half the time: a check makes hundreds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

Class = TypeVar("Class")


def made_fast(cls: type[Class]) -> type[Class]:
    """Return a frozen dataclass with slots, with an `__init__` by which the slots set the fields themselves.

    The one that `dataclass` writes looks `object.__setattr__` up for each field, which looks the slot up by its name.
    """
    own: tuple[Field[Any], ...] = fields(cls)  # type: ignore[arg-type]  # it is a dataclass
    known: dict[str, Any] = {"MISSING": MISSING}
    for field in own:
        known[f"set_{field.name}"] = getattr(cls, field.name).__set__
        known[f"default_{field.name}"] = field.default
        known[f"make_{field.name}"] = field.default_factory
    parameters = ["self", *(_parameter(field) for field in own if field.init)]
    body = [*filter(None, map(_setting, own)), *(["self.__post_init__()"] if hasattr(cls, "__post_init__") else [])]
    made: dict[str, Callable[..., None]] = {}
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(body), known, made)  # noqa: S102 (our own names)
    made["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"
    made["__init__"].__annotations__ = cls.__init__.__annotations__
    cls.__init__ = made["__init__"]  # type: ignore[method-assign]
    return cls


def _parameter(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return f"{field.name}=default_{field.name}"
    return field.name if field.default_factory is MISSING else f"{field.name}=MISSING"


def _setting(field: Field[Any]) -> str | None:
    """Return what sets a field; None of one that is left to `__post_init__`."""
    name, has_factory = field.name, field.default_factory is not MISSING
    if field.init:
        return f"set_{name}(self, {f'make_{name}() if {name} is MISSING else ' if has_factory else ''}{name})"
    if has_factory:
        return f"set_{name}(self, make_{name}())"
    return None if field.default is MISSING else f"set_{name}(self, default_{name})"
