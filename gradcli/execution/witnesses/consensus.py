"""One verdict from several witnesses, and which of them dissents where they disagree."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from gradcli.execution.forward.finite import all_finite, has_nan
from gradcli.execution.witnesses.chained_sides import Sided
from gradcli.execution.witnesses.consensus_notes import (
    ABSORBED,
    BESIDE,
    BESIDE_JUMP,
    BUT,
    BY_CALLS,
    CANCEL,
    CHOICE,
    COMPOSED,
    DECISIONS,
    ELSE,
    HIDDEN,
    INSTEAD,
    KINKS,
    LEVEL,
    LEVEL_BUT,
    LOST_JUMP,
    LOST_STEPS,
    MAY_JUMP,
    NAN_BUT,
    OTHERWISE,
    ROUNDED,
    WITHIN,
)
from gradcli.execution.witnesses.jumps import JUMPS, STEEP
from gradcli.execution.witnesses.numerical_verdict import NumericalVerdict
from gradcli.report.notes import NoteKind, Notes, led, noted
from gradcli.report.report import TensorReport, WitnessReport
from gradcli.report.verdict import Verdict
from gradcli.witnesses import WITNESSES


def consensus(compared: TensorReport, numerical: NumericalVerdict, *, jumps: bool = False) -> TensorReport:
    """Return a tensor's report with what the numerical witnesses say, and a verdict that takes them into account.

    The symbolic derivative decides, where there is one; but what every numerical witness denies is not a pass. Where an
    op `jumps` on the way, they decide whether the program does. That forward mode and reverse mode differ is said
    beside that: which of the two is wrong is for the others to say.
    """
    found = _of_the_voting(compared, numerical, jumps=jumps)
    if not numerical.inconsistent:
        return found
    notes = (note for name in numerical.inconsistent for note in numerical.witnesses[name].notes)
    dissenter = found.dissenter or ("autograd" if found.verdict is Verdict.MISMATCH else numerical.inconsistent[0])
    return _explained(found, found.verdict, dissenter, tuple(notes))


def _of_the_voting(compared: TensorReport, numerical: NumericalVerdict, *, jumps: bool) -> TensorReport:
    """Return a tensor's report by the witnesses that know what the function's derivative is."""
    report = dataclasses.replace(compared, witnesses=numerical.witnesses)
    if jumps and report.verdict is Verdict.UNDEFINED:
        return _where_an_op_jumps(report, numerical)
    if report.symbolic is None:
        return (_without_symbolic if report.verdict is Verdict.UNDECIDED else _alone)(report, numerical)
    if report.verdict is Verdict.UNDECIDED:
        return _within_rounding(report, numerical)
    if report.verdict is not Verdict.UNDEFINED:
        return _beside_symbolic(report, numerical)
    if is_nan_alone(report) and (numerical.smooth or numerical.sided in {Sided.SMOOTH, Sided.BETWEEN}):
        return _in_place_of_symbolic(dataclasses.replace(report, notes=()), numerical)
    if numerical.is_defined and combined(numerical.voting.values()) is Verdict.UNDECIDED:
        return _explained(dataclasses.replace(report, notes=()), Verdict.UNDECIDED, None, NAN_BUT)
    existing = [note for note in _notes(numerical, Verdict.UNDEFINED) if note.kind is NoteKind.REFERENCE]
    return _explained(report, Verdict.UNDEFINED, None, tuple(existing))


def is_nan_alone(report: TensorReport) -> bool:
    """Return whether a tensor's gradient is a number where its symbolic derivative is NaN, and where that is not."""
    value = None if report.symbolic is None else report.symbolic.value
    if value is None or report.gradient is None or report.verdict is not Verdict.UNDEFINED:
        return False
    return value.shape == report.gradient.shape and has_nan(value) and all_finite(report.gradient)


def _in_place_of_symbolic(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report of a gradient that is right by others, where the symbolic derivative is NaN."""
    if numerical.sided is Sided.BETWEEN:
        return _explained(report, Verdict.SUBGRADIENT, None, CHOICE)
    return _explained(report, Verdict.MATCH, None, BY_CALLS if numerical.sided is Sided.SMOOTH else INSTEAD)


def _alone(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report where nothing symbolic was asked for."""
    verdict = combined(numerical.voting.values())
    if not numerical.voting and numerical.inconsistent:
        verdict = Verdict.MISMATCH
    dissenter = "autograd" if verdict is Verdict.MISMATCH else None
    notes = _errors(numerical) if verdict is Verdict.MISMATCH else _notes(numerical, verdict)
    return _explained(report, verdict, dissenter, notes)


def _beside_symbolic(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report where there is a symbolic derivative, and a verdict by it."""
    passes = report.verdict is not None and report.verdict.passes
    if passes and numerical.by(Verdict.UNDEFINED) and numerical.sided is not Sided.SMOOTH:
        return _without_derivative(report, _notes(numerical, Verdict.UNDEFINED))
    at_kink = report.verdict is Verdict.SUBGRADIENT and numerical.sided in {Sided.SMOOTH, Sided.BETWEEN}
    if passes and numerical.by(Verdict.MISMATCH) and not at_kink:
        return _numerical_dissent(report, numerical)
    if numerical.sided in {Sided.SMOOTH, Sided.OTHER, Sided.JUMP}:
        return _as_its_calls_say(report, numerical)
    if report.verdict in {Verdict.MATCH, Verdict.MISMATCH} and numerical.by(Verdict.SUBGRADIENT):
        return _explained(report, report.verdict, None, BESIDE) if numerical.beside else _at_a_kink(report, numerical)
    if report.verdict is Verdict.MISMATCH and numerical.sided is Sided.BETWEEN:
        return _explained(dataclasses.replace(report, notes=()), Verdict.SUBGRADIENT, None, CHOICE)
    if report.verdict is Verdict.MISMATCH and numerical.between:
        return _explained(dataclasses.replace(report, notes=()), Verdict.SUBGRADIENT, None, (*CHOICE, *WITHIN))
    if report.verdict is Verdict.MISMATCH:
        return _sided(report, numerical)
    if report.verdict is Verdict.MATCH:
        return _where_little_is_seen(report, numerical)
    return _at_kinks_of_ops(report, numerical) if report.verdict is Verdict.SUBGRADIENT else report


def _at_kinks_of_ops(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report of a choice at kinks of single ops, which no witness denies."""
    if numerical.steep:
        return _without_derivative(report, STEEP)
    if numerical.smooth or numerical.cancels:
        report = dataclasses.replace(report, notes=())  # they say that there is a kink
        return _explained(report, Verdict.MATCH, None, CANCEL)
    if numerical.hides_steps:
        return _explained(dataclasses.replace(report, notes=()), Verdict.UNDECIDED, None, LOST_STEPS)
    return report


def _without_derivative(report: TensorReport, notes: Notes) -> TensorReport:
    if report.verdict is Verdict.SUBGRADIENT:
        report = dataclasses.replace(report, notes=())  # they say that there are one-sided derivatives
    return _explained(report, Verdict.UNDEFINED, None, notes)


def _as_its_calls_say(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report of a gradient that the one-sided derivatives of single calls decide on."""
    at_kink = report.verdict is Verdict.SUBGRADIENT
    report = dataclasses.replace(report, notes=())  # they say that there is a kink
    if numerical.sided is Sided.JUMP:
        return _explained(report, Verdict.UNDEFINED, None, JUMPS)
    if numerical.sided is Sided.OTHER:
        return _explained(report, Verdict.MISMATCH, "autograd", noted(NoteKind.KINK, KINKS))
    if numerical.by(Verdict.UNDEFINED):
        return _explained(report, Verdict.MATCH, None, BESIDE_JUMP)
    if at_kink:
        return _explained(report, Verdict.MATCH, None, CANCEL if numerical.smooth else COMPOSED)
    return _explained(report, Verdict.MATCH, None, BESIDE if numerical.by(Verdict.SUBGRADIENT) else ())


def _where_little_is_seen(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report of a match where no witness denies it; they may be blind to what would."""
    if numerical.kinked or numerical.sided is Sided.BETWEEN:
        return _explained(report, Verdict.SUBGRADIENT, None, CHOICE)
    if numerical.hides_steps and not numerical.stays_within:
        return _explained(report, Verdict.UNDECIDED, None, LOST_STEPS)
    unsure = numerical.unsure and report.gradient is not None and all_finite(report.gradient)
    if numerical.hides_decision or unsure or (numerical.decides and numerical.blind):
        return _explained(report, Verdict.UNDECIDED, None, HIDDEN)
    return report


def _where_an_op_jumps(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report where an op jumps on the way: with what the whole program does, as far as that is known."""
    verdict = combined(numerical.voting.values())
    if numerical.sided is Sided.OTHER:
        return _as_its_calls_say(report, numerical)
    is_flat = verdict is Verdict.UNDECIDED and numerical.is_flat and not numerical.hides_steps
    if is_flat or numerical.sided is Sided.SMOOTH:
        return _explained(dataclasses.replace(report, notes=()), Verdict.MATCH, None, LEVEL)
    if verdict is Verdict.UNDECIDED and numerical.is_continuous:
        return _explained(dataclasses.replace(report, notes=()), Verdict.UNDECIDED, None, LEVEL_BUT)
    told = verdict in {Verdict.MATCH, Verdict.MISMATCH}  # a jump may hide between steps, or be what they are off by
    blind = told and not (numerical.level or numerical.is_continuous)
    if (blind or verdict is Verdict.UNDECIDED) and not numerical.jumps_alone:
        notes = LOST_STEPS if numerical.hides_steps else MAY_JUMP
        return _explained(dataclasses.replace(report, notes=()), Verdict.UNDECIDED, None, notes)
    if blind or verdict in {Verdict.UNDEFINED, Verdict.UNDECIDED}:
        return report
    report = dataclasses.replace(report, notes=())  # they say that there is no derivative
    if verdict.passes and numerical.hides_jump:
        return _explained(report, Verdict.UNDECIDED, None, MAY_JUMP if numerical.is_out_of_reach else LOST_JUMP)
    if verdict is Verdict.MISMATCH:
        return _explained(report, verdict, "autograd", led(f"{KINKS}: ", _errors(numerical)))
    return _explained(report, verdict, None, CHOICE if verdict is Verdict.SUBGRADIENT else LEVEL)


def combined(witnesses: Iterable[WitnessReport]) -> Verdict:
    """Return what numerical witnesses say together: the worst of what any of them could tell."""
    verdicts = [witness.verdict for witness in witnesses]
    for verdict in (Verdict.UNDEFINED, Verdict.MISMATCH, Verdict.SUBGRADIENT, Verdict.MATCH):
        if verdict in verdicts:
            return verdict
    return Verdict.UNDECIDED


def _within_rounding(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report where autograd is off by no more than rounding may move the derivative.

    There may be a kink, from which the point is away by no more than that.
    """
    if numerical.by(Verdict.SUBGRADIENT) and not numerical.by(Verdict.MISMATCH, Verdict.UNDEFINED):
        return _at_a_kink(dataclasses.replace(report, verdict=Verdict.MISMATCH), numerical)
    if numerical.between and not numerical.by(Verdict.MISMATCH):
        return _explained(dataclasses.replace(report, notes=()), Verdict.SUBGRADIENT, None, (*CHOICE, *WITHIN))
    denied = numerical.by(Verdict.MISMATCH)
    return _explained(report, Verdict.UNDECIDED, None, led(f"{ROUNDED}: ", _errors(numerical)) if denied else ())


def _without_symbolic(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    verdict = combined(numerical.voting.values())
    if verdict is Verdict.UNDEFINED:
        return _explained(report, verdict, None, _notes(numerical, verdict))
    if verdict is Verdict.MISMATCH:
        return _explained(report, verdict, "autograd", _errors(numerical))
    agreeing = ", ".join(WITNESSES[name].phrase for name in numerical.agreeing)
    words = f"autograd agrees with {agreeing}" if agreeing else None
    return _explained(report, Verdict.UNDECIDED, None, noted(NoteKind.WITNESS, words))


def _numerical_dissent(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report where autograd and the symbolic derivative agree and a numerical witness does not."""
    denying, denied = numerical.by(Verdict.MISMATCH), not numerical.agreeing
    errors = _errors(numerical)
    if numerical.conventions:
        convention = noted(NoteKind.WITNESS, f"by PyTorch's convention {', '.join(numerical.conventions)}")
        return _explained(report, report.verdict, denying[0], (*led(f"{BUT} ", errors), *convention))
    if report.verdict is Verdict.SUBGRADIENT:
        report = dataclasses.replace(report, notes=())  # they say that the choice is one of the derivatives
        notes = led(f"{KINKS}: ", errors) or noted(NoteKind.KINK, KINKS)
        return _explained(report, Verdict.MISMATCH, "autograd", notes)
    if numerical.decides:
        notes = led(f"{DECISIONS}: ", errors) or noted(NoteKind.WITNESS, DECISIONS)
        return _explained(report, Verdict.MISMATCH, "autograd", notes)
    reason = ABSORBED if numerical.absorbs else OTHERWISE if numerical.decides_in_reach else ELSE
    verdict, why = (Verdict.UNDECIDED, reason) if denied else (report.verdict, ())
    return _explained(report, verdict, denying[0], (*led(f"{BUT} ", errors), *why))


def _at_a_kink(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report where the program as a whole has a kink, and autograd's gradient is one of the choices there.

    A symbolic derivative that is another choice is none that contradicts it.
    """
    if numerical.by(Verdict.MISMATCH):
        return _sided(report, numerical)
    report = report if report.verdict is Verdict.MATCH else dataclasses.replace(report, notes=())
    return _explained(report, Verdict.SUBGRADIENT, None, CHOICE)


def _sided(report: TensorReport, numerical: NumericalVerdict) -> TensorReport:
    """Return the report of a mismatch with the one of the two that the numerical witnesses side with."""
    against_autograd, against_symbolic = {*numerical.by(Verdict.MISMATCH)}, numerical.against_symbolic
    for dissenter, with_it, names in (
        ("autograd", "the symbolic derivative", against_autograd - against_symbolic),
        ("symbolic", "autograd", against_symbolic - against_autograd),
    ):
        if names:
            rows = [row for name, row in WITNESSES.items() if name in names]
            sides = " and ".join(row.phrase for row in rows)
            agree = rows[0].agrees if len(rows) == 1 else "agree"
            who = "autograd dissents" if dissenter == "autograd" else "the symbolic derivative dissents"
            notes = noted(NoteKind.WITNESS, f"{who}: {sides} {agree} with {with_it}")
            return _explained(report, Verdict.MISMATCH, dissenter, notes)
    return report


def _errors(numerical: NumericalVerdict) -> Notes:
    """Return how far autograd's gradient is off by the witnesses that say that it is wrong."""
    parts = []
    for name in numerical.by(Verdict.MISMATCH):
        witness, phrase = numerical.witnesses[name], WITNESSES[name].phrase
        if witness.max_abs_error is not None:
            parts.append(f"{phrase} are off by {witness.max_abs_error:.3g} ± {witness.estimated_error:.1g}")
        elif witness.order is not None:
            parts.append(f"{phrase} is of order {witness.order:.2f}")
    return noted(NoteKind.WITNESS, ", ".join(parts))


def _notes(numerical: NumericalVerdict, verdict: Verdict) -> Notes:
    """Return the notes of the witnesses that came to a verdict, each once."""
    reports = [numerical.witnesses[name] for name in numerical.by(verdict)]
    return tuple(dict.fromkeys(note for report in reports for note in report.notes))


def _explained(report: TensorReport, verdict: Verdict | None, dissenter: str | None, notes: Notes) -> TensorReport:
    """Return the report with the verdict that takes the witnesses into account, and what there is to say of it."""
    return dataclasses.replace(report, verdict=verdict, dissenter=dissenter, notes=(*report.notes, *notes))
