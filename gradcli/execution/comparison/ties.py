"""Where code compares what is equal: autograd has the derivative on the side that it takes, and there are others."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.report.custom import SourcePlace
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.report import TensorReport

# How long `eval` looks at both sides for that reason alone, in seconds.
SECONDS = 0.5
EQUAL = "the code compares what is equal{}: this is the derivative on the side that it takes"
LOOKS_AT_BOTH = ", and `check` looks at both"


def ties_of(trace: Trace) -> tuple[SourcePlace | None, ...]:
    """Return where the code compared what was equal; nothing of a program, whose comparisons are in its trace."""
    return () if trace.ran is None else trace.ran.ties


def one_side(trace: Trace, instead: str = "") -> Notes:
    """Return what there is to say where code compares what is equal, and which command does more `instead`."""
    ties = ties_of(trace)
    if not ties:
        return ()
    where = "" if ties[0] is None else f" at {ties[0].file}:{ties[0].line}"
    return noted(NoteKind.SCOPE, f"{EQUAL.format(where)}{instead}")


def with_ties(
    trace: Trace, reports: Mapping[TracedTensor, TensorReport], looked: Collection[TracedTensor]
) -> dict[TracedTensor, TensorReport]:
    """Return the reports; of leaves that pass and were not `looked` at from both sides, with the first place."""
    notes = one_side(trace, LOOKS_AT_BOTH)
    if not notes:
        return dict(reports)
    return {
        traced: dataclasses.replace(report, notes=(*report.notes, *notes))
        if traced.is_leaf and traced not in looked and report.verdict is not None and report.verdict.passes
        else report
        for traced, report in reports.items()
    }
