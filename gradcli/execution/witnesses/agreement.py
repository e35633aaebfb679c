"""What difference quotients say of a gradient: a verdict that knows their own error, kinks and jumps."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.forward.indices import show_index, unravel
from gradcli.execution.witnesses.generalised import MORE_POINTS, slopes
from gradcli.execution.witnesses.jumps import JUMPS, jumping
from gradcli.execution.witnesses.line import EPSILON, Line, random_directions, unit
from gradcli.execution.witnesses.quotients import STEPS, Quotients, along
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

# How many times their estimated error quotients are allowed to be off.
SAFETY = 10.0
# Quotients whose error may be larger than this, relative to the gradient, say nothing; nor may it be relative to the
# terms of the output, where the gradient is as good as zero.
CLEAR, CLEAR_OF_OUTPUT = 1e-4, 1e-8
# One-sided derivatives are different where they are this far apart, relative to the gradient, beside their own error.
SIDED = 1e-7
# A kink is at the point, and not only near it, where the derivatives at steps of this length are as far apart.
TINY = 2.0**-34
# These steps are at most this part of the smallest entry that they move.
PART = 2.0**-6
# To see whether a kink is nearer still, a step is so long that rounding moves its quotient by a 20th of the kink.
VISIBLE, SIDES = 20.0, torch.tensor([1.0, -1.0], dtype=torch.float64)
# At a kink a gradient is looked at along so many directions at most, beside all ones and random ones.
MOST_KINKS = 12

UNCLEAR = noted(NoteKind.ROUNDING, "the differences are not accurate enough here to tell")
BEHIND_ROUNDING = noted(NoteKind.ROUNDING, "a kink is so near that rounding hides whether it is at this point")
BETWEEN = noted(
    NoteKind.ROUNDING,
    "a kink is so near that rounding hides whether it is at this point, and the gradient lies between its sides",
)
CROWDED = noted(NoteKind.KINK, "too many kinks meet here for the differences to tell")
DOUBLE = Tolerance.of("float64")
NO_NOTES: Notes = ()
IS_NAN = noted(NoteKind.UNDEFINED, "the gradient is NaN")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether a gradient agrees with difference quotients."""

    verdict: Verdict
    max_abs_error: float | None
    notes: Notes = ()


@dataclass(frozen=True, slots=True)
class _Compared:
    """A gradient's slopes beside quotients, along each of their directions."""

    claimed: Tensor
    quotients: Quotients
    granted: float
    size: float

    @property
    def wrong(self) -> Tensor:
        """Return where they differ by more than the quotients' own error, and what rounding is granted."""
        error = (self.claimed - self.quotients.value).abs()
        return ~((error <= SAFETY * self.quotients.error + self.granted) | (self.claimed == self.quotients.value))

    @property
    def unclear(self) -> Tensor:
        """Return where the quotients are not accurate enough to tell."""
        return self._vague(self.quotients.error) & (self.claimed != self.quotients.value)

    def _vague(self, error: Tensor) -> Tensor:
        own = SAFETY * error
        small = (own <= CLEAR * self.size) | (own <= CLEAR_OF_OUTPUT * self.quotients.magnitude)
        return ~(small & own.isfinite())

    @property
    def erratic(self) -> Tensor:
        """Return where the one-sided quotients do not converge."""
        return self._vague(self.quotients.sided_error)

    @property
    def kinked(self) -> Tensor:
        """Return where the one-sided derivatives differ."""
        apart = (self.quotients.above - self.quotients.below).abs()
        return apart > SAFETY * self.quotients.sided_error + SIDED * self.size  # not where one is NaN


def agreement(
    line: Line,
    quotients: Quotients,
    gradient: Tensor,
    tolerance: Tolerance,
    *,
    bends: bool = False,
    jumps: bool = False,
    excused: float = 0.0,
) -> Agreement:
    """Return the verdict of difference quotients on a gradient, and the largest difference.

    Where the program `bends`, as far as is known, a kink that no entry shows by itself is looked for as well; where it
    may be that it `jumps`, by how little ever, a jump.
    `excused` is how far off rounding on the way back may have moved the gradient.
    """
    if not gradient.numel():
        return Agreement(Verdict.MATCH, 0.0)
    if bool(gradient.isnan().any()):
        return Agreement(Verdict.UNDEFINED, None, (*IS_NAN, *_existing(line, quotients, gradient)))
    compared = _compared(quotients, gradient, tolerance, excused)
    steps = torch.ones_like(compared.erratic) if jumps else compared.erratic
    if bool(steps.any()) and bool(jumping(line, _rows(quotients, steps)).any()):
        return Agreement(Verdict.UNDEFINED, None, JUMPS)
    before, compared = compared, _closer(line, compared, known=bends)
    error = (compared.claimed - compared.quotients.value).abs()
    largest = float(error.max()) if bool(error.isfinite().all()) else None
    unclear = compared.unclear
    suspect = (compared.wrong | compared.kinked) & ~unclear
    verdict, notes = Verdict.MATCH, NO_NOTES
    if bool(suspect.any()):
        verdict, notes = _where_suspect(line, compared, suspect, gradient)
    elif bends and _bent(line, compared, _across(line)):
        verdict, notes = _at_a_kink(line, compared, _across(line), compared.wrong[:0], gradient)
    if verdict is not Verdict.MISMATCH and bool(unclear.any()):
        verdict, notes = Verdict.UNDECIDED, _why_unclear(line, before, compared, gradient)
    return Agreement(verdict, largest, notes)


def _why_unclear(line: Line, before: _Compared, closer: _Compared, gradient: Tensor) -> Notes:
    """Return why the quotients cannot tell: by a kink that was seen `before` and that rounding hides nearer to it.

    Were that kink at the point, the gradient might be one of the choices there.
    """
    hidden = before.kinked & closer.quotients.error.isinf()
    if not bool(hidden.any()):
        return UNCLEAR
    directions = torch.cat([_rows(before.quotients, hidden), _across(line)])
    verdict, _ = _at_a_kink(line, before, directions, before.wrong[:0], gradient)
    return BETWEEN if verdict is Verdict.SUBGRADIENT else BEHIND_ROUNDING


def _existing(line: Line, quotients: Quotients, gradient: Tensor) -> Notes:
    """Return a note on the derivative by the first entry at which a gradient is NaN, if there is one.

    There is none where it has only one side, and by entries of a large gradient it is not known.
    """
    if quotients.directions is not None or gradient.is_complex():
        return ()
    compared = _closer(line, _compared(quotients, gradient.nan_to_num(0.0), DOUBLE, 0.0))
    there = gradient.reshape(-1).isnan() & compared.quotients.value.isfinite()
    places = (there & ~(compared.kinked | compared.erratic | compared.unclear)).nonzero()
    if not len(places):
        return ()
    place = int(places[0])
    index = unravel(place, tuple(gradient.shape))
    slope = float(compared.quotients.value[place])
    words = f"the derivative exists{show_index(index)}, and is {slope:.6g} by difference quotients"
    return noted(NoteKind.REFERENCE, words, index)


def _compared(quotients: Quotients, gradient: Tensor, tolerance: Tolerance, excused: float) -> _Compared:
    claimed = quotients.of(gradient)
    spread = 1.0 if quotients.directions is None else 3 * math.sqrt(gradient.numel())
    largest = spread * float(gradient.abs().max())
    granted = tolerance.relative * largest + tolerance.absolute * (spread if tolerance.normwise else largest)
    return _Compared(claimed, quotients, granted + spread * excused, max(_largest(claimed), _largest(quotients.value)))


def _largest(values: Tensor) -> float:
    return float(values.abs().nan_to_num(0.0, 0.0).max())


def _rows(quotients: Quotients, chosen: Tensor) -> Tensor:
    """Return the first directions that are chosen, a row each."""
    rows = chosen.nonzero()[:MOST_KINKS, 0]
    return unit(rows, len(chosen)) if quotients.directions is None else quotients.directions[rows]


def _closer(line: Line, compared: _Compared, *, known: bool = False) -> _Compared:
    """Return the comparison with what is seen much nearer to the point, where a kink is near it or seems to be.

    A kink within the steps taken so far is none at the point if both sides agree at much shorter ones; one-sided
    quotients that do not converge at longer steps may at these. Of a kink that may be as far away as the size of an
    entry, and is hidden in rounding nearer to it, nothing is known; that size being less than the last digit of the
    entry, it is the one that is `known`.
    """
    rows = (compared.kinked | compared.erratic).nonzero()[:, 0]
    if not len(rows):
        return compared
    found = compared.quotients
    scale, local = line.scale(found.directions, rows), line.local(found.directions, rows)
    step = (TINY * scale).minimum(PART * local)
    step = step.clamp_min(min(8 * line.rounding / (SIDED * compared.size), TINY)) if compared.size else step
    steps = step[:, None] * torch.tensor([1.0, -1.0, 16.0, -16.0], dtype=torch.float64)
    above, below, far_above, far_below = (line.changes(found.directions, rows, steps) / steps).T
    rounding = 8 * line.rounding / step
    moving = (above - far_above).abs() + (below - far_below).abs()
    sided_error = (moving + rounding).nan_to_num(nan=math.inf)
    apart, before = (above - below).abs(), (found.above - found.below).abs()[rows]
    smooth = compared.kinked[rows] & (apart <= before / 10) & (rounding <= before / 10)
    middle, off = (above + below) / 2, rounding
    # A kink between a shorter step and this one leaves one side as it is.
    shorter = (VISIBLE * rounding * step / before).minimum(step)
    (ahead, behind) = (line.changes(found.directions, rows, shorter[:, None] * SIDES) / (shorter[:, None] * SIDES)).T
    beside = compared.kinked[rows] & ~smooth & (shorter < step) & ((ahead - behind).abs() <= before / 4)
    is_above = (above - (ahead + behind) / 2).abs() <= (below - (ahead + behind) / 2).abs()
    side = torch.where(is_above, above, below)
    side_error = torch.where(is_above, (above - far_above).abs(), (below - far_below).abs()) + rounding
    middle, off = torch.where(beside, side, middle), torch.where(beside, side_error, off)
    above, below = torch.where(beside, side, above), torch.where(beside, side, below)
    smooth |= beside
    far = local < (STEPS[-1] * scale).minimum(shorter)
    far &= ~(known & (EPSILON * line.entries(found.directions, rows) > local))
    hidden = compared.kinked[rows] & ~smooth & far
    sided = smooth | (compared.erratic[rows] & (sided_error < found.sided_error[rows]))
    value, error = _put(found.value, rows, smooth, middle), _put(found.error, rows, smooth, off)
    below, above = _put(found.below, rows, sided, below), _put(found.above, rows, sided, above)
    sides = _put(found.sided_error, rows, sided, sided_error)
    everything = torch.full_like(rounding, math.inf)
    error, sides = _put(error, rows, hidden, everything), _put(sides, rows, hidden, everything)
    return dataclasses.replace(
        compared,
        quotients=dataclasses.replace(found, value=value, error=error, below=below, above=above, sided_error=sides),
    )


def _put(column: Tensor, rows: Tensor, chosen: Tensor, values: Tensor) -> Tensor:
    """Return a column with other values in the rows that are chosen."""
    return column.index_put((rows[chosen],), values[chosen])


def _where_suspect(line: Line, compared: _Compared, suspect: Tensor, gradient: Tensor) -> tuple[Verdict, Notes]:
    """Return the verdict where a gradient is wrong along some directions, or there is a kink, and notes."""
    directions = _rows(compared.quotients, suspect)
    across = _across(line)
    if not bool(compared.kinked.any()) and not _bent(line, compared, across):
        return (Verdict.MISMATCH if bool(compared.wrong[suspect].any()) else Verdict.MATCH), ()
    return _at_a_kink(line, compared, torch.cat([directions, across]), compared.wrong[suspect][:MOST_KINKS], gradient)


def _across(line: Line) -> Tensor:
    """Return directions through all entries: all ones, and random ones, the last of them the sum of two others."""
    entries = line.start.numel()
    if entries == 1:
        return torch.zeros(0, 1, dtype=torch.float64)
    one, other = random_directions(2, entries, seed=2)
    return torch.stack([torch.ones(entries, dtype=torch.float64), one, other, one + other])


def _bent(line: Line, compared: _Compared, directions: Tensor) -> bool:
    """Return whether the function has a kink along some directions, or slopes that do not add up as directions do.

    The sum of the largest and the smallest of equal entries has a derivative along every line, and no gradient.
    """
    if not len(directions):
        return False
    quotients = along(line, directions)
    size = max(compared.size, _largest(quotients.above), _largest(quotients.below))
    across = _closer(line, _Compared(quotients.value, quotients, 0.0, size))
    if bool((across.kinked & ~across.erratic).any()):
        return True
    _, one, other, both = across.quotients.value
    allowed = SAFETY * across.quotients.error.sum() + SIDED * size
    return bool((both - one - other).abs() > allowed)


def _at_a_kink(
    line: Line, compared: _Compared, directions: Tensor, wrong: Tensor, gradient: Tensor
) -> tuple[Verdict, Notes]:
    """Return whether a gradient is one of the program's generalised gradients, and notes.

    Along a direction in which nothing bends, its slope must be the one that the quotients have: along the first, that
    is known of it to be `wrong`.
    """
    wrong = torch.cat([wrong, torch.zeros(len(directions) - len(wrong), dtype=torch.bool)])
    quotients = compared.quotients
    sides = quotients.above - quotients.below if quotients.directions is None else None
    claimed = dataclasses.replace(quotients, directions=directions).of(gradient)
    near = slopes(line, directions, sides)
    outside = ~near.admit(claimed, compared.granted)
    if bool((outside & (near.straight | (wrong & near.flat))).any()):
        return Verdict.MISMATCH, ()
    if not bool(outside.any()):
        return Verdict.SUBGRADIENT, ()
    near = slopes(line, directions[outside], sides, MORE_POINTS)
    still = ~near.admit(claimed[outside], compared.granted)
    return (Verdict.UNDECIDED, CROWDED) if bool(still.any()) else (Verdict.SUBGRADIENT, ())
