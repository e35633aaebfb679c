"""The gradients of a Function's inputs, judged by every witness: a report for each input, a check for each witness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from gradcli.derivation.formulas import Formula
from gradcli.errors import ExecutionError
from gradcli.execution.comparison.reports import report_on, symbolic_side
from gradcli.execution.custom.causes.agreed import Agreed
from gradcli.execution.custom.causes.edits import edited
from gradcli.execution.custom.causes.mutations import repaired
from gradcli.execution.custom.causes.overwritten import overwritten
from gradcli.execution.custom.causes.regions import region
from gradcli.execution.custom.causes.surrogates import passed_on, surrogate
from gradcli.execution.custom.causes.swapped import swapped
from gradcli.execution.custom.causes.symmetric import symmetric_part
from gradcli.execution.custom.causes.whole import of_the_whole
from gradcli.execution.custom.checked import AUTOGRAD, SYMBOLIC, CheckedGradient
from gradcli.execution.custom.checks.contract import is_random
from gradcli.execution.custom.explanations import AGREE, AT_KINK, DENIED, DENY_BOTH, NEARING, UNTOLD, of_body
from gradcli.execution.custom.numerical import at_kinks, by_differences, misled, nearby, numerical
from gradcli.execution.custom.reference import Side, compared, side
from gradcli.execution.formulas.formulas import Formulas
from gradcli.execution.forward.run import display_names
from gradcli.execution.targets.function.trial import Applied, Gradients, Trial
from gradcli.execution.targets.function.untold import hint_of_argument, hint_of_constant
from gradcli.report.custom import Check
from gradcli.report.notes import NoteKind, Notes, led, noted
from gradcli.report.report import TensorReport
from gradcli.report.verdict import Verdict, worst
from gradcli.tolerance import is_close
from gradcli.witnesses import ADJOINT, DIFFERENCES, WITNESSES


@dataclass(frozen=True, slots=True)
class ComparedGradients:
    """What all witnesses say; `shown` is the reference for the upstream gradient of the report."""

    tensors: tuple[TensorReport, ...]
    checks: tuple[Check, ...]
    shown: Side | None
    left_out: Notes = ()
    """Why nothing else is to be compared with the reference: it is not what forward computes nearby, or each time."""


def compare_gradients(trial: Trial, applied: Applied) -> ComparedGradients:
    """Return what every witness says of backward's gradients, at the trial's point."""
    try:
        gradients = applied.gradients(trial.cotangent)
        probed = trial.apply().gradients(trial.probe)
    except ExecutionError as error:
        return _refused(trial, error)
    shown = side(trial, trial.cotangent)
    names = display_names(shown.recording.trace)
    formulas = None
    if trial.settings.formulas and shown.decomposition is not None:
        formulas = Formulas.ask(trial.derivations, shown.decomposition, names, trial.cotangent)
    said = numerical(trial, gradients)
    written = formulas.collect() if formulas else {}  # before anything else is derived
    judged, other = [], shown
    if trial.settings.verify:
        first = compared(trial, gradients, shown)
        other = side(trial, trial.probe)
        second = compared(trial, probed, other)
        kinked = at_kinks(trial, second, other)
        denied = misled(trial, (first, second), said, (shown, other))
        judged = [
            CheckedGradient(
                name,
                first[name],
                second[name],
                said.get(name, {}),
                gradients.get(name) is None,
                misled=denied.get(name) is Verdict.MATCH and name not in kinked,
                both_denied=denied.get(name) is Verdict.MISMATCH and name not in kinked,
                body_nearby=nearby(trial, name) if name in denied else Verdict.UNDECIDED,
                at_kink=name in kinked,
                is_limit=name in shown.limits,
                probed_by_differences=by_differences(trial, trial.point, name, trial.probe, second[name].gradient)
                if name in said and name not in other.right
                else None,
            )
            for name in trial.wanted
        ]
    by_name = {item.name: item for item in judged}
    tensors = [
        _tensor(trial, name, gradients, by_name.get(name), (shown, other), formula=written.get(shown.leaf(name)))
        for name in trial.point
    ]
    left_out = next((of_body(AGREE, item.body_nearby) for item in judged if item.misled), ())
    return ComparedGradients(tuple(tensors), tuple(_checks(judged, shown)), shown, left_out)


def _refused(trial: Trial, error: ExecutionError) -> ComparedGradients:
    """Return the judgement of a backward that gives no gradient at all."""
    notes = noted(NoteKind.ERROR, error.message)
    tensors = [
        report_on(value, name, verdict=Verdict.MISMATCH if value.requires_grad else None, notes=notes)
        for name, value in trial.point.items()
    ]
    return ComparedGradients(tuple(tensors), (Check("backward", Verdict.MISMATCH, notes),), None)


def _checks(compared: list[CheckedGradient], shown: Side) -> list[Check]:
    """Return a check for each witness: the worst that it says of any input."""
    checks = []
    for title in (AUTOGRAD, SYMBOLIC, *(row.title for row in WITNESSES.values())):
        verdicts = {item.name: item.verdicts[title] for item in compared if title in item.verdicts}
        alone = [item.name for item in compared if title == WITNESSES[ADJOINT].title and item.is_denied_by_forward_mode]
        verdicts |= dict.fromkeys(alone, Verdict.MATCH)
        if title == SYMBOLIC and shown.gap and compared:
            checks.append(Check(title, Verdict.UNDECIDED, noted(NoteKind.LIMIT, shown.gap)))
        elif verdicts:
            verdict = worst(list(verdicts.values()))
            names = [f"'{name}'" for name, said in verdicts.items() if said is verdict]
            words = _of_forward_mode(alone) if verdict.passes else f"for {', '.join(names)}"
            checks.append(Check(title, verdict, noted(NoteKind.SCOPE, words)))
    return checks


def _of_forward_mode(alone: Sequence[str]) -> str | None:
    """Return what there is to say of inputs by which PyTorch's forward mode of the reference is wrong."""
    names = ", ".join(f"'{name}'" for name in alone)
    return f"not looked at: {names} (PyTorch's forward mode of the reference is not its derivative)" if alone else None


def _tensor(
    trial: Trial,
    name: str,
    gradients: Gradients,
    item: CheckedGradient | None,
    sides: tuple[Side, Side],
    *,
    formula: Formula | None,
) -> TensorReport:
    gradient = gradients.get(name)
    plain = report_on(trial.point[name], name, grad=None if gradient is None else gradient.detach(), gradient=gradient)
    if item is None:
        return plain
    verdict, notes = _verdict(trial, item, sides)
    symbolic = symbolic_side(sides[0].symbolic(name), item.shown.symbolic, formula)
    return replace(plain, symbolic=symbolic, verdict=verdict, notes=notes, witnesses=dict(item.witnesses) or None)


def _verdict(trial: Trial, item: CheckedGradient, sides: tuple[Side, Side]) -> tuple[Verdict, Notes]:
    """Return the verdict on one gradient and the notes that explain it."""
    shown = sides[0]
    if item.returned_none and item.autograd in {Verdict.MISMATCH, Verdict.UNDEFINED}:
        words = f"backward returns None for '{item.name}', whose gradient is not zero"
        hint = hint_of_constant(item.name, trial.point[item.name]) if item.name in trial.given else None
        hint = hint or hint_of_argument(trial.subject, trial.settings, item.name)
        return item.autograd, (*noted(NoteKind.CONTRACT, words, item.name), *noted(NoteKind.REMEDY, hint))
    said = (item.autograd, item.symbolic, item.numerical(DIFFERENCES))
    verdicts = [verdict for verdict in said if verdict is not None]
    if shown.gap:
        verdicts.append(Verdict.UNDECIDED)
    verdict = worst(verdicts)
    if verdict is Verdict.SUBGRADIENT:
        return verdict, AT_KINK
    if verdict is Verdict.UNDECIDED and item.misled:
        return verdict, of_body(AGREE, item.body_nearby)
    if verdict is Verdict.UNDECIDED:
        symbolic = item.shown.symbolic
        denied = DENIED if item.is_denied else UNTOLD
        known = denied if item.derived else symbolic.notes if symbolic else ()
        return verdict, noted(NoteKind.LIMIT, shown.gap) or known
    if verdict is not Verdict.MISMATCH:
        explained = [c.notes for c in (item.shown.symbolic, item.shown.autograd) if c is not None and c.notes]
        return verdict, next(iter(explained), NEARING if item.is_limit else ())
    return verdict, of_body(DENY_BOTH, item.body_nearby) if item.both_denied else _why(trial, item, sides[1])


def _why(trial: Trial, item: CheckedGradient, other: Side) -> Notes:
    """Return where a gradient is wrong, by how much, and why, as far as that is known."""
    for found, words in ((item.shown, ""), (item.probed, "for a grad_output that is not all ones, ")):
        comparison = next((c for c in (found.symbolic, found.autograd) if c and c.verdict is Verdict.MISMATCH), None)
        if comparison is not None:
            where = tuple(note for note in comparison.notes if note.kind is not NoteKind.CAUSE)
            cause = noted(NoteKind.CAUSE, _cause(trial, item, other))
            return (*led(words, where), *cause, *noted(NoteKind.REMEDY, passed_on(trial, item.name)))
    witness, meant = item.witnesses[DIFFERENCES], noted(NoteKind.CAUSE, surrogate(trial, item.name))
    if witness.verdict is not Verdict.MISMATCH:
        words = "for a grad_output that is not all ones, finite differences of forward disagree"
        return (*noted(NoteKind.WITNESS, words), *meant)
    return (*noted(NoteKind.WITNESS, f"finite differences of forward are off by {witness.max_abs_error:.3g}"), *meant)


def _cause(trial: Trial, item: CheckedGradient, other: Side) -> str | None:
    """Return what is likely wrong; ones are a special case of an upstream gradient, and another tells more."""
    name, probed = item.name, item.probed
    changed = overwritten(trial)
    if changed is not None:
        return changed
    if is_random(trial.apply(), trial.probe):
        return "backward is random: it gives a different gradient each time it runs"
    meant = symmetric_part(trial, name) or swapped(trial, name) or surrogate(trial, name)
    if meant is not None:
        return meant
    if _ignores_upstream(trial, name):
        return "backward ignores grad_output: this is the gradient for one that is all ones"
    found = region(trial, name)
    if found is not None:
        return found
    agreed = Agreed.of(trial, name, probed.gradient, other)
    known = agreed.cause() or repaired(trial, name) or agreed.product() or edited(trial, name)
    return known or of_the_whole(trial, name)


def _ignores_upstream(trial: Trial, name: str) -> bool:
    """Return whether backward gives the gradient for ones, which is not zero, whatever the upstream gradient is."""
    ones, scale = trial.right(torch.ones_like(trial.probe))[name], trial.scale(name)
    if is_close(torch.zeros_like(ones), ones, scale=scale):
        return False
    found = [trial.apply().gradients(v)[name] for v in (trial.probe, -trial.probe, trial.probe**2)]
    return all(g is not None and g.shape == ones.shape and is_close(g.detach(), ones, scale=scale) for g in found)
