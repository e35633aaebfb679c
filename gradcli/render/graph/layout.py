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
BETWEEN, MOST_BETWEEN = 44.0, 120.0  # rows
SLOPE = 0.12  # of the longest arrow between two rows
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
    """An arrow from a box to another, or what several arrows share: then one of its ends is empty.

    From the bottom of a row to the top of the next it bends, and is straight between.
    """

    tail: str
    head: str
    points: tuple[tuple[float, float], ...]
    has_head: bool


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
    forward = _across(picture.forward, row_of, MARGIN, is_up=False)
    backward = _across(_alike(picture, forward), row_of, forward.right + APART, is_up=True)
    bands = _bands((forward, backward), row_of)
    least = TITLE_CHARACTER * (display_width(picture.facts) + VERDICT) + 2 * MARGIN
    width = max(backward.right + MARGIN, least)
    return Layout(picture, (_part(forward, row_of, bands), _part(backward, row_of, bands)), width, _bottom(bands))


def _bottom(bands: Sequence[Band]) -> float:
    return (bands[-1].bottom if bands else HEAD) + MARGIN


@dataclass(frozen=True, slots=True)
class _Across:
    """One of the graphs with its boxes and arrows placed from left to right, from `left` on; `sizes` are of boxes."""

    panel: Panel
    found: Ordered
    centres: Mapping[str, float]
    sizes: Mapping[str, tuple[float, float]]
    left: float
    is_up: bool

    @property
    def right(self) -> float:
        """Return where it ends; at the least, its headings have room."""
        ends = [centre + self.sizes.get(key, (0.0, 0.0))[0] / 2 for key, centre in self.centres.items()]
        return max([*ends, self.left + NARROWEST])


def _across(panel: Panel, row_of: Mapping[str, int], left: float, *, is_up: bool) -> _Across:
    down = [(head, tail) if is_up else (tail, head) for tail, head in panel.arrows]
    found = ordered(list(panel.boxes), down, row_of)
    sizes = {key: size_of(box) for key, box in panel.boxes.items()}
    centres = columns(found, {key: size[0] for key, size in sizes.items()})
    return _Across(panel, found, {key: left + at for key, at in centres.items()}, sizes, left, is_up)


def _alike(picture: Picture, forward: _Across) -> Panel:
    """Return autograd's graph with its boxes in the order from left to right of the tensors that they belong to."""
    at = {picture.beside.get(key): centre for key, centre in forward.centres.items()}
    boxes = picture.backward.boxes
    return replace(picture.backward, boxes={key: boxes[key] for key in sorted(boxes, key=lambda key: at.get(key, 0.0))})


def _bands(parts: Sequence[_Across], row_of: Mapping[str, int]) -> list[Band]:
    """Return the rows from top to bottom, each as high as its highest box, and further apart below wide arrows."""
    heights: dict[int, float] = {}
    for key, (_, height) in (item for part in parts for item in part.sizes.items()):
        heights[row_of[key]] = max(heights.get(row_of[key], 0.0), height)
    widest = [max(_widest(part, row) for part in parts) for row in range(max(heights, default=-1) + 1)]
    bands, at = [], HEAD
    for row, width in enumerate(widest):
        bands.append(Band(at, at + heights.get(row, 0.0)))
        at = bands[-1].bottom + min(max(BETWEEN, SLOPE * width), MOST_BETWEEN)
    return bands


def _widest(part: _Across, row: int) -> float:
    """Return how far to the side the arrows from a row to the next one lead."""
    boxes = part.found.rows[row] if row < len(part.found.rows) else ()
    linked = ((box, other) for box in boxes for other in part.found.below.get(box, ()))
    return max((abs(part.centres[box] - part.centres[other]) for box, other in linked), default=0.0)


def _part(part: _Across, row_of: Mapping[str, int], bands: Sequence[Band]) -> Part:
    """Return one of the graphs laid out."""
    boxes = part.panel.boxes.items()
    places = {key: _place(box, part.centres[key], bands[row_of[key]], part.sizes[key]) for key, box in boxes}
    ways = tuple(_Drawing(part.found, places, part.centres, bands, row_of, part.is_up).ways())
    return Part(part.panel.title, part.left, tuple(places.values()), ways)


def _place(box: Box, centre: float, band: Band, size: tuple[float, float]) -> Place:
    return Place(box, centre - size[0] / 2, band.middle - size[1] / 2, *size)


@dataclass(frozen=True, slots=True)
class _Drawing:
    """A graph whose boxes have their places, for its arrows to be led between them."""

    found: Ordered
    places: Mapping[str, Place]
    centres: Mapping[str, float]
    bands: Sequence[Band]
    row_of: Mapping[str, int]
    is_up: bool

    def ways(self) -> Iterator[Way]:
        """Yield what all arrows from a box, or of those that lead up, to it, share, and then each from there on."""
        routes: dict[str, list[tuple[str, ...]]] = {}
        for (top, _), route in self.found.routes.items():
            routes.setdefault(top, []).append(route)
        for top, own in routes.items():
            shared = max(own, key=len)[:-1]
            if len(shared) > 1:
                yield self._way(shared, top, "")
            for route in own:
                yield self._way(route[-2:], top, route[-1])

    def _way(self, route: Sequence[str], top: str, bottom: str) -> Way:
        """Return the part of a way along a route; it ends at a box unless it is what several ways share."""
        first = self.row_of[top] if route[0] == top else self._row(route[0])
        points = [self._end(route[0], route[1], is_bottom=True)] if route[0] == top else []
        for row, (upper, lower) in enumerate(pairwise(route), first):
            below, above = self._port(upper, lower, is_bottom=True), self._port(lower, upper, is_bottom=False)
            points += [(below, self.bands[row].bottom), (above, self.bands[row + 1].top)]
        if bottom:
            points.append(self._end(bottom, route[-2], is_bottom=False))
        else:
            points.append((points[-1][0], self.bands[first + len(route) - 1].bottom))
        ends = (bottom, top) if self.is_up else (top, bottom)
        has_head = route[0] == top if self.is_up else bool(bottom)
        return Way(*ends, tuple(points[::-1] if self.is_up else points), has_head)

    def _row(self, place: str) -> int:
        return int(place.rpartition("/")[2])

    def _end(self, box: str, other: str, *, is_bottom: bool) -> tuple[float, float]:
        """Return where at a box an arrow from or to another begins or ends."""
        place = self.places[box]
        return self._port(box, other, is_bottom=is_bottom), place.y + (place.height if is_bottom else 0.0)

    def _port(self, box: str, other: str, *, is_bottom: bool) -> float:
        linked = (self.found.below if is_bottom else self.found.above)[box]
        width = self.places[box].width if box in self.places else 0.0
        return ports(box, linked, self.centres, width)[other]
