"""What one expression of a backward may be changed to: its sign, a factor, a term, another variable in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.comparison.causes import show_number
from gradcli.execution.custom.causes.sites import CallChange, Locals, Site, spelled, tensors_of

# So many variables are looked at.
MOST_NAMES = 14
Change = Callable[[Any, Locals], Any]
Others = Mapping[str, tuple[Tensor, Callable[[Locals], Tensor]]]
"""Other values in backward, by how they are written: each as it is, and how it is read from the variables."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Calls of backward, by number, in other words."""

    words: str
    changes: Mapping[int, CallChange]


@dataclass(frozen=True, slots=True)
class Changing:
    """A call with some of its operands changed, or its result where there are none; of the variables there."""

    operands: tuple[int, ...]
    change: Change

    def __call__(self, func: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any], names: Locals) -> Any:
        """Return the result: what is changed has a memory of its own, into which backward may write."""
        if not self.operands:
            return _copied(self.change(func(*args, **keywords), names))
        changed = [
            _copied(self.change(item, names)) if place in self.operands else item for place, item in enumerate(args)
        ]
        return func(*changed, **keywords)


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


@dataclass(frozen=True, slots=True)
class Spot:
    """A value in backward that may be changed: operands of calls, or the result of one where these are empty."""

    reads: Mapping[int, tuple[int, ...]]
    value: Any
    what: str
    site: Site

    def edit(self, words: str, change: Change) -> Edit:
        """Return the edit that changes the value."""
        changes = {number: Changing(operands, change) for number, operands in self.reads.items()}
        return Edit(f"{words} it is right{self.site.line}", changes)


def spots(sites: Sequence[Site]) -> Iterator[Spot]:
    """Yield the values that may be changed: results, what is read as it comes in, and single reads of either."""
    names = spelled(list(sites))
    reads: dict[int, list[tuple[Site, tuple[int, ...]]]] = {}
    for site in sites:
        for key in dict.fromkeys(id(item) for _, item in tensors_of(site.args)):
            places = tuple(place for place, item in tensors_of(site.args) if id(item) == key)
            if not (site.changes and 0 in places):
                reads.setdefault(key, []).append((site, places))
    made = {id(site.result) for site in sites if site.makes and site.text}
    for site in sites:
        if id(site.result) in made:
            yield Spot({site.number: ()}, site.result, f"'{site.text}'", site)
    for key, found in reads.items():
        value = found[0][0].args[found[0][1][0]]
        text = names.get(key, "an operand")
        if key not in made and len(found) > 1:
            yield Spot({site.number: places for site, places in found}, value, f"'{text}'", found[0][0])
        if key not in made or len(found) > 1:
            for site, places in found:
                yield Spot({site.number: places}, value, f"'{text}' in '{site.text}'", site)


def negated(spot: Spot) -> Edit:
    """Return a value with the other sign."""
    return spot.edit(f"with the sign of {spot.what} changed", lambda v, _: -v)


def rearranged(site: Site) -> Iterator[Edit]:
    """Yield a call with the tensors of a list that it takes, or gives, in another order, and from the other end."""
    if not site.text:
        return
    first = site.args[0] if site.args else None
    for held, operands in ((first, (0,)), (site.result, ())):
        if isinstance(held, list | tuple) and len(held) > 1 and all(isinstance(item, Tensor) for item in held):
            which = "operands" if operands else "parts"
            words = f"with the {which} of '{site.text}' in the other order"
            yield Spot({site.number: operands}, held, "", site).edit(words, lambda v, _: type(v)(v[::-1]))
    if site.makes and isinstance(first, Tensor) and first.shape == site.result.shape:
        for axis in range(-first.ndim, 0):
            words = f"with '{site.text}' taken from the other end of axis {axis} it is right{site.line}"
            yield Edit(words, {site.number: partial(_from_the_end, axis)})


def _from_the_end(
    axis: int, func: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any], _: Locals
) -> Any:
    return func(args[0].flip(axis), *args[1:], **keywords).flip(axis)


def alone(spot: Spot) -> Iterator[Edit]:
    """Yield a value changed by itself."""
    for words, change in ALONE:
        yield spot.edit(words.format(spot.what), partial(_of_one, change))
    if spot.value.ndim > 1:
        for words, change in OF_MATRICES:
            yield spot.edit(words.format(spot.what), partial(_of_one, change))
    for axis in range(-spot.value.ndim, 0):
        yield spot.edit(f"with {spot.what} flipped along axis {axis}", lambda v, _, a=axis: v.flip(a))  # type: ignore[misc]
        yield spot.edit(f"with {spot.what} summed over axis {axis}", lambda v, _, a=axis: v.sum(a, keepdim=True))  # type: ignore[misc]
        half = spot.value.shape[axis] // 2
        if half and not spot.value.shape[axis] % 2:
            words = f"with the halves of {spot.what} along axis {axis} exchanged"
            yield spot.edit(words, lambda v, _, a=axis, h=half: v.roll(h, a))  # type: ignore[misc]


def _of_one(change: Callable[[Any], Any], value: Any, _: Locals) -> Any:
    return change(value)


ALONE: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("with {} squared", lambda v: v * v),
    ("with 1 divided by {} in its place", lambda v: 1 / v),
    ("with 1 - {} in its place", lambda v: 1 - v),
    ("with the square root of {} in its place", lambda v: v.sqrt()),
    ("with the exponential of {} in its place", lambda v: v.exp()),
)
OF_MATRICES: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("with {} transposed", lambda v: v.mT),
    ("with the lower triangle of {} alone", lambda v: v.tril()),
    ("with the upper triangle of {} alone", lambda v: v.triu()),
)


def without(site: Site) -> Iterator[Edit]:
    """Yield a call left out: what it is called of stands for its result."""
    first = site.args[0] if site.args else None
    if site.makes and site.text and isinstance(first, Tensor) and first.shape == site.result.shape:
        words = f"without {site.function} in '{site.text}' it is right{site.line}"
        yield Edit(words, {site.number: lambda _, args, __, ___: args[0].clone()})


def combined(spot: Spot, others: Others) -> Iterator[Edit]:
    """Yield a value combined with each of other values, or replaced by it."""
    for name, (other, read) in others.items():
        if other is spot.value or not _fits(other, spot.value):
            continue
        for words, change in COMBINED:
            yield spot.edit(words.format(spot.what, name), partial(_of_both, change, read))
        if not bool((other != 0).all()):
            words = f"with {spot.what} zero where {name} is 0"
            yield spot.edit(words, partial(_of_both, lambda v, f: v * (f != 0), read))


def with_terms(spot: Spot, others: Others) -> Iterator[Edit]:
    """Yield a value with the product of two other values as a further term."""
    for (one, (first, read)), (two, (second, also)) in combinations_with_replacement(others.items(), 2):
        if _fits(first, second) and _fits(first, spot.value) and _fits(second, spot.value):
            for words, sign in (("with {} * {} added to {}", 1), ("with {} * {} subtracted from {}", -1)):
                change = partial(_with_product, sign, read, also)
                yield spot.edit(words.format(one, two, spot.what), change)


def _with_product(
    sign: int, one: Callable[[Locals], Tensor], two: Callable[[Locals], Tensor], value: Any, names: Locals
) -> Any:
    return value + sign * one(names) * two(names)


def _of_both(change: Callable[[Any, Any], Any], read: Callable[[Locals], Tensor], value: Any, names: Locals) -> Any:
    return change(value, read(names))


COMBINED: tuple[tuple[str, Callable[[Any, Any], Any]], ...] = (
    ("with {} times {}", lambda v, f: v * f),
    ("with {} divided by {}", lambda v, f: v / f),
    ("with {1} in place of {0}", lambda _, f: f),
    ("with {1} added to {0}", lambda v, f: v + f),
    ("with {1} subtracted from {0}", lambda v, f: v - f),
    ("with {} times 1 - {}", lambda v, f: v * (1 - f)),
    ("with {} divided by 1 - {}", lambda v, f: v / (1 - f)),
)


def _fits(one: Tensor, other: Tensor) -> bool:
    """Return whether two values can be combined."""
    try:
        torch.broadcast_shapes(one.shape, other.shape)
    except RuntimeError:
        return False
    return True


def variables(names: Mapping[str, Tensor]) -> Others:
    """Return the variables of backward that are numbers, and their sums over an axis."""
    found: dict[str, tuple[Tensor, Callable[[Locals], Tensor]]] = {}
    own = [(name, value) for name, value in names.items() if value.layout is torch.strided and not value.is_complex()]
    for name, value in own[:MOST_NAMES]:
        found[f"'{name}'"] = value, partial(_read, name, None)
    for name, value in own[:MOST_NAMES]:
        for axis in range(-value.ndim, 0) if value.ndim > 1 and value.is_floating_point() else ():
            text = f"'{name}' summed over axis {axis}"
            found[text] = value.sum(axis, keepdim=True), partial(_read, name, axis)
    return found


def _read(name: str, axis: int | None, names: Locals) -> Tensor:
    value: Tensor = names[name]
    value = value.to(torch.float64) if value.dtype is torch.bool else value
    return value if axis is None else value.sum(axis, keepdim=True)


def other_numbers(site: Site) -> Iterator[Edit]:
    """Yield a call with another number in place of one of its operands, or a variable."""
    for operand, number in enumerate(site.args):
        if isinstance(number, bool) or not isinstance(number, int | float) or not site.makes or not site.text:
            continue
        spot = Spot({site.number: (operand,)}, number, show_number(number), site)
        numbers = dict.fromkeys((-number, number + 1, number - 1, 2 * number, number / 2, 1 - number))
        for other in (*numbers, 1 / number) if number else numbers:
            words = f"with {show_number(other)} in place of {spot.what} in '{site.text}'"
            yield spot.edit(words, lambda _, __, o=other: o)  # type: ignore[misc]
        for name, (value, read) in variables(site.names).items():
            if _fits(value, site.result):
                words = f"with {name} in place of {spot.what} in '{site.text}'"
                yield spot.edit(words, lambda _, names, r=read: r(names))  # type: ignore[misc]
