"""One verdict from several witnesses, and which of them dissents where they disagree."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from gradcli.execution.witnesses.numerical_verdict import NumericalVerdict
from gradcli.report.report import TensorReport, WitnessReport
from gradcli.report.verdict import Verdict
from gradcli.witnesses import WITNESSES

AGREE = frozenset({Verdict.MATCH, Verdict.SUBGRADIENT})

BUT = "autograd agrees with the symbolic derivative, but"
ELSE = "PyTorch's forward may not compute what the definition says"
CHOICE = "at a kink of the program autograd's choice lies between the one-sided derivatives"
KINKS = "autograd's choices at single kinks do not make a derivative of the program"
DECISIONS = "autograd takes what the program decides by its values for constant, and its derivative is another"


def consensus(compared: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return a tensor's report with what the numerical witnesses say, and a verdict that takes them into account.

    The symbolic derivative decides, where there is one; but what every numerical witness denies is no pass.
    """
    report = dataclasses.replace(compared, witnesses=numerical.witnesses)
    if report.symbolic is None and report.verdict is not Verdict.UNDECIDED:
        verdict = combined(numerical.witnesses.values())
        dissenter = "autograd" if verdict is Verdict.MISMATCH else None
        words = _words(numerical, verdict) if verdict is Verdict.MISMATCH else _notes(numerical, verdict)
        return _noted(report, verdict, dissenter, words)
    if report.verdict is Verdict.UNDECIDED:
        return _without_symbolic(report, numerical)
    if report.verdict in AGREE and numerical.by(Verdict.UNDEFINED):
        return _noted(report, Verdict.UNDEFINED, None, _notes(numerical, Verdict.UNDEFINED))
    if report.verdict in AGREE and numerical.by(Verdict.MISMATCH):
        return _numerical_dissent(report, numerical)
    if report.verdict in {Verdict.MATCH, Verdict.MISMATCH} and numerical.by(Verdict.SUBGRADIENT):
        return _at_a_kink(report, numerical)
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
    verdict = combined(numerical.witnesses.values())
    if verdict is Verdict.UNDEFINED:
        return _noted(report, verdict, None, _notes(numerical, verdict))
    if verdict is Verdict.MISMATCH:
        return _noted(report, verdict, "autograd", _words(numerical, verdict))
    agreeing = ", ".join(WITNESSES[name].phrase for name in numerical.by(*AGREE))
    return _noted(report, Verdict.UNDECIDED, None, f"autograd agrees with {agreeing}" if agreeing else None)


def _numerical_dissent(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report where autograd and the symbolic derivative agree and a numerical witness does not."""
    denying, denied = numerical.by(Verdict.MISMATCH), not numerical.by(*AGREE)
    words = _words(numerical, Verdict.MISMATCH)
    if numerical.conventions:
        words = f"{BUT} {words}; by PyTorch's convention {', '.join(numerical.conventions)}"
        return _noted(report, report.verdict, denying[0], words)
    if report.verdict is Verdict.SUBGRADIENT:
        report = dataclasses.replace(report, note=None)  # it says that the choice is one of the derivatives
        return _noted(report, Verdict.MISMATCH, "autograd", ": ".join(filter(None, (KINKS, words))))
    if numerical.decides:
        return _noted(report, Verdict.MISMATCH, "autograd", ": ".join(filter(None, (DECISIONS, words))))
    verdict, why = (Verdict.UNDECIDED, f"; {ELSE}") if denied else (report.verdict, "")
    return _noted(report, verdict, denying[0], f"{BUT} {words}{why}")


def _at_a_kink(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report where the program as a whole has a kink, and autograd's gradient is one of the choices there.

    A symbolic derivative that is another choice is none that contradicts it.
    """
    if numerical.by(Verdict.MISMATCH):
        return _sided(report, numerical)
    report = report if report.verdict is Verdict.MATCH else dataclasses.replace(report, note=None)
    return _noted(report, Verdict.SUBGRADIENT, None, CHOICE)


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
        elif witness.order is not None:
            parts.append(f"{phrase} is of order {witness.order:.2f}")
    return ", ".join(parts) or None


def _notes(numerical: NumericalVerdict, verdict: Verdict) -> str | None:
    """Return the notes of the witnesses that came to a verdict, each once."""
    notes = dict.fromkeys(numerical.witnesses[name].note for name in numerical.by(verdict))
    return "; ".join(note for note in notes if note) or None


def _noted(report: TensorReport, verdict: Verdict | None, dissenter: str | None, words: str | None) -> TensorReport:
    note = "; ".join(part for part in (report.note, words) if part) or None
    return dataclasses.replace(report, verdict=verdict, dissenter=dissenter, note=note)
