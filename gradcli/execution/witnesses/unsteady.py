"""Code that computes another value when it runs again: no quotient is a derivative.

It counts its calls, or keeps something from the first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from gradcli.execution.witnesses.consensus import consensus
from gradcli.execution.witnesses.numerical_verdict import NumericalVerdict
from gradcli.report.notes import NoteKind, noted
from gradcli.report.report import TensorReport, WitnessReport
from gradcli.report.verdict import Verdict

OTHER_VALUE = noted(NoteKind.LIMIT, "the code computes another value when it runs again")


def left_open(report: TensorReport, names: Iterable[str]) -> TensorReport:
    """Return a tensor's report by a run of such code, of which the witnesses of these names can say nothing."""
    undecided = {name: WitnessReport(Verdict.UNDECIDED, notes=OTHER_VALUE) for name in names}
    said = consensus(report, NumericalVerdict(undecided, frozenset()))
    return dataclasses.replace(said, notes=tuple(dict.fromkeys((*said.notes, *OTHER_VALUE))))
