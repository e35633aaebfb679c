"""Where numbers are so far apart that no step is as short as the lengths within which a function may bend."""

from __future__ import annotations

import torch
from torch import Tensor

from gradcli.execution.witnesses.line import EPSILON, Line
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.report import WitnessReport

NO_STEP = "no step can be taken here"


def too_coarse(line: Line, directions: Tensor | None, unclear: Tensor) -> Notes:
    """Return a note on numbers so large that no step is as short as a function's own lengths, 1 or an entry's size."""
    rows = torch.arange(len(unclear))
    spacing = EPSILON * line.entries(directions, rows)
    coarse = spacing[unclear & is_coarse(line, directions, rows)]
    if not len(coarse):
        return ()
    words = f"{NO_STEP}: the numbers next to {float(coarse.max() / EPSILON):.3g} are"
    return noted(NoteKind.ROUNDING, f"{words} {float(coarse.max()):.1g} apart")


def is_coarse(line: Line, directions: Tensor | None, rows: Tensor) -> Tensor:
    """Return along which directions, or entries, numbers are further apart than the function's own lengths."""
    return EPSILON * line.entries(directions, rows) > line.local(directions, rows)


def takes_no_step(report: WitnessReport) -> bool:
    """Return whether a witness says that numbers are too large beside others for a step."""
    return any(note.words.startswith(NO_STEP) for note in report.notes)
