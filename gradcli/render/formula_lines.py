"""A formula in lines that fit: broken before an operator or after a comma, never within a number or a name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

TOKEN = re.compile(
    r"""'[^']*'|"[^"]*"|\d+(?:\.\d+)?(?:e[+-]?\d+)?|[^\W\d]\w*|\*\*|//|[<>=!]=|\.\.|\s+|.""", re.VERBOSE | re.DOTALL
)
# What a line may begin with: what has a space before it, and what has none.
OPERATORS = frozenset({"+", "-", "@", "<", ">", "<=", ">=", "==", "!=", "if", "else", "for", "and", "or"})
CLOSE = frozenset({"*", "/"})
OPEN, CLOSED = frozenset("(["), frozenset(")]")


@dataclass(frozen=True, slots=True)
class _Break:
    """A place where a line may end: after so many tokens."""

    after: int
    cost: tuple[int, int]
    """How many parentheses are open there; then whether it is between terms, before a factor, or a last resort."""


def formula_lines(text: str, width: int, hanging: int = 0) -> list[str]:
    """Return a formula in lines of at most `width` characters; those after the first stand `hanging` further right.

    A number, a name or a text that is longer stands in a line of its own.
    """
    tokens, lines, room = TOKEN.findall(text), list[str](), width
    while len("".join(tokens).rstrip()) > room:
        count = _first_line(tokens, room)
        if count == len(tokens):
            break
        lines.append("".join(tokens[:count]).rstrip())
        tokens = tokens[count + (tokens[count].isspace()) :]
        room = width - hanging
    rest = "".join(tokens)
    return [lines[0], *(" " * hanging + line for line in (*lines[1:], rest))] if lines else [rest]


def _first_line(tokens: Sequence[str], room: int) -> int:
    """Return how many tokens stand in a line: to the best place in its second half, else to the last in the first."""
    ends = [*accumulate(map(len, tokens))]
    places = [place for place in _breaks(tokens) if ends[place.after - 1] <= room]
    late = [place for place in places if ends[place.after - 1] > room // 2]
    if late:
        return min(late, key=lambda place: (place.cost, -place.after)).after
    if places:
        return places[-1].after
    return next((place.after for place in _breaks(tokens)), len(tokens))


def _breaks(tokens: Sequence[str]) -> list[_Break]:
    found, opened = [], list[str]()
    for place, one in enumerate(tokens[:-1], 1):
        if one in OPEN:
            opened.append(one)
        elif one in CLOSED and opened:
            opened.pop()
        kind = _kind([*tokens[place - 1 : place + 2], ""], opened)
        if kind is not None:
            found.append(_Break(place, (len(opened), kind)))
    return found


def _kind(three: Sequence[str], opened: Sequence[str]) -> int | None:
    """Return what a line may end at: 0 between terms, 1 before a factor, 2 as a last resort; None if it may not.

    Commas in brackets, as of `X[i, j]`, are the latter.
    """
    one, following, operator, *_ = three
    if following.isspace():
        is_comma = one == ","
        is_place = is_comma and opened and opened[-1] == "["
        return (2 if is_place else 0) if is_comma or operator in OPERATORS or following != " " else None
    if following in CLOSE:
        return 1
    return 2 if one in OPEN and following not in CLOSED else None
