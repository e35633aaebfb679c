"""Sums of products of labelled tensors, contracted pair by pair, the pair with the smallest result first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations

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
    if len(values) == 2 and _is_swapped(labels[0], labels[1], out):  # noqa: PLR2004 (a pair is a matrix product)
        labels, values = labels[::-1], values[::-1]
    if out and _is_entrywise(labels):
        return _summed(labels, values, out)
    return torch.einsum(",".join(labels) + "->" + out, *values)


def _is_entrywise(labels: Sequence[str]) -> bool:
    """Return whether two tensors have the same labels, each once."""
    return len(labels) == 2 and sorted(labels[0]) == sorted(set(labels[1])) == sorted(labels[1])  # noqa: PLR2004 (a pair)


def _summed(labels: Sequence[str], values: Sequence[Tensor], out: str) -> Tensor:
    """Return the sum of a product entry by entry: einsum would copy both to make a product of matrices of it."""
    own = labels[0]
    product = values[0] * values[1].permute([labels[1].index(letter) for letter in own])
    gone = [place for place, letter in enumerate(own) if letter not in out]
    kept = [letter for letter in own if letter in out]
    return (product.sum(gone) if gone else product).permute([kept.index(letter) for letter in out])


def _is_swapped(left: str, right: str, out: str) -> bool:
    """Return whether a product of two has the second one's rows: so torch would lay out its result transposed."""
    lone = [letter for letter in out if (letter in left) != (letter in right)]
    return bool(lone) and lone[0] in right
