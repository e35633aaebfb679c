"""Sums of products of labelled tensors, contracted pair by pair, the pair with the smallest result first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.forward.memory import check_entries

Pairing = tuple[int, int, str]


def contracted(labels: Sequence[str], values: Sequence[Tensor], out: str) -> Tensor:
    """Return the product of tensors with one axis a label, summed over the labels that are not in `out`.

    LimitError if the best order that is found needs a tensor beyond the limits.
    """
    letters, tensors = list(labels), list(values)
    if len(tensors) <= 2:  # noqa: PLR2004 (a pair)
        return _pair(letters, tensors, out)
    sizes = {
        letter: n for own, value in zip(labels, values, strict=True) for letter, n in zip(own, value.shape, strict=True)
    }
    for one, other, kept in _pairings(tuple(labels), out, tuple(sizes.items())):
        check_entries(math.prod(sizes[letter] for letter in kept), "a step of the derivative")
        made = _pair((letters[one], letters[other]), (tensors[one], tensors[other]), kept)
        for place in (other, one):
            del letters[place], tensors[place]
        letters.append(kept)
        tensors.append(made)
    return _pair(letters, tensors, out)


@lru_cache(maxsize=4096)
def _pairings(labels: tuple[str, ...], out: str, sizes: tuple[tuple[str, int], ...]) -> Sequence[Pairing]:
    """Return which two factors to contract, one pair after the other until two are left, and the labels kept."""
    letters, lengths, found = list(labels), dict(sizes), list[Pairing]()
    while len(letters) > 2:  # noqa: PLR2004 (a pair)
        pairs = combinations(range(len(letters)), 2)
        one, other = min(pairs, key=lambda pair: _cost(letters, pair, out, lengths))
        kept = _kept(letters, (one, other), out)
        found.append((one, other, kept))
        for place in (other, one):
            del letters[place]
        letters.append(kept)
    return found


def _kept(letters: Sequence[str], pair: tuple[int, int], out: str) -> str:
    """Return the labels of a pair's product that the result or a further factor has."""
    needed = {*out, *"".join(own for place, own in enumerate(letters) if place not in pair)}
    return "".join(dict.fromkeys(letter for place in pair for letter in letters[place] if letter in needed))


def _cost(letters: Sequence[str], pair: tuple[int, int], out: str, sizes: Mapping[str, int]) -> tuple[int, int]:
    """Return what a pair's product takes: of memory beyond what its factors take, then of time."""
    one, other = (math.prod(sizes[letter] for letter in letters[place]) for place in pair)
    made = math.prod(sizes[letter] for letter in _kept(letters, pair, out))
    work = math.prod(sizes[letter] for letter in {*letters[pair[0]], *letters[pair[1]]})
    return made - one - other, work


def _pair(labels: Sequence[str], values: Sequence[Tensor], out: str) -> Tensor:
    """Return the contraction of one or two tensors by torch."""
    if len(values) == 1:
        return torch.einsum(f"{labels[0]}->{out}", *values)
    way = _way_of(labels[0], labels[1], out)
    one, other = values[::-1] if way.swaps else values
    return way.run(one, other)


@dataclass(frozen=True, slots=True)
class _Way:
    """How two tensors are contracted."""

    swaps: bool
    """Whether the second one comes first: so torch lays out the result in the order of its labels."""
    run: Callable[[Tensor, Tensor], Tensor]


@lru_cache(maxsize=4096)
def _way_of(left: str, right: str, out: str) -> _Way:
    lone = [letter for letter in out if (letter in left) != (letter in right)]
    swaps = bool(lone) and lone[0] in right
    left, right = (right, left) if swaps else (left, right)
    return _Way(swaps, _run_of(left, right, out))


def _run_of(left: str, right: str, out: str) -> Callable[[Tensor, Tensor], Tensor]:
    if out and sorted(left) == sorted(set(right)) == sorted(right):
        return _summed_product(left, right, out)
    if _is_matrix_product(left, right, out):
        return _matrix_product(left, right, out)
    equation = f"{left},{right}->{out}"
    return lambda one, other: torch.einsum(equation, one, other)


def _summed_product(left: str, right: str, out: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return what sums a product entry by entry: einsum would copy both to make a product of matrices of it."""
    order = [right.index(letter) for letter in left]
    gone = [place for place, letter in enumerate(left) if letter not in out]
    kept = [letter for letter in left if letter in out]
    back = [kept.index(letter) for letter in out]

    def run(one: Tensor, other: Tensor) -> Tensor:
        product = one * (other if left == right else other.permute(order))
        summed = product.sum(gone) if gone else product
        return summed if kept == [*out] else summed.permute(back)

    return run


def einsum(equation: Any, *operands: Tensor) -> Tensor:
    """Return what `torch.einsum` does, by a product of matrices where it is one."""
    # PyTorch also takes lists of axes.
    way = _matrices(equation) if isinstance(equation, str) and len(operands) == 2 else None  # noqa: PLR2004 (a pair)
    if way is None or any(tensor.ndim != 2 for tensor in operands):  # noqa: PLR2004 (a matrix)
        return torch.einsum(equation, *operands)
    one, other = operands[::-1] if way.swaps else operands
    return way.run(one, other)


@lru_cache(maxsize=256)
def _matrices(equation: str) -> _Way | None:
    """Return how two matrices are multiplied as an equation says; None if it says anything else."""
    inputs, _, out = equation.replace("...", "").partition("->")  # which stands for no axis of matrices
    left, _, right = inputs.partition(",")
    is_plain = all(map(str.isalpha, (left, right, out)))
    return _way_of(left, right, out) if is_plain and _is_matrix_product(left, right, out) else None


def _is_matrix_product(left: str, right: str, out: str) -> bool:
    """Return whether two matrices have one label in common, which is summed."""
    return all(map(_is_matrix, (left, right, out))) and {*left} ^ {*right} == {*out}


def _is_matrix(labels: str) -> bool:
    return len({*labels}) == len(labels) == 2  # noqa: PLR2004 (rows and columns)


def _matrix_product(left: str, right: str, out: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return what multiplies two matrices: einsum makes batches of one of them, which takes three times as long.

    An axis of length 1 is repeated, as einsum does.
    """
    turns, turns_other, equation = left[0] != out[0], right[1] != out[1], f"{left},{right}->{out}"

    def run(one: Tensor, other: Tensor) -> Tensor:
        rows, columns = one.mT if turns else one, other.mT if turns_other else other
        return rows @ columns if rows.shape[1] == columns.shape[0] else torch.einsum(equation, one, other)

    return run
