"""Nested arguments and results without their values: each of these is told by its place among all that a run makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gradcli.execution.forward import tree
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.tree import NESTING


class FilledCall(BoundCall):
    """A call's arguments with the values of a run in their places, put there when they are first asked for."""

    __slots__ = ("_template", "_values")

    def __init__(self, template: BoundCall, values: Sequence[Any]) -> None:
        self.node, self._template, self._values = template.node, template, values

    def __getattr__(self, name: str) -> Any:
        """Return arguments that nobody has asked for yet."""
        if name not in BoundCall.__slots__:
            raise AttributeError(name)
        found = filled(getattr(self._template, name), self._values)
        setattr(self, name, found)
        return found


class UnplacedError(Exception):
    """A value has no place: nothing says what it is in another run."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands among all that a run makes."""

    number: int


def placed(value: Any, places: Mapping[Any, int], kinds: tuple[type, ...]) -> Any:
    """Return nested arguments with the place of every value of these kinds; UnplacedError for one that has none."""

    def place(leaf: Any) -> Any:
        if isinstance(leaf, kinds):
            if leaf not in places:
                raise UnplacedError
            return Place(places[leaf])
        if isinstance(leaf, Tensor):
            raise UnplacedError
        return leaf

    return tree.map(place, value)


def filled(template: Any, values: Sequence[Any]) -> Any:
    """Return nested arguments with the values of a run in their places."""
    # No call for each leaf, as in `tree`: this is what every call of a run that is repeated takes.
    if type(template) is Place:
        return values[template.number]
    if not template:
        return template.copy() if isinstance(template, list | dict) else template
    if isinstance(template, dict):
        return {
            key: values[item.number]
            if type(item) is Place
            else filled(item, values)
            if isinstance(item, NESTING)
            else item
            for key, item in template.items()
        }
    if type(template) is list or type(template) is tuple:
        items = [
            values[item.number] if type(item) is Place else filled(item, values) if isinstance(item, NESTING) else item
            for item in template
        ]
        return items if type(template) is list else tuple(items)
    if isinstance(template, NESTING):
        return tree.map(lambda leaf: values[leaf.number] if type(leaf) is Place else leaf, template)
    return template
