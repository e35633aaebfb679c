"""Places as near to those wanted as the room allows: against the solution of the quadratic program by projection."""

from __future__ import annotations

import random

import pytest

from gradcli.render.graph.placing import spread


def cost(places: list[float], wanted: list[tuple[float, float]]) -> float:
    return sum(weight * (place - at) ** 2 for place, (at, weight) in zip(places, wanted, strict=True))


@pytest.mark.parametrize("seed", range(10))
def test_no_small_move_that_keeps_the_room_is_better(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 (nothing is secret)
    wanted = [(draw.uniform(0, 50), draw.uniform(0.5, 8)) for _ in range(9)]
    room = [draw.uniform(1, 12) for _ in range(8)]
    found = [*spread(wanted, room)]
    assert all(b - a >= distance - 1e-9 for a, b, distance in zip(found, found[1:], room, strict=False))
    for _ in range(2000):
        start, stop = sorted(draw.sample(range(10), 2))
        step = draw.uniform(-0.01, 0.01)
        moved = [place + step if start <= number < stop else place for number, place in enumerate(found)]
        if all(b - a >= distance for a, b, distance in zip(moved, moved[1:], room, strict=False)):
            assert cost(moved, wanted) >= cost(found, wanted) - 1e-12


def test_what_has_room_stands_where_it_wants_to() -> None:
    assert [*spread([(0.0, 1.0), (10.0, 1.0), (30.0, 2.0)], [5.0, 5.0])] == [0.0, 10.0, 30.0]


def test_weights_say_who_gives_way() -> None:
    heavy, light = spread([(0.0, 9.0), (0.0, 1.0)], [10.0])
    assert (heavy, light) == pytest.approx((-1.0, 9.0))
