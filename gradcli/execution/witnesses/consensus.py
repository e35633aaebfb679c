"""One verdict from several witnesses, and which of them dissents where they disagree."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from gradcli.execution.witnesses.numerical_verdict import NumericalVerdict
from gradcli.report.report import TensorReport, Verdict, WitnessReport
from gradcli.witnesses import WITNESSES

AGREE = frozenset({Verdict.MATCH, Verdict.SUBGRADIENT})


def consensus(compared: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return a tensor's report with what the numerical witnesses say, and a verdict that takes them into account.

    The symbolic derivative decides, where there is one; but what every numerical witness denies is no pass.
    """
    report = dataclasses.replace(compared, witnesses=numerical.witnesses)
    if report.symbolic is None and report.verdict is not Verdict.UNDECIDED:
        verdict = combined(numerical.witnesses.values())
        dissenter = "autograd" if verdict is Verdict.MISMATCH else None
        return _noted(report, verdict, dissenter, _words(numerical, Verdict.MISMATCH))
    if report.verdict is Verdict.UNDECIDED:
        return _without_symbolic(report, numerical)
    if report.verdict in AGREE and numerical.by(Verdict.MISMATCH):
        return _numerical_dissent(report, numerical)
    if report.verdict is Verdict.MISMATCH:
        return _sided(report, numerical)
    return report


def combined(witnesses: Iterable[WitnessReport]) -> Verdict:
    """Return what numerical witnesses say together: the worst of what any of them could tell."""
    verdicts = [witness.verdict for witness in witnesses]
    for verdict in (Verdict.UNDEFINED, Verdict.MISMATCH, Verdict.SUBGRADIENT, Verdict.MATCH):
        if verdict in verdicts:
            return verdict
    return Verdict.UNDECIDED


def _without_symbolic(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    if combined(numerical.witnesses.values()) is Verdict.MISMATCH:
        return _noted(report, Verdict.MISMATCH, "autograd", _words(numerical, Verdict.MISMATCH))
    agreeing = ", ".join(WITNESSES[name].phrase for name in numerical.by(*AGREE))
    return _noted(report, Verdict.UNDECIDED, None, f"autograd agrees with {agreeing}" if agreeing else None)


def _numerical_dissent(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report where autograd and the symbolic derivative agree and a numerical witness does not."""
    denying = numerical.by(Verdict.MISMATCH)
    denied = not numerical.by(*AGREE)
    verdict = Verdict.UNDECIDED if denied and not numerical.conventions else report.verdict
    why = "; PyTorch's forward may not compute what the definition says" if denied else ""
    why = f"; by PyTorch's convention {', '.join(numerical.conventions)}" if numerical.conventions else why
    words = f"autograd agrees with the symbolic derivative, but {_words(numerical, Verdict.MISMATCH)}{why}"
    return _noted(report, verdict, denying[0], words)


def _sided(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report of a mismatch with the one of the two that the numerical witnesses side with."""
    against_autograd, against_symbolic = {*numerical.by(Verdict.MISMATCH)}, numerical.against_symbolic
    for dissenter, with_it, names in (
        ("autograd", "the symbolic derivative", against_autograd - against_symbolic),
        ("symbolic", "autograd", against_symbolic - against_autograd),
    ):
        if names:
            sides = " and ".join(row.phrase for name, row in WITNESSES.items() if name in names)
            who = "autograd dissents" if dissenter == "autograd" else "the symbolic derivative dissents"
            return _noted(report, Verdict.MISMATCH, dissenter, f"{who}: {sides} agree with {with_it}")
    return report


def _words(numerical: NumericalVerdict, verdict: Verdict) -> str | None:
    """Return what the witnesses that came to a verdict say, in words."""
    parts = []
    for name in numerical.by(verdict):
        witness, phrase = numerical.witnesses[name], WITNESSES[name].phrase
        if witness.max_abs_error is not None:
            parts.append(f"{phrase} are off by {witness.max_abs_error:.3g} ± {witness.estimated_error:.1g}")
        else:
            parts.append(f"{phrase} is of order {witness.order or math.nan:.2f}")
    return ", ".join(parts) or None


def _noted(report: TensorReport, verdict: Verdict | None, dissenter: str | None, words: str | None) -> TensorReport:
    note = "; ".join(part for part in (report.note, words) if part) or None
    return dataclasses.replace(report, verdict=verdict, dissenter=dissenter, note=note)
