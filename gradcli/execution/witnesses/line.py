"""A function of tensors as one of a real vector, and how it changes along directions: what every witness measures.

A function maps tensors by name to a tensor, a point gives each name a tensor, and what is differentiated is
L = Re Σ conj(cotangent) · function. A complex tensor counts as its real and imaginary parts; its gradient is
∂L/∂Re + i·∂L/∂Im, PyTorch's convention. Tensors are float64 or complex128.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.witnesses.grain import NO_GRAIN, Grain
from gradcli.tolerance import CLOSENESS, SMALLEST

ScalarFunction = Callable[[Mapping[str, Tensor]], Tensor]
Values = Mapping[str, Tensor]

# Entries of all tensors of one batch of evaluations.
BATCH = 1 << 18
EPSILON = torch.finfo(torch.float64).eps
# A point is moved by so many units in the last place, to see how far rounding moves what is computed there.
UNITS = 4
# How many times that change two results may be apart that are computed by different ways.
ALLOWED = 64.0


@dataclass(frozen=True, slots=True)
class Line:
    """L as a function of one real vector: the entries of some tensors, one after the other."""

    function: ScalarFunction
    point: Values
    names: Sequence[str]
    cotangent: Tensor
    start: Tensor
    base: Tensor
    grain: Grain = NO_GRAIN
    on_the_way: int = 0
    """Entries that one evaluation reads and writes in between, as far as is known."""

    @staticmethod
    def of(
        function: ScalarFunction,
        point: Values,
        names: Sequence[str],
        cotangent: Tensor,
        grain: Grain = NO_GRAIN,
        *,
        on_the_way: int = 0,
    ) -> Line:
        """Return L as a function of the tensors called `names`."""
        start = torch.cat([real(point[name].detach()).reshape(-1) for name in names]).to(torch.float64)
        with torch.no_grad():
            base = function(point)
        return Line(function, point, names, cotangent.detach().to(base), start, base, grain, on_the_way)

    @property
    def work(self) -> int:
        """Return how many entries one evaluation reads and writes, as far as can be seen from outside; 1 at least."""
        return max(1, sum(tensor.numel() for tensor in self.point.values()) + self.base.numel())

    @property
    def size(self) -> Tensor:
        """Return the length of a step along a random direction: the entries' root mean square, if above 1."""
        return self._root_mean_square.clamp_min(1.0)

    @property
    def _root_mean_square(self) -> Tensor:
        """Return that of the entries that are finite, of any size."""
        finite = self.start[self.start.isfinite()]
        largest = finite.abs().amax() if finite.numel() else torch.tensor(0.0, dtype=torch.float64)
        return largest * (finite / largest).square().mean().sqrt() if bool(largest > 0) else largest

    @property
    def magnitude(self) -> float:
        """Return the size of the terms that L is a sum of."""
        return float((self.base.abs() * self.cotangent.abs()).sum())

    @property
    def rounding(self) -> float:
        """Return how far rounding may move L; what underflows on the way is lost, however small L is."""
        return max(EPSILON * self.magnitude, self.grain.noise, SMALLEST)

    def local(self, directions: Tensor | None, rows: Tensor) -> Tensor:
        """Return the size of the smallest entry along each direction or entry; for 0, of the program's numbers.

        A function such as 1/x bends over lengths of the size of its entries, however small they are, and sin(x) over
        lengths of 1, however large they are.
        """
        sizes = torch.where(self.start == 0, self.grain.smallest, self.start.abs())
        if directions is None:
            return sizes[rows].clamp_max(1.0)
        moved = sizes / directions[rows].abs().clamp_min(1.0)
        moved = torch.where(directions[rows] != 0, moved, torch.inf)
        return moved.amin(1).clamp_max(1.0) if moved.numel() else torch.ones(len(rows), dtype=torch.float64)

    def entries(self, directions: Tensor | None, rows: Tensor) -> Tensor:
        """Return the size of what is moved along each direction or entry."""
        if directions is None:
            return self.start.abs()[rows]
        return self._root_mean_square.expand(len(rows))

    def scale(self, directions: Tensor | None, rows: Tensor) -> Tensor:
        """Return what a step of 1 along each direction or entry stands for: the size of what it moves, if above 1."""
        return self.start.abs().clamp_min(1.0)[rows] if directions is None else self.size.expand(len(rows))

    def change(self, vector: Tensor) -> Tensor:
        """Return L at a vector less L at the start; the differences are taken entry by entry, before they are added."""
        difference = self.function({**self.point, **self._tensors(vector)}) - self.base
        weighted = self.cotangent.conj() * difference
        return (weighted.real if weighted.is_complex() else weighted).sum()

    def _tensors(self, vector: Tensor) -> dict[str, Tensor]:
        sizes = [real(self.point[name]).numel() for name in self.names]
        parts = zip(self.names, vector.split(sizes), strict=True)
        return {name: shaped(part, self.point[name]) for name, part in parts}

    def changes(self, directions: Tensor | None, entries: Tensor, steps: Tensor) -> Tensor:
        """Return L's change for each step along each direction, or entry: a row per direction, a column per step."""
        count = max(1, BATCH // (self.work * steps.shape[1]))
        rows = []
        for some, lengths in zip(entries.split(count), steps.split(count), strict=True):
            chosen = unit(some, self.start.numel()) if directions is None else directions[some]
            moved = lengths[:, :, None] * chosen[:, None, :]
            rows.append(self.moved(moved.flatten(0, 1)).reshape(lengths.shape))
        return torch.cat(rows) if rows else steps.new_zeros(steps.shape)

    def moved(self, shifts: Tensor) -> Tensor:
        """Return L's change for each row of shifts."""
        count, rounding = max(1, BATCH // self.work), 4 * self.rounding
        return torch.cat([_each(self.change, self.start + some, rounding) for some in shifts.split(count)])


def _each(change: Callable[[Tensor], Tensor], batch: Tensor, rounding: float) -> Tensor:
    """Return a function's values, all at once where the function allows it, else one by one; NaN where it is refused.

    What is computed all at once is believed where its first value is the one computed alone, but for rounding.
    """
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if len(batch) > 1:
            try:
                values: Tensor = torch.func.vmap(change, randomness="same")(batch)  # a run draws what any other does
                first = _one(change, batch[0])
                if bool((values[0] - first).abs() <= CLOSENESS * first.abs() + rounding):
                    return values
            except Exception:  # noqa: BLE001, S110 (vmap refuses in many ways; one by one everything goes)
                pass
        return torch.stack([_one(change, vector) for vector in batch])


def _one(change: Callable[[Tensor], Tensor], vector: Tensor) -> Tensor:
    try:
        return change(vector)
    except RuntimeError:  # outside the domain of an op that refuses (a matrix that is not positive definite)
        return vector.new_tensor(math.nan)


def unit(entries: Tensor, count: int) -> Tensor:
    """Return the unit vectors of some entries among `count`, a row each."""
    return torch.nn.functional.one_hot(entries, count).to(torch.float64)


def random_directions(count: int, entries: int, seed: int = 0) -> Tensor:
    """Return `count` normally distributed directions, always the same."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, entries, generator=generator, dtype=torch.float64)


def real(tensor: Tensor) -> Tensor:
    """Return a complex tensor as its real and imaginary parts, and a real one as it is."""
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def nudged(point: Tensor, sizes: Tensor) -> Tensor:
    """Return a point with its real entries moved in their last places, as far as the sizes of the entries say."""
    moved = real(point) + UNITS * EPSILON * sizes
    return torch.view_as_complex(moved) if point.is_complex() else moved


def nudged_values(point: Values, seed: int) -> dict[str, Tensor]:
    """Return a point with every real entry moved in its last places, up or down at random; a zero stays."""
    moved = dict(point)
    for number, (name, value) in enumerate(point.items()):
        if value.is_floating_point() or value.is_complex():
            sizes = real(value.detach())
            signs = random_directions(1, sizes.numel(), seed + number)[0].sign().reshape(sizes.shape)
            moved[name] = nudged(value.detach(), signs.to(sizes) * sizes)
    return moved


def shaped(part: Tensor, like: Tensor) -> Tensor:
    """Return real numbers in the shape of a tensor, complex if it is."""
    if like.is_complex():
        return torch.view_as_complex(part.reshape(*like.shape, 2))
    return part.reshape(like.shape)
