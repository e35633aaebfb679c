"""`--shape X=nxm`: lengths by name, and the numbers that stand for them where a program is run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from gradcli.errors import InputError
from gradcli.inputs.shapes import each_shape
from gradcli.settings import Shape

NAME = re.compile(r"[A-Za-wyz_][A-Za-wyz_0-9]*")
# Lengths that are easy to tell apart, the first ones first.
NUMBERS = (4, 3, 5, 2, 6, 7, 8, 9)


def without_names(texts: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Return `--shape` options with numbers in the place of names, and the number of each name.

    A name has no x in it, which stands between lengths. Raises InputError for more names than there are numbers.
    """
    split = [text.rpartition("=") for text in each_shape(texts)]
    parts = [part.strip() for _, _, shape in split if shape.strip() != "scalar" for part in shape.split("x")]
    numbers = named(parts)
    return [f"{name}{equals}{_with_numbers(shape, numbers)}" for name, equals, shape in split], numbers


def _with_numbers(shape: str, numbers: Mapping[str, int]) -> str:
    if shape.strip() == "scalar":
        return shape
    return "x".join(str(numbers.get(part.strip(), part)) for part in shape.split("x"))


def named(parts: Iterable[int | str]) -> dict[str, int]:
    """Return a number for each length that is a name, all of them different from those that are numbers."""
    texts = [str(part) for part in parts]
    names = dict.fromkeys(text for text in texts if NAME.fullmatch(text))
    free = [number for number in NUMBERS if str(number) not in texts]
    if len(names) > len(free):
        raise InputError(f"{len(names)} lengths have names, and no more than {len(free)} may", option="--shape")
    return dict(zip(names, free, strict=False))


def numbered(shapes: Mapping[str, Sequence[int | str]]) -> tuple[dict[str, Shape], dict[str, int]]:
    """Return shapes with numbers in the place of names, and the number of each name."""
    numbers = named(size for shape in shapes.values() for size in shape)
    found = {
        name: tuple(numbers[size] if isinstance(size, str) else size for size in shape)
        for name, shape in shapes.items()
    }
    return found, numbers
