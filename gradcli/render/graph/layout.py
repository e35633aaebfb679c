"""A picture with a place for everything: boxes with their sizes, arrows as ways from point to point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from gradcli.escaping import display_width
from gradcli.render.graph.layers import rows_of
from gradcli.render.graph.ordering import Ordered, ordered
from gradcli.render.graph.picture import Box, Panel, Picture
from gradcli.render.graph.placing import Band, columns, ports

CHARACTER, TITLE_CHARACTER, LINE = (
    6.65,
    7.85,
    15.0,
)  # of a monospaced font of 11 pixels, of 13 bold, and from line to line
PADDING, TOP = 10.0, 3.0  # beside and below the text of a box, and more above it
BETWEEN = 44.0  # rows
APART = 72.0  # the two graphs
MARGIN, HEAD = 24.0, 104.0
NARROWEST = 200.0  # of a graph
VERDICT = 16  # characters that the overall verdict takes


@dataclass(frozen=True, slots=True)
class Place:
    """A box and where it stands: its left upper corner, and its size in pixels."""

    box: Box
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Way:
    """An arrow from a box to another: the points that it passes, and whether it is straight from one to the next.

    Between the bottom of a row and the top of the next it bends.
    """

    tail: str
    head: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One of the two graphs, laid out; `x` is where it begins."""

    title: str
    x: float
    places: tuple[Place, ...]
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture laid out, with its size in pixels."""

    picture: Picture
    parts: tuple[Part, ...]
    width: float
    height: float


def size_of(box: Box) -> tuple[float, float]:
    """Return the width and the height of a box."""
    title, *others = box.lines
    widest = max([display_width(title) * TITLE_CHARACTER, *(display_width(line) * CHARACTER for line in others)])
    return widest + 2 * PADDING, len(box.lines) * LINE + PADDING + TOP


def layout_of(picture: Picture) -> Layout:
    """Return a picture laid out, the backward graph to the right of the forward one."""
    row_of = rows_of(picture)
    bands = _bands(picture, row_of)
    forward, right = _part(picture.forward, row_of, bands, MARGIN, is_up=False)
    backward, right = _part(_alike(picture, forward), row_of, bands, right + APART, is_up=True)
    least = TITLE_CHARACTER * (display_width(picture.facts) + VERDICT) + 2 * MARGIN
    bottom = bands[-1].bottom if bands else HEAD
    return Layout(picture, (forward, backward), max(right + MARGIN, least), bottom + MARGIN)


def _alike(picture: Picture, forward: Part) -> Panel:
    """Return autograd's graph with its boxes in the order from left to right of the tensors that they belong to."""
    at = {picture.beside.get(place.box.key): place.x for place in forward.places}
    boxes = picture.backward.boxes
    return replace(picture.backward, boxes={key: boxes[key] for key in sorted(boxes, key=lambda key: at.get(key, 0.0))})


def _bands(picture: Picture, row_of: Mapping[str, int]) -> list[Band]:
    """Return the rows from top to bottom, each as high as its highest box."""
    heights: dict[int, float] = {}
    for box in (*picture.forward.boxes.values(), *picture.backward.boxes.values()):
        heights[row_of[box.key]] = max(heights.get(row_of[box.key], 0.0), size_of(box)[1])
    bands, at = [], HEAD
    for row in range(max(heights, default=-1) + 1):
        bands.append(Band(at, at + heights.get(row, 0.0)))
        at = bands[-1].bottom + BETWEEN
    return bands


def _part(
    panel: Panel, row_of: Mapping[str, int], bands: Sequence[Band], x: float, *, is_up: bool
) -> tuple[Part, float]:
    """Return one of the graphs laid out from `x` on, and where it ends; at the least, its headings have room."""
    down = [(head, tail) if is_up else (tail, head) for tail, head in panel.arrows]
    found = ordered(list(panel.boxes), down, row_of)
    sizes = {key: size_of(box) for key, box in panel.boxes.items()}
    centres = {key: x + at for key, at in columns(found, {key: size[0] for key, size in sizes.items()}).items()}
    places = tuple(_place(box, centres[key], bands[row_of[key]], sizes[key]) for key, box in panel.boxes.items())
    ways = tuple(_ways(found, places, centres, bands, row_of, is_up=is_up))
    right = max([*centres.values(), *(place.x + place.width for place in places)], default=x)
    return Part(panel.title, x, places, ways), max(right, x + NARROWEST)


def _place(box: Box, centre: float, band: Band, size: tuple[float, float]) -> Place:
    return Place(box, centre - size[0] / 2, band.middle - size[1] / 2, *size)


def _ways(
    found: Ordered,
    places: Sequence[Place],
    centres: Mapping[str, float],
    bands: Sequence[Band],
    row_of: Mapping[str, int],
    *,
    is_up: bool,
) -> Iterator[Way]:
    of_box = {place.box.key: place for place in places}

    def width(box: str) -> float:
        return of_box[box].width if box in of_box else 0.0

    below = {box: ports(box, linked, centres, width(box)) for box, linked in found.below.items()}
    above = {box: ports(box, linked, centres, width(box)) for box, linked in found.above.items()}
    for (top, bottom), route in found.routes.items():
        points = [(below[top][route[1]], of_box[top].y + of_box[top].height)]
        for row, (upper, lower) in enumerate(pairwise(route), row_of[top]):
            points += [(below[upper][lower], bands[row].bottom), (above[lower][upper], bands[row + 1].top)]
        points.append((above[bottom][route[-2]], of_box[bottom].y))
        ends = (bottom, top) if is_up else (top, bottom)
        yield Way(*ends, tuple(points[::-1] if is_up else points))
