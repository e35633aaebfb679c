"""The order of boxes within their rows, with few crossings: the barycentre method of Sugiyama, Tagawa and Toda (1981).

An arrow over several rows passes a place in each row between, so that it goes round the boxes there. Arrows from one
box share these places.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 12
Rows = list[list[str]]
Links = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Ordered:
    """Boxes and places in rows, from left to right; `routes` lists for each arrow, by its ends, what it passes.

    `above` and `below` are what each is linked to in the rows next to its own.
    """

    rows: Rows
    above: Links
    below: Links
    routes: Mapping[tuple[str, str], tuple[str, ...]]


def ordered(boxes: Sequence[str], down: Iterable[tuple[str, str]], row_of: Mapping[str, int]) -> Ordered:
    """Return boxes in an order with few crossings; `down` are the arrows, each from a box to one in a lower row."""
    rows: Rows = [[] for _ in range(max((row_of[box] for box in boxes), default=-1) + 1)]
    for box in boxes:
        rows[row_of[box]].append(box)
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    routes = {}
    for top, bottom in down:
        route = (top, *(f"{top}/{row}" for row in range(row_of[top] + 1, row_of[bottom])), bottom)
        routes[top, bottom] = route
        for row, (upper, lower) in enumerate(pairwise(route), row_of[top]):
            if lower not in below.setdefault(upper, []):
                below[upper].append(lower)
                above.setdefault(lower, []).append(upper)
            if lower != bottom and lower not in rows[row + 1]:
                rows[row + 1].append(lower)
    return Ordered(_untangled(rows, above, below), above, below, routes)


def _untangled(rows: Rows, above: Links, below: Links) -> Rows:
    """Return the best of the orders that sweeps down and up give, with neighbours exchanged where that helps it."""
    best, fewest = [*map(list, rows)], crossings(rows, below)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        rows = _swept(rows, above) if sweep % 2 == 0 else _swept(rows[::-1], below)[::-1]
        found = crossings(rows, below)
        if found < fewest:
            best, fewest = [*map(list, rows)], found
    _exchange(best, above, below)
    return best


def _exchange(rows: Rows, above: Links, below: Links) -> None:
    """Exchange neighbours in rows, as long as that leaves fewer crossings."""
    for _ in range(SWEEPS):
        if not sum([_exchange_in(rows, number, above, below) for number in range(len(rows))]):
            break


def _exchange_in(rows: Rows, number: int, above: Links, below: Links) -> int:
    """Exchange neighbours in one row, and tell how often."""
    row, count = rows[number], 0
    sides = [_places(row, above, rows[number - 1] if number else ()), _places(row, below, [*rows, []][number + 1])]
    for place in range(len(row) - 1):
        left, right = row[place : place + 2]
        if sum(_crossed(side[left], side[right]) - _crossed(side[right], side[left]) for side in sides) > 0:
            row[place : place + 2] = right, left
            count += 1
    return count


def _places(row: Sequence[str], links: Links, other: Sequence[str]) -> Mapping[str, Sequence[int]]:
    """Return for each box of a row where in the other row what it is linked to stands."""
    places = {box: place for place, box in enumerate(other)}
    return {box: [places[linked] for linked in links.get(box, ())] for box in row}


def _crossed(left: Sequence[int], right: Sequence[int]) -> int:
    """Return how many links of two neighbours cross, from the places of what they are linked to."""
    return sum(one > other for one in left for other in right)


def _swept(rows: Sequence[Sequence[str]], before: Links) -> Rows:
    """Return rows, each sorted by the mean place of what its boxes are linked to in the row before it."""
    swept: Rows = []
    for row in rows:
        places = {box: place for place, box in enumerate(swept[-1])} if swept else {}
        means = {
            box: _mean([places[other] for other in before.get(box, ()) if swept], own) for own, box in enumerate(row)
        }
        swept.append(sorted(row, key=means.__getitem__))
    return swept


def _mean(places: Sequence[int], own: int) -> float:
    return sum(places) / len(places) if places else float(own)


def crossings(rows: Sequence[Sequence[str]], below: Links) -> int:
    """Return how many arrows cross between rows."""
    count = 0
    for upper, lower in pairwise(rows):
        places = {box: place for place, box in enumerate(lower)}
        seen: list[int] = []
        for box in upper:
            ends = sorted(places[other] for other in below.get(box, ()))
            count += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
            for end in ends:
                insort(seen, end)
    return count
