"""Numerical witnesses of a gradient: finite differences, and the Taylor test of dolfin-adjoint.

Both need nothing but the function: they know neither autograd nor the symbolic derivative. A function maps tensors by
name to a tensor, a point gives each name a tensor, and what is differentiated is L = Re Σ conj(cotangent) · function.
A complex tensor counts as its real and imaginary parts; its gradient is ∂L/∂Re + i·∂L/∂Im, PyTorch's convention.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.tolerance import is_close

ScalarFunction = Callable[[Mapping[str, Tensor]], Tensor]
Values = Mapping[str, Tensor]

# Relative step of the differences; where its estimated error is too large, ones 64 times smaller are tried in turn.
STEPS = (2.0**-9, 2.0**-15, 2.0**-21, 2.0**-27)
GOOD = 1e-8
# A gradient with more entries, or one that takes more work in all, is looked at along random directions.
MOST_ENTRIES = 4096
MOST_WORK = 1 << 24
PROJECTIONS = 16
# Entries of all tensors of one batch of evaluations.
BATCH = 1 << 18
EPSILON = torch.finfo(torch.float64).eps
# The Taylor remainder is taken at steps 2^-k.
HALVINGS = range(4, 28)
# A remainder counts where it is this many times larger than its rounding error.
VISIBLE = 300.0


@dataclass(frozen=True, slots=True)
class FiniteDifferences:
    """Derivatives of L along `directions`, or by every entry where these are None; one number each in every field.

    `below` and `above` are the one-sided derivatives, `error` is an estimate of how far off `value` may be, and
    `magnitude` is the size of the terms that L is a sum of.
    """

    value: Tensor
    error: Tensor
    below: Tensor
    above: Tensor
    magnitude: float
    directions: Tensor | None = None

    def of(self, gradient: Tensor) -> Tensor:
        """Return what a gradient says these derivatives are."""
        flat = _real(gradient.detach()).reshape(-1).to(torch.float64)
        return flat if self.directions is None else self.directions @ flat


@dataclass(frozen=True, slots=True)
class Taylor:
    """The Taylor test along one direction; `order` is infinite for a remainder of zero, None where none can be seen.

    `linear_error` is the part of the directional derivative that the gradient has wrong, relative to the gradient.
    `second_order` is that of the remainder after the second term, 3 where autograd's second derivative is right too;
    None where it has none.
    """

    order: float | None
    linear_error: float
    differences: FiniteDifferences
    second_order: float | None = None


def finite_differences(function: ScalarFunction, point: Values, name: str, cotangent: Tensor) -> FiniteDifferences:
    """Return central differences, extrapolated by Richardson, for the tensor called `name`.

    Every entry of a small tensor is stepped; a large one is stepped along PROJECTIONS random directions of a fixed
    seed. Float64 or complex128 tensors are expected.
    """
    line = _Line.of(function, point, [name], cotangent)
    entries = line.start.numel()
    if not entries:
        return _nothing(line)
    if entries <= MOST_ENTRIES and entries * line.work <= MOST_WORK:
        return _differences(line, None, entries)
    return _differences(line, _random(PROJECTIONS, entries), PROJECTIONS)


def taylor(
    function: ScalarFunction, point: Values, gradients: Mapping[str, Tensor], cotangent: Tensor, roundoff: float = 0.0
) -> Taylor:
    """Return how L(x + h·d) - L(x) - h·⟨gradient, d⟩ vanishes with h, for one random d through all tensors named.

    The order is 2 for a right gradient and 1 for a wrong one. `roundoff` is the relative error that the gradients are
    allowed (they may have come in a lower precision): smaller steps, which it would show at, are left out.
    """
    line = _Line.of(function, point, list(gradients), cotangent)
    if not line.start.numel():
        return Taylor(math.inf, 0.0, _nothing(line))
    gradient = torch.cat([_real(found.detach()).reshape(-1).to(torch.float64) for found in gradients.values()])
    directions = _random(1, line.start.numel())
    found = _differences(line, directions, 1)
    slope = float(directions[0] @ gradient)
    size = max(float(gradient.norm()), abs(float(found.value)))
    error = abs(float(found.value) - slope) / size if size else 0.0
    order = _order(line, directions[0], slope, roundoff=roundoff)
    curvature = None if roundoff else _curvature(line, directions[0])
    second = None if curvature is None else _order(line, directions[0], slope, curvature)
    return Taylor(order, error, found, second)


def taylor_order(
    function: ScalarFunction, point: Values, gradients: Mapping[str, Tensor], cotangent: Tensor
) -> float | None:
    """Return the observed order of the Taylor remainder, as `taylor` does."""
    return taylor(function, point, gradients, cotangent).order


@dataclass(frozen=True, slots=True)
class _Line:
    """L as a function of one real vector: the entries of some tensors, one after the other."""

    function: ScalarFunction
    point: Values
    names: Sequence[str]
    cotangent: Tensor
    start: Tensor
    base: Tensor

    @staticmethod
    def of(function: ScalarFunction, point: Values, names: Sequence[str], cotangent: Tensor) -> _Line:
        start = torch.cat([_real(point[name].detach()).reshape(-1) for name in names]).to(torch.float64)
        with torch.no_grad():
            base = function(point)
        return _Line(function, point, names, cotangent.detach().to(base.dtype), start, base)

    @property
    def work(self) -> int:
        """Return how many entries one evaluation reads and writes, as far as can be seen from outside."""
        return sum(tensor.numel() for tensor in self.point.values()) + self.base.numel()

    @property
    def size(self) -> Tensor:
        """Return the length of a step along a random direction: the entries' root mean square, if above 1."""
        return self.start.square().mean().nan_to_num(1.0).sqrt().clamp_min(1.0)

    @property
    def magnitude(self) -> float:
        return float((self.base.abs() * self.cotangent.abs()).sum())

    def change(self, vector: Tensor) -> Tensor:
        """Return L at a vector less L at the start; the differences are taken entry by entry, before they are added."""
        difference = self.function({**self.point, **self._tensors(vector)}) - self.base
        weighted = self.cotangent.conj() * difference
        return (weighted.real if weighted.is_complex() else weighted).sum()

    def _tensors(self, vector: Tensor) -> dict[str, Tensor]:
        sizes = [_real(self.point[name]).numel() for name in self.names]
        parts = zip(self.names, vector.split(sizes), strict=True)
        return {name: _shaped(part, self.point[name]) for name, part in parts}

    def changes(self, directions: Tensor | None, places: Tensor, steps: Tensor) -> Tensor:
        """Return L's change for each step along each direction, or entry: a row per place, a column per step."""
        count = max(1, BATCH // (self.work * steps.shape[1]))
        found = []
        for some, lengths in zip(places.split(count), steps.split(count), strict=True):
            chosen = _unit(some, self.start.numel()) if directions is None else directions[some]
            moved = self.start + lengths[:, :, None] * chosen[:, None, :]
            found.append(_each(self.change, moved.reshape(-1, self.start.numel())).reshape(lengths.shape))
        return torch.cat(found) if found else steps.new_zeros(steps.shape)


def _nothing(line: _Line) -> FiniteDifferences:
    """Return the differences of tensors that have no entry."""
    return FiniteDifferences(line.start, line.start, line.start, line.start, line.magnitude)


def _differences(line: _Line, directions: Tensor | None, count: int) -> FiniteDifferences:
    """Return the differences along each direction, with smaller steps where larger ones are not good enough."""
    best = torch.full((4, count), math.nan, dtype=torch.float64)
    best[1] = math.inf
    places = torch.arange(count)
    for step in STEPS:
        scale = line.start.abs().clamp_min(1.0)[places] if directions is None else line.size.expand(len(places))
        found = _extrapolated(line, directions, places, step * scale)
        better = ~(found[1] >= best[1, places])
        best[:, places[better]] = found[:, better]
        largest = best[0][best[0].isfinite()].abs().max() if bool(best[0].isfinite().any()) else torch.tensor(0.0)
        floor = GOOD * max(float(largest), EPSILON * line.magnitude)
        places = (~(best[1] <= floor)).nonzero()[:, 0]
        if not len(places):
            break
    return FiniteDifferences(best[0], best[1], best[2], best[3], line.magnitude, directions)


def _extrapolated(line: _Line, directions: Tensor | None, places: Tensor, step: Tensor) -> Tensor:
    """Return value, error, and the derivatives from below and above, by steps of 1, 1/2 and 1/4 to both sides.

    Richardson's table in h² for central and in h for one-sided differences; the error is the last correction, and
    the rounding error of the shortest step.
    """
    fractions = torch.tensor([1.0, 0.5, 0.25, -1.0, -0.5, -0.25], dtype=torch.float64)
    steps = step[:, None] * fractions
    quotients = line.changes(directions, places, steps) / steps
    above, below = quotients[:, :3].T, quotients[:, 3:].T
    value, correction = _limit((above + below) / 2, 4.0)
    rounding = 4 * EPSILON * line.magnitude / (step / 4)
    error = (correction.abs() + rounding).nan_to_num(nan=math.inf)
    return torch.stack([value, error, _limit(below, 2.0)[0], _limit(above, 2.0)[0]])


def _limit(column: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
    """Return the limit of three values at h, h/2 and h/4 whose error begins with a power that `ratio` divides by."""
    first = (ratio * column[1] - column[0]) / (ratio - 1)
    second = (ratio * column[2] - column[1]) / (ratio - 1)
    further = ratio * 4 if ratio > 2 else ratio * 2  # noqa: PLR2004 (even powers alone, or all)
    last = (further * second - first) / (further - 1)
    return last, last - second


def _curvature(line: _Line, direction: Tensor) -> float | None:
    """Return dᵀ·H·d by differentiating autograd's own gradient; None where it cannot be differentiated again."""
    start = line.start.clone().requires_grad_()
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (first,) = torch.autograd.grad(line.change(start), start, create_graph=True)
            (second,) = torch.autograd.grad(first @ direction, start)
    except RuntimeError:  # no second derivative, or one that does not depend on the tensor
        return None
    found = float(second @ direction)
    return found if math.isfinite(found) else None


def _order(line: _Line, direction: Tensor, slope: float, curvature: float = 0.0, roundoff: float = 0.0) -> float | None:
    """Return the order between the two smallest steps at which the remainder is well above its rounding error."""
    steps = torch.tensor([2.0**-k for k in HALVINGS], dtype=torch.float64) * line.size
    changes = line.changes(direction[None], torch.zeros(1, dtype=torch.long), steps[None])[0]
    remainders = (changes - steps * slope - steps.square() / 2 * curvature).abs()
    noise = 4 * EPSILON * (line.magnitude + steps * abs(slope))
    seen = (remainders > VISIBLE * noise) & (remainders > 30 * roundoff * abs(slope) * steps)
    inside = remainders.isfinite()  # a long step may leave the function's domain
    if bool(inside.any()) and bool((remainders <= VISIBLE * noise)[inside].all()):
        return math.inf
    pairs = (seen[:-1] & seen[1:]).nonzero()[:, 0]
    if not len(pairs):
        return None
    last = int(pairs[-1])
    return float((remainders[last] / remainders[last + 1]).log2())


def _each(change: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """Return a function's values, all at once where the function allows it, else one by one; NaN where it is refused.

    What is computed all at once is believed where its first value is the one computed alone.
    """
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if len(batch) > 1:
            try:
                found: Tensor = torch.func.vmap(change)(batch)
                first = _one(change, batch[0])
                if is_close(found[0], first):
                    return found
            except Exception:  # noqa: BLE001, S110 (vmap refuses in many ways; one by one everything goes)
                pass
        return torch.stack([_one(change, vector) for vector in batch])


def _one(change: Callable[[Tensor], Tensor], vector: Tensor) -> Tensor:
    try:
        return change(vector)
    except RuntimeError:  # outside the domain of an op that refuses (a matrix that is not positive definite)
        return vector.new_tensor(math.nan)


def _unit(places: Tensor, count: int) -> Tensor:
    return torch.nn.functional.one_hot(places, count).to(torch.float64)


def _random(count: int, entries: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, entries, generator=generator, dtype=torch.float64)


def _real(tensor: Tensor) -> Tensor:
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def _shaped(part: Tensor, like: Tensor) -> Tensor:
    """Return real numbers in the shape of a tensor, complex if it is."""
    if like.is_complex():
        return torch.view_as_complex(part.reshape(*like.shape, 2))
    return part.reshape(like.shape)
