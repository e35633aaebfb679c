"""What difference quotients say of a gradient: a verdict that knows their own error, kinks and jumps."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from gradcli.execution.forward.indices import show_index, unravel
from gradcli.execution.witnesses.coarse import is_coarse, too_coarse
from gradcli.execution.witnesses.generalised import MORE_POINTS, POINTS, outside, separating, slopes
from gradcli.execution.witnesses.grain import LEAST
from gradcli.execution.witnesses.jumps import JUMPS, STEEP, jumping, steep
from gradcli.execution.witnesses.line import Line, random_directions, unit
from gradcli.execution.witnesses.nearer import CLEAR, SAFETY, SIDED, Compared, closer_look
from gradcli.execution.witnesses.quotients import Quotients, along, by_entries
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.verdict import Verdict
from gradcli.tolerance import SMALLEST, Tolerance

# At a kink a gradient is looked at along so many directions at most, beside all ones and random ones.
MOST_KINKS = 12
# Some of MORE_POINTS points around so few entries are on every piece that is not very narrow.
FEW = 3
# Entries are of different sizes where one is this many times larger than another.
WIDE = 2.0**8

UNCLEAR = noted(NoteKind.ROUNDING, "the differences are not accurate enough here to tell")
BEHIND_ROUNDING = noted(NoteKind.ROUNDING, "a kink is so near that rounding hides whether it is at this point")
BETWEEN = noted(
    NoteKind.ROUNDING,
    "a kink is so near that rounding hides whether it is at this point, and the gradient lies between its sides",
)
KINKED = noted(NoteKind.KINK, "there is a kink here, and the differences are not accurate enough to tell more")
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
    error: Tensor | None = None
    """How far off each quotient may be that it was compared with, where there is one."""


def agreement(
    line: Line,
    quotients: Quotients,
    gradient: Tensor,
    tolerance: Tolerance,
    *,
    bends: bool = False,
    may_bend: bool = False,
    jumps: bool = False,
    decides: bool = False,
    excused: float = 0.0,
) -> Agreement:
    """Return the verdict of difference quotients on a gradient, and the largest difference.

    Where the program `bends`, as far as is known, a kink that no entry shows by itself is looked for as well; where it
    `may_bend` so, a gradient between slopes to both sides that are not known well is not called wrong. Where it may be
    that it `jumps`, by how little ever, a jump is looked for. Between neighbouring numbers that are too far apart it
    may rise as steeply as it likes: there only one that `jumps` or `decides` something otherwise is known to jump.
    `excused` is how far off rounding on the way back may have moved the gradient.
    """
    if not gradient.numel():
        return Agreement(Verdict.MATCH, 0.0)
    if bool(gradient.isnan().any()):
        return Agreement(Verdict.UNDEFINED, None, (*IS_NAN, *_existing(line, quotients, gradient)))
    compared = _compared(quotients, gradient, tolerance, excused)
    doubted = _where_jumps(line, compared, known=jumps, is_certain=jumps or decides)
    if bool(jumping(line, *doubted).any()):
        return Agreement(Verdict.UNDEFINED, None, JUMPS)
    before, compared = compared, closer_look(line, compared, known=bends)
    if bends and _is_steep(line, compared):
        return Agreement(Verdict.UNDEFINED, None, STEEP)
    error = (compared.claimed - compared.quotients.value).abs()
    largest = float(error.max()) if bool(error.isfinite().all()) else None
    unclear = compared.unclear
    suspect = (compared.wrong | compared.kinked) & ~unclear
    verdict, notes = Verdict.MATCH, NO_NOTES
    if bool(suspect.any()):
        verdict, notes = _where_suspect(line, compared, suspect, gradient, may_bend=bends or may_bend)
    elif bends and _bent(line, compared, _across(line)):
        verdict, notes = _at_a_kink(line, compared, _across(line), compared.wrong[:0], gradient)
    if verdict is not Verdict.MISMATCH and bool(unclear.any()):
        verdict, notes = Verdict.UNDECIDED, _why_unclear(line, before, compared, gradient)
    coarse = is_coarse(line, quotients.directions, torch.arange(len(unclear)))
    if verdict is Verdict.SUBGRADIENT and _may_be_smooth(compared, coarse):
        verdict, notes = Verdict.UNDECIDED, too_coarse(line, quotients.directions, suspect)
    clearly = (compared.sharp | (compared.kinked & ~compared.erratic & ~unclear)) & ~coarse
    if verdict is Verdict.UNDECIDED and bool(clearly.any()):
        notes = KINKED
    return Agreement(verdict, largest, notes, compared.quotients.error)


def _is_steep(line: Line, compared: Compared) -> bool:
    """Return whether the slope is infinite by an entry whose quotients do not converge, or along all entries."""
    erratic, every = (_where_jumps(line, compared, known=known, is_certain=False) for known in (False, True))
    return bool(steep(line, *erratic).any()) or bool(steep(line, *every, slowly=False).any())


def _where_jumps(line: Line, compared: Compared, *, known: bool, is_certain: bool) -> tuple[Tensor, Tensor]:
    """Return the directions along which to look for a jump, and the slopes that a gradient claims there.

    Where it is known that an op jumps, or bends, it may take all entries to make the program do so.
    """
    chosen = torch.ones_like(compared.erratic) if known else compared.erratic
    if not is_certain:
        chosen = chosen & ~is_coarse(line, compared.quotients.directions, torch.arange(len(chosen)))
    rows, of_rows = _rows(compared.quotients, chosen), compared.claimed[chosen.nonzero()[:MOST_KINKS, 0]]
    if not known or compared.quotients.directions is not None:
        return rows, of_rows
    across = _across_and_in_proportion(line)
    return torch.cat([rows, across]), torch.cat([of_rows, across @ compared.claimed])


def _may_be_smooth(compared: Compared, coarse: Tensor) -> bool:
    """Return whether kinks are seen only where steps are too `coarse` for the lengths within which a function may bend.

    Next to 1e17 numbers are 16 apart, and half the square of a difference, which is linear beyond 1, looks like one.
    """
    return bool(compared.kinked.any()) and bool(coarse[compared.kinked].all())


def _why_unclear(line: Line, before: Compared, closer: Compared, gradient: Tensor) -> Notes:
    """Return why the quotients cannot tell: by a kink that was seen `before` and that rounding hides nearer to it.

    Were that kink at the point, the gradient might be one of the choices there. Where no step can be taken, a smooth
    function looks as if it had one.
    """
    hidden = before.kinked & closer.quotients.error.isinf()
    hidden &= ~is_coarse(line, closer.quotients.directions, torch.arange(len(hidden)))
    if not bool(hidden.any()):
        return too_coarse(line, closer.quotients.directions, closer.unclear) or UNCLEAR
    directions = torch.cat([_rows(before.quotients, hidden), _across(line)])
    verdict, _ = _at_a_kink(line, before, directions, before.wrong[:0], gradient)
    return BETWEEN if verdict is Verdict.SUBGRADIENT else BEHIND_ROUNDING


def _existing(line: Line, quotients: Quotients, gradient: Tensor) -> Notes:
    """Return a note on the derivative by the first entry at which a gradient is NaN, if there is one.

    There is none where it has only one side, and by entries of a large gradient it is not known.
    """
    if quotients.directions is not None or gradient.is_complex():
        return ()
    compared = closer_look(line, _compared(quotients, gradient.nan_to_num(0.0), DOUBLE, 0.0))
    there = gradient.reshape(-1).isnan() & compared.quotients.value.isfinite()
    places = (there & ~(compared.kinked | compared.erratic | compared.unclear)).nonzero()
    if not len(places):
        return ()
    place = int(places[0])
    index = unravel(place, tuple(gradient.shape))
    slope = float(compared.quotients.value[place])
    words = f"the derivative exists{show_index(index)}, and is {slope:.6g} by difference quotients"
    return noted(NoteKind.REFERENCE, words, index)


def _compared(quotients: Quotients, gradient: Tensor, tolerance: Tolerance, excused: float) -> Compared:
    claimed = quotients.of(gradient)
    spread = 1.0 if quotients.directions is None else 3 * math.sqrt(gradient.numel())
    largest = spread * float(gradient.abs().max())
    granted = tolerance.relative * largest + tolerance.absolute * (spread if tolerance.normwise else largest)
    size = max(_largest(claimed), _largest(quotients.value), _largest(_sides(quotients)))
    return Compared(claimed, quotients, granted + spread * excused + SMALLEST, size)


def _sides(quotients: Quotients) -> Tensor:
    """Return the one-sided derivatives that are clear: at a kink the quotients to both sides may cancel."""
    sides = torch.stack([quotients.below, quotients.above])
    return sides[SAFETY * quotients.sided_error.expand_as(sides) <= CLEAR * sides.abs()]


def _largest(values: Tensor) -> float:
    return float(values.abs().nan_to_num(0.0, 0.0).max()) if len(values) else 0.0


def _rows(quotients: Quotients, chosen: Tensor) -> Tensor:
    """Return the first directions that are chosen, a row each."""
    rows = chosen.nonzero()[:MOST_KINKS, 0]
    return unit(rows, len(chosen)) if quotients.directions is None else quotients.directions[rows]


def _where_suspect(
    line: Line, compared: Compared, suspect: Tensor, gradient: Tensor, *, may_bend: bool
) -> tuple[Verdict, Notes]:
    """Return the verdict where a gradient is wrong along some directions, or there is a kink, and notes."""
    directions = _rows(compared.quotients, suspect)
    across = _across(line)
    if not (bool(compared.kinked.any()) or _bent(line, compared, across) or _is_bent_by_entries(line, compared)):
        wrong = compared.wrong & suspect
        if may_bend and bool(wrong.any()) and bool(compared.between[wrong].all()):
            return Verdict.UNDECIDED, UNCLEAR
        return (Verdict.MISMATCH if bool(wrong.any()) else Verdict.MATCH), ()
    return _at_a_kink(line, compared, torch.cat([directions, across]), compared.wrong[suspect][:MOST_KINKS], gradient)


def _across(line: Line) -> Tensor:
    """Return directions through all entries: all ones, and random ones, the last of them the sum of two others."""
    entries = line.start.numel()
    if entries == 1:
        return torch.zeros(0, 1, dtype=torch.float64)
    one, other = random_directions(2, entries, seed=2)
    return torch.stack([torch.ones(entries, dtype=torch.float64), one, other, one + other])


def _across_and_in_proportion(line: Line) -> Tensor:
    """Return such directions; where entries' sizes are far apart, also such that move each in proportion to its own."""
    sizes, across = torch.where(line.start == 0, 1.0, line.start.abs()), _across(line)
    is_wide = bool(WIDE * sizes.amin() < sizes.amax() < math.inf)
    return torch.cat([across, across * (sizes / sizes.amax())]) if is_wide else across


def _bent(line: Line, compared: Compared, directions: Tensor) -> bool:
    """Return whether the function has a kink along some directions, or slopes that do not add up as directions do.

    The sum of the largest and the smallest of equal entries has a derivative along every line, and no gradient.
    """
    if not len(directions):
        return False
    quotients = along(line, directions)
    size = max(compared.size, _largest(quotients.above), _largest(quotients.below))
    across = closer_look(line, Compared(quotients.value, quotients, 0.0, size))
    if bool((across.kinked & ~across.erratic).any()):
        return True
    _, one, other, both = across.quotients.value
    allowed = SAFETY * across.quotients.error.sum() + SIDED * size + LEAST
    return bool((both - one - other).abs() > allowed) or _is_not_their_sum(compared.quotients, across, size)


def _is_bent_by_entries(line: Line, compared: Compared) -> bool:
    """Return whether slopes along directions are other than those by each entry add up to."""
    if compared.quotients.directions is None:
        return False
    return _is_not_their_sum(by_entries(line), compared, compared.size)


def _is_not_their_sum(entries: Quotients, across: Compared, size: float) -> bool:
    """Return whether slopes through all entries are other than those by each entry add up to.

    The middle one of three equal values has a slope of 0 by each of them, along every line one, and no gradient.
    """
    if entries.directions is not None or across.quotients.directions is None:
        return False
    directions = across.quotients.directions
    own = directions.abs() @ (SAFETY * entries.error + SIDED * size)
    apart = (across.quotients.value - directions @ entries.value).abs()
    return bool((apart > own + SAFETY * across.quotients.error + LEAST).any())  # not where one is NaN


def _at_a_kink(
    line: Line, compared: Compared, directions: Tensor, wrong: Tensor, gradient: Tensor
) -> tuple[Verdict, Notes]:
    """Return whether a gradient is one of the program's generalised gradients, and notes.

    Along a direction in which nothing bends, its slope must be the one that the quotients have: along the first, that
    is known of it to be `wrong`.
    """
    wrong = torch.cat([wrong, torch.zeros(len(directions) - len(wrong), dtype=torch.bool)])
    quotients = compared.quotients
    sides = quotients.above - quotients.below if quotients.directions is None else None
    claimed = dataclasses.replace(quotients, directions=directions).of(gradient)
    near, beyond = outside(partial(slopes, line, directions, sides, POINTS), claimed, compared.granted)
    if bool((beyond & (near.straight | (wrong & near.flat))).any()):
        return Verdict.MISMATCH, ()
    if bool(near.vague.any()):
        return Verdict.UNDECIDED, UNCLEAR
    doubted = directions[beyond] if bool(beyond.any()) else _across_kinks(line, compared)
    claimed = dataclasses.replace(quotients, directions=doubted).of(gradient)
    near, still = outside(partial(slopes, line, doubted, sides, MORE_POINTS), claimed, compared.granted)
    if bool((still & (near.straight | (line.start.numel() <= FEW))).any()):
        return Verdict.MISMATCH, ()
    return (Verdict.UNDECIDED, CROWDED) if bool(still.any()) else (Verdict.SUBGRADIENT, ())


def _across_kinks(line: Line, compared: Compared) -> Tensor:
    """Return the direction along which a gradient seems to claim most beyond those nearby, of the entries at kinks.

    So is one by which the gradient has another slope than to both sides of the point: it may have that nearby. No row
    if there is none, or where too many entries are.
    """
    rows = (compared.kinked | (compared.wrong & ~compared.unclear)).nonzero()[:, 0]
    if compared.quotients.directions is not None or not 1 < len(rows) <= MOST_KINKS:
        return torch.zeros(0, line.start.numel(), dtype=torch.float64)
    found = separating(line, rows, compared.claimed[rows], compared.granted)
    return found @ unit(rows, line.start.numel())
