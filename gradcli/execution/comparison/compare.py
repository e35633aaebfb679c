"""The verdict: whether autograd's gradient agrees with the symbolic one, and if not, where and in what way.

Works on anything with a tensor's methods, and imports neither torch nor sympy.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gradcli.execution.comparison.causes import NO_CLUES, Clues, likely_cause
from gradcli.execution.forward.indices import show_index, unravel
from gradcli.report.comparison import Comparison
from gradcli.report.notes import Note, NoteKind, Notes, noted
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

# Elements that are compared at once: they fit a processor's cache, and are too few for PyTorch to share them among
# threads, which wait for each other beside a busy core.
BLOCK = (1 << 15) - 1


def compare(  # noqa: PLR0917 (the first three are what it is about)
    gradient: Any,
    reference: Any,
    tolerance: Tolerance,
    noise: Any = 0.0,
    clues: Clues | None = NO_CLUES,
    survey: Survey | None = None,
) -> Comparison:
    """Return how a gradient compares with the reference, entry by entry: NaN matches nothing, +inf only +inf.

    `noise` is allowed on top of the tolerance: the rounding noise of each entry. `clues` are what a wrong
    gradient may have gone wrong with; with None a mismatch is not explained. `survey` is that of both, if it is known.
    """
    if gradient.shape != reference.shape:
        subject = (clues or NO_CLUES).subject
        shapes = f"{subject} has shape {tuple(gradient.shape)}, the symbolic one {tuple(reference.shape)}"
        return Comparison(Verdict.MISMATCH, notes=noted(NoteKind.SHAPE, shapes))
    if gradient.numel() == 0:
        return Comparison(Verdict.MATCH, 0.0, 0.0)
    survey = survey or _survey(gradient, reference)
    if survey is not None and _is_within(gradient, reference, tolerance, noise, survey):
        index = unravel(survey.place, tuple(gradient.shape))
        return Comparison(Verdict.MATCH, survey.error, survey.relative, index, is_finite=True)
    found = _compare_entries(gradient, reference, tolerance.agrees(gradient, reference, noise))
    if found.verdict is not Verdict.MISMATCH or clues is None:
        return found
    return replace(found, notes=(*found.notes, *_mismatch(gradient, reference, found, clues)))


@dataclass(slots=True)
class Survey:
    """The largest error and its flat position, the largest relative error and the largest entry of the reference.

    Without an error nobody asks for the last.
    """

    error: float = -1.0
    place: int = 0
    relative: float = 0.0
    scale: float = 0.0


def _survey(gradient: Any, reference: Any) -> Survey | None:
    """Return the extremes over all entries; None if one is not finite."""
    # Gradients, or parts of them, are often the same to the last bit, which takes one call of PyTorch to see.
    may_be_same = gradient.dtype == reference.dtype
    if may_be_same and gradient.equal(reference):
        return Survey(error=0.0) if _is_finite(reference) else None
    may_be_same = may_be_same and gradient.numel() > BLOCK
    found, start = Survey(), 0
    for block, other in _blocks(gradient, reference):
        scale = largest_size(other)
        error: Any = None if may_be_same and block.equal(other) else block - other
        largest = 0.0 if error is None else largest_size(error)
        if not (math.isfinite(largest) and math.isfinite(scale)):
            return None
        if largest > found.error:
            found.error, found.place = largest, start + (int(error.abs().argmax()) if largest else 0)
        if largest > 0:
            found.relative = max(found.relative, _largest_ratio(error, other))
        found.scale = max(found.scale, scale)
        start += other.numel()
    return found


def _is_finite(values: Any) -> bool:
    """Return whether every entry is finite: a sum is not, if one of its terms is not."""
    return cmath.isfinite(values.sum().item()) or bool(values.isfinite().all())


def largest_size(values: Any) -> float:
    """Return the largest absolute value, in one pass that copies nothing of real numbers; NaN if there is one."""
    least, largest = (values.abs() if values.is_complex() else values).aminmax()
    return max(largest.item(), -least.item())


def _largest_ratio(error: Any, reference: Any) -> float:
    """Return the largest relative error of finite entries; `error` is written over."""
    ratio = error.abs() / reference.abs() if error.is_complex() else error.div_(reference)
    largest = largest_size(ratio)
    # 0/0 is an entry that is zero in both.
    return (
        largest_size(ratio.nan_to_num_(nan=0.0, posinf=math.inf, neginf=-math.inf)) if math.isnan(largest) else largest
    )


def _is_within(gradient: Any, reference: Any, tolerance: Tolerance, noise: Any, survey: Survey) -> bool:
    """Return whether every error is within what is allowed, the least for any entry or each entry's own."""
    is_one = isinstance(noise, float) or noise.ndim == 0
    if survey.error <= tolerance.least(survey.scale) + float(noise if is_one else noise.min()):
        return True
    if tolerance.normwise:
        return False
    most = tolerance.absolute * survey.scale
    each = ((block, other, noise) for block, other in _blocks(gradient, reference))
    own = each if is_one else _blocks(gradient, reference, noise.expand(reference.shape))
    return all(
        bool(((block - other).abs() <= other.abs() * tolerance.relative + (more + most)).all())
        for block, other, more in own
    )


def _blocks(*tensors: Any) -> Iterator[tuple[Any, ...]]:
    """Yield tensors of one shape in parts that fit a processor's cache: what is made of them costs no memory."""
    first, *_ = tensors
    if first.numel() <= BLOCK:
        return iter([tensors])
    if first.ndim == 0 or all(tensor.is_contiguous() for tensor in tensors):
        tensors = tuple(tensor.reshape(-1) for tensor in tensors)
    first, *_ = tensors
    rows = max(1, BLOCK * first.shape[0] // first.numel())
    return zip(*(tensor.split(rows) for tensor in tensors), strict=True)


def _compare_entries(gradient: Any, reference: Any, agrees: Any) -> Comparison:
    """Return the comparison entry by entry, where some may be wrong or not finite."""
    error, wrong = (gradient - reference).abs().masked_fill(gradient == reference, 0.0), ~agrees
    relative = _largest((error / reference.abs()).masked_fill(error == 0, 0.0))
    place = _worst(error, wrong)
    verdict, notes = _judge(gradient, reference, wrong)
    return Comparison(verdict, float(error.flatten()[place]), relative, unravel(place, tuple(error.shape)), notes)


def _worst(error: Any, wrong: Any) -> int:
    """Return the flat position of the largest error, of the wrong entries if there are any; NaN counts as largest."""
    ranked = error.nan_to_num(nan=float("inf"), posinf=float("inf"))
    ranked = ranked.masked_fill(~wrong, -1.0) if bool(wrong.any()) else ranked
    return int(ranked.argmax())


def _largest(values: Any) -> float:
    return float(values.nan_to_num(nan=float("inf")).max())


def _judge(gradient: Any, reference: Any, wrong: Any) -> tuple[Verdict, Notes]:
    if bool(gradient.isnan().any()):
        index = unravel(int(gradient.isnan().flatten().nonzero()[0]), tuple(gradient.shape))
        return Verdict.UNDEFINED, noted(NoteKind.UNDEFINED, f"the gradient is NaN{show_index(index)}", index)
    if bool(reference.isnan().any()):
        index = unravel(int(reference.isnan().flatten().nonzero()[0]), tuple(gradient.shape))
        words = f"the derivative does not exist{show_index(index)}"
        return Verdict.UNDEFINED, noted(NoteKind.UNDEFINED, words, index)
    if not bool(wrong.any()):
        return Verdict.MATCH, ()
    count = f"{int(wrong.sum())} of {wrong.numel()} entries differ" if wrong.ndim else None
    return Verdict.MISMATCH, noted(NoteKind.ENTRY, count)


def _mismatch(gradient: Any, reference: Any, found: Comparison, clues: Clues) -> Notes:
    """Return where a gradient is most wrong, by how much, and the likely cause."""
    index = found.worst_index or ()
    values = f"{clues.who} gives {_show(gradient[index])} and {clues.right} {_show(reference[index])}"
    entry = Note(NoteKind.ENTRY, f"{show_index(index)} {values}".strip(), index)
    return (entry, *noted(NoteKind.CAUSE, likely_cause(gradient, reference, clues)))


def _show(value: Any) -> str:
    return f"{value.item():.10g}"
