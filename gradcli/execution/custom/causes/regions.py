"""Where a gradient is wrong, if it is right elsewhere: beyond zero or a constant, between two of them, or at ties."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.custom.numerical import by_differences
from gradcli.execution.forward.dtypes import double
from gradcli.execution.targets.function.constants import constants_of
from gradcli.execution.targets.function.sampling import spread
from gradcli.execution.targets.function.subject import Values
from gradcli.execution.targets.function.trial import NoReferenceError, Trial
from gradcli.execution.targets.function.wide import tied_rows
from gradcli.report.verdict import Verdict

MOST_ENTRIES = 4096
# How many entries a claim about a region rests on, wrong ones and right ones each.
FEWEST = 2
# How often every interval between two numbers is looked at.
SAMPLES = 3
# The most seconds that are spent on a region: a slow Function is left its time for the verdict.
PATIENCE = 5.0
# How far rounding may move a gradient that cancels.
NOISE = 1e-12


@dataclass(frozen=True, slots=True)
class Seen:
    """Entries of an input, and what backward gives for each; `tells` is where the right gradient is not zero."""

    values: Tensor
    wrong: Tensor
    tells: Tensor
    ties: Tensor
    twins: Mapping[str, Tensor]
    """Which are those of another input of the same shape."""

    @staticmethod
    def joined(parts: Sequence[Seen]) -> Seen:
        """Return the entries of several points."""
        fields = ("values", "wrong", "tells", "ties")
        twins = {name: torch.cat([part.twins[name] for part in parts]) for name in parts[0].twins}
        values, wrong, tells, ties = (torch.cat([getattr(part, field) for part in parts]) for field in fields)
        return Seen(values, wrong, tells, ties, twins)

    def where(self, mask: Tensor) -> Seen:
        """Return some of the entries."""
        twins = {name: equal[mask] for name, equal in self.twins.items()}
        return Seen(self.values[mask], self.wrong[mask], self.tells[mask], self.ties[mask], twins)

    @property
    def alone(self) -> Tensor:
        """Return which entries are no other entry's, of this input or another."""
        equal = self.ties.clone()
        for twin in self.twins.values():
            equal |= twin
        return ~equal

    def is_within(self, region: Tensor) -> bool:
        """Return whether the wrong entries are some of a region, with enough of them and of right ones elsewhere."""
        right = self.tells & ~self.wrong & ~region
        return bool((self.wrong <= region).all()) and min(int(self.wrong.sum()), int(right.sum())) >= FEWEST

    def is_exactly(self, region: Tensor) -> bool:
        """Return whether the wrong entries are those of a region, with enough of them and of right ones."""
        right = self.tells & ~self.wrong
        return torch.equal(self.wrong, region) and min(int(self.wrong.sum()), int(right.sum())) >= FEWEST


@dataclass(frozen=True, slots=True)
class Region:
    """Some of the entries of an input, in words, and which of those seen they are."""

    words: str
    holds: Callable[[Seen], Tensor]


def region(trial: Trial, name: str) -> str | None:
    """Return in words the only entries of an input at which its gradient is wrong; None if they are no such region."""
    value = trial.point[name]
    if value.is_complex() or not 0 < value.numel() <= MOST_ENTRIES:
        return None
    numbers = sorted({0.0, *(sign * c for c in constants_of(trial).numbers for sign in (1, -1))})
    parts, started = list[tuple[Values, Seen]](), time.monotonic()
    for point in _points(trial, name, numbers):
        parts += [(point, seen)] if (seen := _seen(trial, name, point)) is not None else []
        if time.monotonic() - started > PATIENCE:
            return None  # a part of the points is no evidence
    if not parts:
        return None
    seen = Seen.joined([seen for _, seen in parts])
    words = _beyond(name, seen, numbers) or _confirmed(trial, name, parts, _at(name, seen, numbers))
    return f"it is wrong only where {words}" if words else None


def _confirmed(trial: Trial, name: str, parts: Sequence[tuple[Values, Seen]], found: Region | None) -> str | None:
    """Return the words for a region if finite differences deny backward there: at a kink it may choose otherwise."""
    if found is None:
        return None
    for point, seen in parts:
        inside = found.holds(seen)
        whole = inside.numel() == point[name].numel()  # entries whose right gradient is not finite are left out
        if whole and bool((seen.wrong & inside).any()) and _is_denied(trial, name, point, inside):
            return found.words
    return None


def _is_denied(trial: Trial, name: str, point: Values, inside: Tensor) -> bool:
    """Return whether finite differences deny backward's entries inside of a region, with the right ones outside."""
    cotangent, own, right = _gradients(trial, name, point)
    mixed = torch.where(inside.reshape(right.shape), own, right)
    verdict = by_differences(trial, point, name, cotangent, mixed)
    if verdict is Verdict.UNDECIDED:
        return by_differences(trial, point, name, cotangent, right).passes
    return not verdict.passes


def _beyond(name: str, seen: Seen, numbers: Sequence[float]) -> str | None:
    """Return the region on one side of a number, or of it and its negative, or between two; there may be kinks."""
    inside = seen.where(~_is_one_of(seen.values, numbers) & seen.alone)
    for number in sorted(numbers, key=abs):
        for sign, compares in SIDES.items():
            if inside.is_exactly(compares(inside.values, number)):
                return f"{name} {sign} {number:g}"
    for number in (number for number in numbers if number > 0):
        for sign, compares in SIDES.items():
            if inside.is_exactly(compares(inside.values.abs(), number)):
                return f"|{name}| {sign} {number:g}"
    for low, high in combinations(numbers, 2):
        if inside.is_exactly((inside.values > low) & (inside.values < high)):
            return f"{low:g} < {name} < {high:g}"
    return None


def _at(name: str, seen: Seen, numbers: Sequence[float]) -> Region | None:
    """Return the number at which entries are wrong, or that they are where they tie."""
    for number in numbers:
        alone = seen.where(~_is_one_of(seen.values, [other for other in numbers if other != number]))
        there = alone.values == number
        if alone.is_exactly(there) and bool((there & alone.alone).any()):  # or it is that they tie
            return Region(f"{name} = {number:g}", lambda seen, n=number: seen.values == n)  # type: ignore[misc]
    inside = seen.where(~_is_one_of(seen.values, numbers))
    if inside.is_within(inside.ties):
        return Region(f"entries of {name} tie", lambda seen: seen.ties)
    twin = next((other for other, equal in inside.twins.items() if inside.is_within(equal)), None)
    return None if twin is None else Region(f"{name} = {twin}", lambda seen: seen.twins[twin])


SIDES: dict[str, Callable[[Tensor, float], Tensor]] = {"<": torch.lt, ">": torch.gt}


def _is_one_of(values: Tensor, numbers: Sequence[float]) -> Tensor:
    return (values[:, None] == torch.tensor(numbers, dtype=values.dtype)).any(1)


def _points(trial: Trial, name: str, numbers: Sequence[float]) -> Iterator[Values]:
    """Yield the trial's point; entries between all numbers and beyond them, in turn; at each, one too; and ties."""
    own = trial.point[name].detach()
    yield trial.point
    generator = torch.Generator().manual_seed(trial.settings.seed)
    ends = [numbers[0] - 1 - abs(numbers[0]), *numbers, numbers[-1] + 1 + abs(numbers[-1])]
    low, high = torch.tensor(ends[:-1], dtype=torch.float64), torch.tensor(ends[1:], dtype=torch.float64)
    entries = torch.arange(own.numel())
    for shift in range(max(SAMPLES, math.ceil(SAMPLES * len(low) / own.numel()))):
        which = (entries + shift) % len(low)
        part = 0.1 + 0.8 * torch.rand(own.numel(), generator=generator, dtype=torch.float64)
        between = low[which] + part * (high - low)[which]
        yield _with(trial, name, between)
        yield {**_with(trial, name, between), **_others_negated(trial, name)}
        yield _with(trial, name, torch.where(entries % 2 == shift % 2, between[entries // 2 * 2], between))
        for other in _like(trial.point, name).values():
            yield _with(trial, name, torch.where(entries % 2 == shift % 2, other, between))
        if own.ndim > 1:
            yield _with(trial, name, tied_rows(between.reshape(own.shape)))
        if own.numel() > 1 and shift < SAMPLES:
            yield _with(trial, name, between[:1].expand(own.numel()))
        if own.numel() > 1 and shift == 0:
            yield from (_with(trial, name, torch.where(entries == own.numel() // 2, n, between)) for n in numbers)
        at = torch.tensor(numbers, dtype=torch.float64)[(entries // 2 + shift) % len(numbers)]
        yield _with(trial, name, torch.where((entries + shift) % 2 == 0, at, between))


def _others_negated(trial: Trial, name: str) -> dict[str, Tensor]:
    """Return the other inputs that are differentiated, of the other sign: a region need not be of one input alone."""
    others = {other: trial.point[other] for other in trial.wanted if other != name}
    return {other: (-value.detach()).requires_grad_() for other, value in others.items()}


def _like(point: Values, name: str) -> dict[str, Tensor]:
    """Return the entries of the other inputs of an input's shape, by name."""
    shape = point[name].shape
    others = {other: value for other, value in point.items() if other != name and value.shape == shape}
    return {other: double(v.detach()).reshape(-1) for other, v in others.items() if v.is_floating_point()}


def _with(trial: Trial, name: str, entries: Tensor) -> Values:
    own = trial.point[name]
    return {**trial.point, name: entries.to(own.device, own.dtype).reshape(own.shape).requires_grad_()}


def _gradients(trial: Trial, name: str, point: Values) -> tuple[Tensor, Tensor, Tensor]:
    """Return an upstream gradient, and backward's and the right gradient for it; GradcliError, NoReferenceError."""
    applied = trial.apply(point)
    cotangent = spread(applied.output, 0.5, 1.5)
    given, right = applied.gradients(cotangent)[name], trial.right(cotangent, point)[name]
    return cotangent, torch.zeros_like(right) if given is None else given.detach(), right


def _seen(trial: Trial, name: str, point: Values) -> Seen | None:
    """Return which entries are wrong at a point; None where it is not to be told."""
    try:
        _, own, right = _gradients(trial, name, point)
    except (GradcliError, NoReferenceError):
        return None
    value, right = double(point[name]).reshape(-1), double(right).reshape(-1)
    noise = NOISE * float(right[right.isfinite()].abs().sum())
    wrong = ~trial.tolerance.agrees(double(own).reshape(-1), right, noise)
    ties = (value[:, None] == value[None]).sum(1) > 1
    twins = {other: value == entries for other, entries in _like(point, name).items()}
    return Seen(value, wrong, right != 0, ties, twins).where(right.isfinite())
