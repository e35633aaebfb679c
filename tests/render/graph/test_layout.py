"""Where boxes stand: in rows that arrows lead down, with room between them, and no arrow through a box."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from operator import itemgetter

import pytest

from gradcli.render.graph.layers import rows_of
from gradcli.render.graph.layout import Layout, Part, Place, layout_of, size_of
from gradcli.render.graph.ordering import _exchange, crossings, ordered
from gradcli.render.graph.picture import Picture, picture_of
from gradcli.report.report import Report

COUNTS = [3, 30, 120, 300]


@pytest.fixture(params=COUNTS, scope="module")
def picture(
    request: pytest.FixtureRequest, make_graph: Callable[..., Report], make_rows: Callable[..., list]
) -> Picture:
    count: int = request.param
    return picture_of(make_graph(make_rows(count, count, leaves=min(count - 2, 8) or 1)))


@pytest.fixture(scope="module")
def layout(picture: Picture) -> Layout:
    return layout_of(picture)


def test_arrows_lead_down_in_the_program_and_up_in_autograd(picture: Picture) -> None:
    rows = rows_of(picture)
    assert all(rows[tail] < rows[head] for tail, head in picture.forward.arrows)
    assert all(rows[tail] > rows[head] for tail, head in picture.backward.arrows)


def test_a_tensor_stands_in_the_row_of_its_grad_fn(picture: Picture) -> None:
    rows = rows_of(picture)
    assert picture.beside
    assert all(rows[tensor] == rows[node] for tensor, node in picture.beside.items())


def overlap(one: Place, other: Place) -> bool:
    apart = one.x + one.width <= other.x or other.x + other.width <= one.x
    return not (apart or one.y + one.height <= other.y or other.y + other.height <= one.y)


def test_no_box_covers_another(layout: Layout) -> None:
    places = [place for part in layout.parts for place in part.places]
    assert not [(a.box.key, b.box.key) for a, b in combinations(places, 2) if overlap(a, b)]


def test_everything_is_inside_of_the_picture(layout: Layout) -> None:
    for part in layout.parts:
        for place in part.places:
            assert 0 <= place.x <= place.x + place.width <= layout.width
            assert 0 <= place.y <= place.y + place.height <= layout.height
        points = [point for way in part.ways for point in way.points]
        assert all(0 <= x <= layout.width and 0 <= y <= layout.height for x, y in points)


def bent(start: tuple[float, float], end: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Yield points of the curve that is drawn between two points."""
    (x0, y0), (x1, y1) = start, end
    middle = (y0 + y1) / 2
    for step in range(1, 20):
        t = step / 20
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        yield (a + b) * x0 + (c + d) * x1, a * y0 + (b + c) * middle + d * y1


def test_no_arrow_runs_through_a_box(layout: Layout) -> None:
    for part in layout.parts:
        points = sorted(
            (point for way in part.ways for ends in pairwise(way.points) for point in bent(*ends)), key=itemgetter(1)
        )
        heights = [y for _, y in points]
        for place in part.places:
            inside = [
                (x, y)
                for x, y in points[bisect(heights, place.y + 1) : bisect(heights, place.y + place.height - 1)]
                if place.x + 1 < x < place.x + place.width - 1
            ]
            assert not inside, (place.box.lines, inside[:3])


def ends_of(part: Part) -> set[tuple[str, str]]:
    return {(way.tail, way.head) for way in part.ways if way.tail and way.head}


def test_every_arrow_is_drawn_from_box_to_box(layout: Layout) -> None:
    for part, panel in zip(layout.parts, (layout.picture.forward, layout.picture.backward), strict=True):
        assert ends_of(part) == {*panel.arrows}
        places = {place.box.key: place for place in part.places}
        for way in part.ways:
            if way.head and way.has_head:
                x, y = way.points[-1]
                place = places[way.head]
                assert place.x <= x <= place.x + place.width
                assert min(abs(y - place.y), abs(y - place.y - place.height)) < 1e-6


def test_what_arrows_share_begins_and_ends_where_they_do(layout: Layout) -> None:
    forward, backward = layout.parts
    for part, is_up in ((forward, False), (backward, True)):
        for shared in (way for way in part.ways if not (way.tail and way.head)):
            end = shared.points[0] if is_up else shared.points[-1]
            own = [way for way in part.ways if (way.head if is_up else way.tail) == (shared.head or shared.tail)]
            assert any(end in way.points for way in own if way is not shared)


@pytest.mark.parametrize("seed", range(4))
def test_sweeps_leave_fewer_crossings(
    make_graph: Callable[..., Report], make_rows: Callable[..., list], seed: int
) -> None:
    picture = picture_of(make_graph(make_rows(120, seed)))
    rows = rows_of(picture)
    boxes, down = list(picture.forward.boxes), picture.forward.arrows
    found = ordered(boxes, down, rows)
    first = [sorted(row, key=lambda box: boxes.index(box.partition("/")[0])) for row in found.rows]
    least = crossings(found.rows, found.below)
    again = [*map(list, found.rows)]
    _exchange(again, found.above, found.below)
    assert crossings(again, found.below) == least
    assert least < 0.75 * crossings(first, found.below)


@pytest.mark.parametrize(
    ("below", "expected"),
    [({"a": ["d"], "b": ["c"]}, 1), ({"a": ["c"], "b": ["d"]}, 0), ({"a": ["c", "d"], "b": ["c", "d"]}, 1)],
)
def test_crossings_are_counted(below: dict[str, list[str]], expected: int) -> None:
    assert crossings([["a", "b"], ["c", "d"]], below) == expected


def test_neighbours_are_exchanged_where_that_helps() -> None:
    rows = {"a": 0, "b": 0, "c": 1, "d": 1, "e": 1}
    found = ordered(["a", "b", "c", "d", "e"], [("a", "d"), ("b", "c"), ("b", "e")], rows)
    assert crossings(found.rows, found.below) == 0
    tangled = [["a", "b", "c"], ["d", "e", "f"]]
    below, above = {"a": ["e"], "b": ["d"], "c": ["f"]}, {"e": ["a"], "d": ["b"], "f": ["c"]}
    _exchange(tangled, above, below)
    assert crossings(tangled, below) == 0


def test_a_box_has_room_for_its_widest_line(layout: Layout) -> None:
    for part in layout.parts:
        for place in part.places:
            width, height = size_of(place.box)
            assert (place.width, place.height) == (width, height)
            assert width > 6 * max(map(len, place.box.lines))


def test_a_graph_of_one_tensor_has_a_picture(make_graph: Callable[..., Report]) -> None:
    layout = layout_of(picture_of(make_graph([("w", ())])))
    assert [len(part.places) for part in layout.parts] == [1, 1]
    assert not any(part.ways for part in layout.parts)


def test_what_nothing_uses_stands_right_below_what_it_is_made_from(make_graph: Callable[..., Report]) -> None:
    rows = [("w", ()), ("unused", ("w",)), *((f"h{step}", (f"h{step - 1}" if step else "w",)) for step in range(6))]
    picture = picture_of(make_graph(rows))
    row_of = rows_of(picture)
    key = {box.lines[0]: name for name, box in picture.forward.boxes.items()}
    assert row_of[key["unused"]] - row_of[key["w"]] == 1


def test_a_chain_is_straight(make_graph: Callable[..., Report]) -> None:
    names = [f"h{step}" for step in range(30)]
    rows = [("a" * 30, ()), ("b", ()), ("c", ()), (names[0], ("a" * 30, "b", "c"))]
    rows += [(name, (before,)) for before, name in pairwise(names)]
    rows += [("d" * 20, ()), ("out", (names[-1], "d" * 20))]
    for part, key in zip(layout_of(picture_of(make_graph(rows))).parts, ("tensor", "of"), strict=True):
        middles = [place.x + place.width / 2 for place in part.places if dict(place.box.details).get(key) in names]
        assert len(middles) == len(names)
        assert max(middles) - min(middles) < 0.5


def test_parameters_stand_near_their_first_use(make_graph: Callable[..., Report]) -> None:
    rows = [("x", ()), *((f"w{step}", ()) for step in range(9))]
    rows += [(f"h{step}", (f"h{step - 1}" if step else "x", f"w{step}")) for step in range(9)]
    picture = picture_of(make_graph(rows))
    row_of = rows_of(picture)
    key = {box.lines[0]: name for name, box in picture.forward.boxes.items()}
    assert all(row_of[key[f"h{step}"]] - row_of[key[f"w{step}"]] == 1 for step in range(9))
