"""One verdict from several witnesses, and which of them dissents where they disagree."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from gradcli.execution.witnesses.numerical_verdict import NumericalVerdict
from gradcli.report.notes import Note, NoteKind
from gradcli.report.report import TensorReport, Verdict, WitnessReport

NAMES = {"finite-difference": "finite differences", "taylor": "the Taylor remainder"}


def consensus(found: TensorReport, testimony: NumericalVerdict) -> TensorReport:
    """Return a tensor's report with the witnesses' words, and a verdict that takes them into account.

    The symbolic derivative decides, where there is one; but what every numerical witness denies is no pass.
    """
    heard = dataclasses.replace(found, witnesses=testimony.witnesses)
    numerical = combined(testimony.witnesses.values())
    if found.symbolic is None and found.verdict is not Verdict.UNDECIDED:
        dissenter = "autograd" if numerical is Verdict.MISMATCH else None
        return _noted(heard, numerical, dissenter, _words(testimony, Verdict.MISMATCH))
    if found.verdict is Verdict.UNDECIDED:
        return _without_symbolic(heard, testimony, numerical)
    if (
        found.verdict is not None
        and found.verdict.passes
        and Verdict.MISMATCH in {w.verdict for w in testimony.witnesses.values()}
    ):
        return _numerical_dissent(heard, testimony)
    if found.verdict is Verdict.MISMATCH:
        return _settled(heard, testimony)
    return heard


def combined(witnesses: Iterable[WitnessReport]) -> Verdict:
    """Return what numerical witnesses say together: the worst of what any of them could tell."""
    verdicts = [witness.verdict for witness in witnesses]
    for verdict in (Verdict.UNDEFINED, Verdict.MISMATCH, Verdict.SUBGRADIENT, Verdict.MATCH):
        if verdict in verdicts:
            return verdict
    return Verdict.UNDECIDED


def _without_symbolic(heard: TensorReport, testimony: NumericalVerdict, numerical: Verdict) -> TensorReport:
    if numerical is Verdict.MISMATCH:
        return _noted(heard, Verdict.MISMATCH, "autograd", _words(testimony, Verdict.MISMATCH))
    agreeing = ", ".join(NAMES[name] for name, witness in testimony.witnesses.items() if witness.verdict.passes)
    return _noted(heard, Verdict.UNDECIDED, None, f"autograd agrees with {agreeing}" if agreeing else None)


def _numerical_dissent(heard: TensorReport, testimony: NumericalVerdict) -> TensorReport:
    """Return the report where autograd and the symbolic derivative agree and a numerical witness does not."""
    told = [w for w in testimony.witnesses.values() if w.verdict not in {Verdict.UNDECIDED, Verdict.UNDEFINED}]
    denied = all(witness.verdict is Verdict.MISMATCH for witness in told)
    verdict = Verdict.UNDECIDED if denied and not testimony.conventions else heard.verdict
    why = "PyTorch's forward may not compute what the definition says" if denied else None
    why = f"by PyTorch's convention {', '.join(testimony.conventions)}" if testimony.conventions else why
    words = f"autograd agrees with the symbolic derivative, but {_words(testimony, Verdict.MISMATCH)}"
    return _noted(heard, verdict, "finite-difference", words, why)


def _settled(heard: TensorReport, testimony: NumericalVerdict) -> TensorReport:
    """Return the report of a mismatch with the one of the two that the numerical witnesses side with."""
    denied = {name for name, witness in testimony.witnesses.items() if witness.verdict is Verdict.MISMATCH}
    if denied - testimony.against_symbolic:
        sides = " and ".join(NAMES[name] for name in NAMES if name in denied - testimony.against_symbolic)
        return _noted(
            heard, Verdict.MISMATCH, "autograd", f"autograd dissents: {sides} agree with the symbolic derivative"
        )
    if testimony.against_symbolic - denied:
        sides = " and ".join(NAMES[name] for name in NAMES if name in testimony.against_symbolic - denied)
        return _noted(
            heard, Verdict.MISMATCH, "symbolic", f"the symbolic derivative dissents: {sides} agree with autograd"
        )
    return heard


def _words(testimony: NumericalVerdict, verdict: Verdict) -> str | None:
    """Return what the witnesses that came to a verdict say, in words."""
    parts = []
    for name, witness in testimony.witnesses.items():
        if witness.verdict is verdict and witness.max_abs_error is not None:
            parts.append(f"{NAMES[name]} are off by {witness.max_abs_error:.3g} ± {witness.estimated_error:.1g}")
        elif witness.verdict is verdict:
            parts.append(f"{NAMES[name]} is of order {witness.order or math.nan:.2f}")
    return ", ".join(parts) or None


def _noted(found: TensorReport, verdict: Verdict | None, dissenter: str | None, *words: str | None) -> TensorReport:
    notes = (*found.notes, *(Note(NoteKind.WITNESS, part) for part in words if part))
    return dataclasses.replace(found, verdict=verdict, dissenter=dissenter, notes=notes)
