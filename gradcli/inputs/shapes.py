"""`--shape 2x2`, `--shape w1=2x3`, `--shape scalar`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gradcli.errors import LimitError
from gradcli.inputs.option_text import PATH, OptionText
from gradcli.limits import Limits
from gradcli.settings import Shape, Value

# Between the shapes of two leaves in one option: `a=2x3,b=3`.
BETWEEN = re.compile(rf",\s*(?={PATH.pattern}\s*=)")
DIMENSION = re.compile(r"[0-9]+")
LONGEST_DIMENSION = 18  # digits; a size of more is refused whatever it is, and is not read
HINT = "write a shape as `2x3`, that of a vector as `3`, that of a number as `scalar`"


def parse_shapes(texts: Iterable[str], limits: Limits) -> dict[str | None, Shape]:
    """Return the shapes that the `--shape` options give; the key None is the shape of all leaves."""
    shapes: dict[str | None, Shape] = {}
    for text in each_shape(texts):
        option = OptionText("--shape", text)
        name, start = option.split_name()
        if name in shapes:
            who = "all leaves" if name is None else f"'{name}'"
            raise option.error(f"the shape of {who} is given twice")
        shapes[name] = _parse_shape(option, start, limits)
    return shapes


def each_shape(texts: Iterable[str]) -> list[str]:
    """Return the shapes of `--shape` options, one a leaf."""
    return [part for text in texts for part in BETWEEN.split(text)]


def shape_of(value: Value) -> Shape:
    """Return the shape of a rectangular nested list; of a number, `()`."""
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _parse_shape(option: OptionText, start: int, limits: Limits) -> Shape:
    body = option.text[start:]
    if body.strip() == "scalar":
        return ()
    shape: list[int] = []
    for part in body.split("x"):
        shape.append(_parse_dimension(option, start, part, limits))
        start += len(part) + 1
    try:
        limits.check_shape(shape)
    except LimitError as error:
        raise option.point(error) from None
    return tuple(shape)


def _parse_dimension(option: OptionText, start: int, part: str, limits: Limits) -> int:
    if not part.strip():
        raise option.error("a size is missing", max(start - 1, 0), min(max(start, 1), len(option.text)), HINT)
    if DIMENSION.fullmatch(part.strip()) is None:
        raise option.error(f"'{part}' is not a size", start, start + len(part), HINT)
    if len(part.strip()) > LONGEST_DIMENSION:
        raise option.limit_error(f"the tensor has more than {limits.elements:,} elements", "--max-elements")
    return int(part)
