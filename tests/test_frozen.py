"""Frozen dataclasses that are made fast, beside those that `dataclass` makes."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass, field
from typing import Any

import pytest

from gradcli.frozen import made_fast


@dataclass(frozen=True, slots=True)
class Base:
    """A class with a field of its own."""

    first: int


@dataclass(frozen=True, slots=True)
class Plain(Base):
    """A class with fields of all kinds."""

    second: str
    third: list[int] = field(default_factory=list)
    fourth: float = 4.0
    fifth: str = field(default="five", init=False)
    sixth: dict[str, int] = field(default_factory=dict, init=False)
    seventh: int = field(init=False)

    def __post_init__(self) -> None:
        """Set what is made of other fields."""
        object.__setattr__(self, "seventh", self.first + 7)


@made_fast
@dataclass(frozen=True, slots=True)
class Fast(Plain):
    """The same, made fast."""


ARGUMENTS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((1, "two"), {}),
    ((1,), {"second": "two", "fourth": 0.5}),
    ((1, "two", [3], 4.5), {}),
    ((), {"third": [], "first": 0, "second": ""}),
]


@pytest.mark.parametrize(("positional", "keywords"), ARGUMENTS)
def test_the_same_fields_are_set(positional: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    plain, fast = Plain(*positional, **keywords), Fast(*positional, **keywords)
    assert dataclasses.asdict(fast) == dataclasses.asdict(plain)
    assert dataclasses.replace(fast, fourth=1.0).seventh == plain.seventh


def test_what_a_factory_makes_is_shared_by_no_two() -> None:
    one, other = Fast(1, "two"), Fast(1, "two")
    assert one == other
    assert one.third is not other.third
    assert one.sixth is not other.sixth


@pytest.mark.parametrize("arguments", [(), (1,), (1, "two", [], 4.0, "five")])
def test_other_arguments_are_refused(arguments: tuple[Any, ...]) -> None:
    for one in (Plain, Fast):
        with pytest.raises(TypeError):
            one(*arguments)


def test_it_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Fast(1, "two").first = 2  # type: ignore[misc]


def test_the_parameters_have_their_names_and_types() -> None:
    plain, fast = inspect.signature(Plain).parameters, inspect.signature(Fast).parameters
    assert [(one.name, one.annotation) for one in fast.values()] == [(o.name, o.annotation) for o in plain.values()]
