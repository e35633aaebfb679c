from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from gradcli.execution.formulas.affine import decode

SOURCE = (4, 3, 5)


def positions_of(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.arange(math.prod(shape)).reshape(shape)


@given(
    st.permutations([0, 1, 2]),
    st.tuples(*[st.tuples(st.integers(0, 2), st.integers(1, 3), st.booleans()) for _ in SOURCE]),
    st.integers(0, 3),
)
def test_a_slice_of_a_permuted_tensor_is_read_back(
    order: list[int], slices: tuple[tuple[int, int, bool], ...], repeats: int
) -> None:
    moved = positions_of(SOURCE).permute(order)
    for axis, (start, step, flipped) in enumerate(slices):
        picked = torch.arange(start, moved.shape[axis], step)
        moved = moved.index_select(axis, picked.flip(0) if flipped else picked)
    moved = moved.expand(repeats, *moved.shape) if repeats else moved
    indices = decode(moved, tuple(moved.shape), SOURCE)
    assert indices is not None
    for place in torch.cartesian_prod(*[torch.arange(size) for size in moved.shape]).tolist():
        source = [one.base + (0 if one.axis is None else one.step * place[one.axis]) for one in indices]
        assert int(moved[tuple(place)]) == int(positions_of(SOURCE)[tuple(source)])


@given(st.integers(0, 19), st.integers(0, 19))
def test_one_entry_from_elsewhere_is_seen(where: int, other: int) -> None:
    whole = positions_of((4, 5))
    moved = whole.clone().reshape(-1)
    moved[where] = other
    assert (decode(moved, (4, 5), (4, 5)) is None) == (where != other)


def test_a_diagonal_has_no_index_of_its_own_for_each_axis() -> None:
    assert decode(positions_of((3, 3)).diagonal(), (3,), (3, 3)) == decode(torch.tensor([0, 4, 8]), (3,), (3, 3))
    assert decode(torch.tensor([0, 4, 7]), (3,), (3, 3)) is None


def test_a_roll_is_not_affine() -> None:
    assert decode(positions_of((5,)).roll(1), (5,), (5,)) is None
