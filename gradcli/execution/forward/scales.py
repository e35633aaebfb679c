"""How far inputs are scaled for what is computed from them to get to the other side of a number it is compared with.

Entries of the inputs may be chosen to lie beyond such a number; a norm of theirs gets there only as they all shrink.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Calls that compare: their numbers are values and no dimensions.
COMPARING = frozenset(
    {
        "gt",
        "lt",
        "ge",
        "le",
        "eq",
        "ne",
        "greater",
        "less",
        "greater_equal",
        "less_equal",
        "clamp",
        "clip",
        "clamp_min",
        "clamp_max",
        "threshold",
        "where",
        "maximum",
        "minimum",
        "fmax",
        "fmin",
        "max",
        "min",
        "hardtanh",
        "hardshrink",
        "softshrink",
        "isclose",
        "heaviside",
        "relu6",
        "hardswish",
        "hardsigmoid",
    }
)
# Scales are powers of this, down to where numbers are guards against a division by 0, and up to large entries.
BASE, LOWEST, HIGHEST = 8.0, 10, 7
# The most scales that are found.
MOST = 4


@dataclass(frozen=True, slots=True)
class Scaled:
    """Some inputs, by name, multiplied by a number."""

    names: tuple[str, ...]
    factor: float

    def applied(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return values with these inputs scaled."""
        return {name: value * self.factor if name in self.names else value for name, value in values.items()}

    @property
    def words(self) -> str:
        """Return what is scaled, and how far."""
        listed = " and ".join(f"'{name}'" for name in self.names)
        return f"{listed} times {self.factor:g}"


def sides(tensors: Sequence[Tensor], numbers: Sequence[float]) -> Iterator[Tensor]:
    """Yield which entries of each real tensor lie above each number."""
    for tensor in tensors:
        if tensor.is_floating_point():
            yield from (tensor.detach() > number for number in numbers)


def crossings(
    names: Sequence[str], sides_at: Callable[[Scaled], Sequence[Tensor]], *, negated: bool = False
) -> list[Scaled]:
    """Return by how much inputs of some names are scaled, as little as may be, to cross the numbers not crossed yet.

    `sides_at` gives on which sides entries lie, in the order of the calls, and nothing where that is not to be told.
    What has entries on both sides as it is, or once it is `negated`, is passed over.
    """
    own = sides_at(Scaled((), 1.0))
    left = {place for place, side in enumerate(own) if bool(side.all()) or not bool(side.any())}
    found: list[Scaled] = []
    for change in ([Scaled(tuple(names), -1.0)] if negated else []) + list(_changes(names)):
        if not left or len(found) == MOST:
            break
        there = sides_at(change)
        crossed = {place for place in left if place < len(there) and _differ(own[place], there[place])}
        left -= crossed
        found += [change] if crossed and not (negated and change.factor == -1) else []
    return found


def _differ(own: Tensor, there: Tensor) -> bool:
    return own.shape == there.shape and not torch.equal(own, there)


def _changes(names: Sequence[str]) -> Iterator[Scaled]:
    """Yield all inputs scaled, the nearest first, and with the other sign; and then each of several alone."""
    powers = [power for size in range(1, LOWEST + 1) for power in (-size, size) if power <= HIGHEST]
    for sign in (1, -1):
        yield from (Scaled(tuple(names), sign * BASE**power) for power in powers)
    for name in names if len(names) > 1 else ():
        yield from (Scaled((name,), BASE**power) for power in powers)
