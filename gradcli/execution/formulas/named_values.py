"""Values whose lengths have names: labels beside `--shape X=nxd`, where a program takes as many as X has rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from gradcli.inputs.lengths import NUMBERS
from gradcli.settings import Settings, Shape


def with_lengths_of_values(settings: Settings, given: Mapping[str, Any]) -> Iterator[Settings]:
    """Yield settings in which one of the named lengths is one of a value's, and that value's length has the name."""
    shapes = {name: tuple(torch.as_tensor(value).shape) for name, value in {**settings.values, **given}.items()}
    for length in dict.fromkeys(size for shape in shapes.values() for size in shape):
        for name in settings.sizes:
            found = _with_length(settings, name, length, shapes)
            if found is not None:
                yield found


def _with_length(settings: Settings, name: str, length: int, valued: Mapping[str, Shape]) -> Settings | None:
    """Return settings in which a name stands for a length; None where the program has that length as a number."""
    named = {name: shape for name, shape in settings.shapes.items() if name not in valued}
    taken = {size for shape in named.values() for size in shape} - {*settings.sizes.values()}
    if length in taken:
        return None
    others = [number for number in NUMBERS if number not in {*taken, length}]
    rest = [other for other in settings.sizes if other != name]
    sizes = {name: length, **dict(zip(rest, others, strict=False))}
    numbers = {settings.sizes[one]: sizes[one] for one in settings.sizes}
    shapes: dict[str | None, Shape] = {
        leaf: tuple(numbers.get(size, size) for size in shape) for leaf, shape in named.items()
    }
    shapes |= {leaf: shape for leaf, shape in valued.items() if length in shape}
    return replace(settings, shapes=shapes, sizes={one: sizes[one] for one in settings.sizes})


def without_values_of(settings: Settings, given: Mapping[str, Any]) -> tuple[Settings, Mapping[str, Any]]:
    """Return settings and values without those of which a length has a name: at other lengths they are others."""
    names = {*settings.sizes.values()}
    opened = {leaf for leaf, shape in settings.shapes.items() if names & {*shape}} & {*settings.values, *given}
    if not opened:
        return settings, given
    kept = {leaf: value for leaf, value in settings.values.items() if leaf not in opened}
    return replace(settings, values=kept), {leaf: value for leaf, value in given.items() if leaf not in opened}
