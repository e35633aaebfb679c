"""Points far from a given one: of other signs and sizes, at zero and at ties, at and beyond a forward's constants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from gradcli.execution.forward.scales import Scaled
from gradcli.execution.targets.function.sampling import is_symmetric

ENTRIES = "entries of "
SIZES = (1e-8, 1e-3, 10.0, 100.0, 1e3, 1e6)
# The largest of which float16 holds the third power: its exponential is infinite there, as that of 100 in float32.
OF_HALF = 32.0
# How far beside a constant, relative to it, entries lie that are near it.
BESIDE = 1 / 64
# Entries that tie where neighbours do.
PAIR = 2
# What a number is multiplied by where an input is complex.
UNIT = 0.6 + 0.8j
Values = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class FarPoint:
    """Somewhere to look: all inputs changed, and one alone each time."""

    label: str
    point: Values | None
    """None if the dtype does not hold it."""
    others: tuple[Values, ...] = ()


def spots(point: Values, constants: Sequence[float], scales: Sequence[Scaled]) -> Iterator[FarPoint]:
    """Yield where to look beside a point; inputs that need no gradient stay as they are."""
    moving = [name for name, value in point.items() if value.requires_grad]
    yield _spot(f"{ENTRIES}the other sign", point, moving, lambda value, _: -value)
    yield _spot("entries that tie", point, moving, _tied(point, moving))
    if any(point[name].ndim > 1 and not is_symmetric(point[name]) for name in moving):
        yield _spot("rows that tie", point, moving, lambda value, _: tied_rows(value))
    if any(point[name].numel() > PAIR for name in moving):
        yield _spot("entries that are all equal", point, moving, lambda value, _: _equal(value))
        yield _spot("entries that are all zero", point, moving, lambda value, _: torch.zeros_like(value))
        yield from _single(point, moving)
    for scaled in scales:
        yield from _scaled(point, scaled)
    for number in numbers(constants, _sizes(point, moving)):
        if not _fits(number, point, moving):
            yield FarPoint(f"{ENTRIES}{number:g}", None)
            continue
        yield _spot(f"{ENTRIES}{number:g}", point, moving, lambda value, place, n=number: _mixed(value, place, n))  # type: ignore[misc]


def promised(point: Values) -> Iterator[tuple[str, Values]]:
    """Yield what a caller may promise of truth values and integers not to be so, and points at which it is."""
    for name, value in point.items():
        if value.dtype is torch.bool and value.numel():
            for every in (False, True):
                yield f"'{name}' is {str(every).lower()} everywhere", {**point, name: torch.full_like(value, every)}
        elif not (value.is_floating_point() or value.is_complex()) and value.numel() > 1:
            flat = value.reshape(-1)  # what is sorted stays so, and what has no gaps
            repeated = flat[torch.arange(len(flat)) // PAIR].reshape(value.shape)
            yield f"entries of '{name}' repeat", {**point, name: repeated}


def _single(point: Values, moving: Sequence[str]) -> Iterator[FarPoint]:
    """Yield points with exactly one zero, and with exactly one tie, in every line along an axis, and in all.

    Two zeros hide what one shows: the gradient of a product is zero wherever another of its factors is.
    """
    axes = max(point[name].ndim for name in moving)
    for axis in (None, *(range(axes) if axes > 1 else ())):
        one, where = ("a single", "") if axis is None else ("one", f" in every line along axis {axis}")
        yield _spot(f"{one} zero{where}", point, moving, lambda value, place, a=axis: _zeroed(value, place, a))  # type: ignore[misc]
        yield _spot(f"{one} tie{where}", point, moving, lambda value, place, a=axis: _paired(value, place, a))  # type: ignore[misc]


def _scaled(point: Values, scaled: Scaled) -> Iterator[FarPoint]:
    """Yield a point with inputs scaled, and one with every other row of theirs."""
    yield _spot(scaled.words, point, scaled.names, lambda value, _: value * scaled.factor)
    if any(point[name].ndim > 1 and not is_symmetric(point[name]) for name in scaled.names):
        yield _spot(f"every other row of {scaled.words}", point, scaled.names, lambda value, _: _some(value, scaled))


def _some(value: Tensor, scaled: Scaled) -> Tensor:
    """Return a tensor with every other row scaled; as it is if it has none."""
    if value.ndim < 2 or is_symmetric(value):  # noqa: PLR2004 (a matrix)
        return value
    factors = value.new_ones(len(value), *[1] * (value.ndim - 1))
    factors[::2] = scaled.factor
    return value * factors


def _fits(number: float, point: Values, moving: Sequence[str]) -> bool:
    """Return whether the inputs' dtype computes with a number: it is not 0 there, and its third power is finite."""
    limits = [torch.finfo(point[name].dtype) for name in moving]
    return number == 0 or all(limit.tiny < abs(number) < limit.max ** (1 / 3) for limit in limits)


def _sizes(point: Values, moving: Sequence[str]) -> Sequence[float]:
    """Return what counts as small and as large in the inputs' dtype."""
    return (*SIZES, OF_HALF) if any(point[name].dtype is torch.float16 for name in moving) else SIZES


def numbers(constants: Sequence[float], sizes: Sequence[float] = SIZES) -> list[float]:
    """Return the entries to look at: zero, small and large ones, the constants, and what lies beside and between."""
    near = [c * factor for c in constants for factor in (1.0, 1 - BESIDE, 1 + BESIDE)]
    sizes = (*near, *_between(sorted(constants)), *sizes)
    return list(dict.fromkeys([0.0, *(sign * size for size in sizes for sign in (1, -1))]))


def _between(constants: Sequence[float]) -> list[float]:
    """Return the middle between any two neighbours that are so near that what lies beside one is beyond the other."""
    return [(low + high) / 2 for low, high in pairwise(constants) if high <= low * (1 + BESIDE)]


def _spot(label: str, point: Values, moving: Sequence[str], change: Callable[[Tensor, int], Tensor]) -> FarPoint:
    """Return a point with all inputs changed, and those with one alone."""
    changed = {name: _like(change(point[name].detach(), place), point[name]) for place, name in enumerate(moving)}
    alone = tuple({**point, name: value} for name, value in changed.items())
    return FarPoint(label, {**point, **changed}, alone if len(moving) > 1 else ())


def _like(changed: Tensor, value: Tensor) -> Tensor:
    return changed.contiguous().requires_grad_(value.requires_grad)


def _mixed(value: Tensor, place: int, number: float) -> Tensor:
    """Return a tensor with every other entry replaced; inputs in turn begin with the first and the second one."""
    mask = torch.zeros(value.numel(), dtype=torch.bool, device=value.device)
    mask[place % 2 if value.numel() > 1 else 0 :: 2] = True
    mask = mask.reshape(value.shape)
    if is_symmetric(value):
        mask = mask & mask.mT
    entry = torch.tensor(number * UNIT if value.is_complex() else number).to(value.device, value.dtype)
    return torch.where(mask, entry, value)


def _zeroed(value: Tensor, place: int, axis: int | None) -> Tensor:
    """Return a tensor with one entry of every line along an axis made zero; other entries for inputs in turn."""
    return torch.where(_one_of_each(value, place, axis), torch.zeros_like(value), value)


def _paired(value: Tensor, place: int, axis: int | None) -> Tensor:
    """Return a tensor with one entry of every line along an axis made equal to its neighbour in that line."""
    if is_symmetric(value):
        return value
    along = () if axis is None or axis >= value.ndim else axis  # of no axis: of all entries
    return torch.where(_one_of_each(value, place, axis), value.roll(1, along), value)


def _one_of_each(value: Tensor, place: int, axis: int | None) -> Tensor:
    """Return a mask of one entry of every line along an axis, which is another one in the next line; or of one in all.

    It begins in the middle of the first line: at its ends a cumulative product shows less.
    """
    if axis is None or axis >= value.ndim:
        number, length = torch.arange(value.numel()).reshape(value.shape), value.numel()
    else:
        axes = torch.meshgrid(*map(torch.arange, value.shape), indexing="ij")
        number, length = torch.stack(axes).sum(0), value.shape[axis]
    return (number % max(length, 1) == (length // 2 + place) % max(length, 1)).to(value.device)


def tied_rows(value: Tensor) -> Tensor:
    """Return a tensor with pairs of neighbouring rows made equal: entries tie along its first axis."""
    if value.ndim < 2 or is_symmetric(value):  # noqa: PLR2004 (a matrix)
        return value
    return value[torch.arange(len(value)) // 2 * 2]


def _equal(value: Tensor) -> Tensor:
    """Return a tensor whose entries are all its first one: more than two tie; symmetric matrices would be singular."""
    return value if is_symmetric(value) or not value.numel() else value.reshape(-1)[0].expand(value.shape)


def _tied(point: Values, moving: Sequence[str]) -> Callable[[Tensor, int], Tensor]:
    """Return a change that makes pairs of neighbours equal, and half of an input's entries those of the one before."""

    def tied(value: Tensor, place: int) -> Tensor:
        before = point[moving[place - 1]].detach() if place else value
        flat = (before if before.shape == value.shape else value).reshape(-1)
        own = value.reshape(-1).clone()
        own[::4] = flat[::4]
        if value.numel() > 1 and not is_symmetric(value):
            own[1::2] = own[0::2][: own[1::2].numel()]
        return own.reshape(value.shape)

    return tied
