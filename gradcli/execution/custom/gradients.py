"""The gradients of a Function's inputs, judged by every witness: a report for each input, a check for each witness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradcli.derivation.client import DERIVATIONS
from gradcli.errors import ExecutionError
from gradcli.execution.comparison.reports import report_on, symbolic_side
from gradcli.execution.custom.causes.mutations import repaired
from gradcli.execution.custom.causes.terms import clues_of, missing_product
from gradcli.execution.custom.function.trial import Applied, Gradients, Trial
from gradcli.execution.custom.reference import Compared, Side, compared, side
from gradcli.execution.formulas.formulas import Formula, Formulas
from gradcli.execution.forward.run import display_names
from gradcli.execution.witnesses.numerical import finite_differences, taylor
from gradcli.execution.witnesses.numerical_verdict import by_differences, by_taylor
from gradcli.report.notes import NoteKind, Notes, led, noted
from gradcli.report.report import Check, TensorReport, Verdict, WitnessReport, worst

AUTOGRAD, SYMBOLIC = "autograd of the reference", "symbolic derivative"
DIFFERENCES, TAYLOR = "finite differences", "Taylor remainder"
DENIED = noted(
    NoteKind.WITNESS,
    "autograd and the symbolic derivative agree with backward, but finite differences of forward do not",
)
AT_KINK = noted(NoteKind.KINK, "at a kink backward's choice lies between the one-sided derivatives")


@dataclass(frozen=True, slots=True)
class ComparedGradients:
    """What all witnesses say; `shown` is the reference for the upstream gradient of the report."""

    tensors: tuple[TensorReport, ...]
    checks: tuple[Check, ...]
    shown: Side | None


@dataclass(frozen=True, slots=True)
class CheckedGradient:
    """What is said of one input's gradient: for the report's upstream gradient, and for a random one."""

    name: str
    shown: Compared
    probed: Compared
    witnesses: Mapping[str, WitnessReport]
    returned_none: bool

    @property
    def kinked(self) -> bool:
        """Return whether finite differences see a kink here at which the gradient is one of the choices."""
        found = self.witnesses.get("finite-difference")
        return found is not None and found.verdict is Verdict.SUBGRADIENT

    def verdict(self, witness: str) -> Verdict | None:
        """Return what one witness says."""
        if witness in {AUTOGRAD, SYMBOLIC}:
            found = [c.autograd if witness == AUTOGRAD else c.symbolic for c in (self.shown, self.probed)]
            verdicts = [comparison.verdict for comparison in found if comparison is not None]
            settled = worst(verdicts) if verdicts else None
            return Verdict.SUBGRADIENT if settled is Verdict.MISMATCH and self.kinked else settled
        key = "finite-difference" if witness == DIFFERENCES else "taylor"
        told = self.witnesses[key].verdict if key in self.witnesses else None
        return Verdict.UNDECIDED if told is Verdict.MISMATCH and self.derived else told

    @property
    def derived(self) -> bool:
        """Return whether autograd and the symbolic derivative both say that the gradient is right."""
        return all(found is not None and found.passes for found in map(self.verdict, (AUTOGRAD, SYMBOLIC)))


def compare_gradients(trial: Trial, applied: Applied) -> ComparedGradients:
    """Return what every witness says of backward's gradients, at the trial's point."""
    try:
        gradients = applied.gradients(trial.cotangent)
        probed = trial.apply().gradients(trial.probe)
    except ExecutionError as error:
        return _refused(trial, error)
    shown = side(trial, trial.cotangent)
    names = display_names(shown.recording.trace)
    formulas = Formulas.ask(DERIVATIONS, shown.decomposition, names, trial.cotangent) if shown.decomposition else None
    numerical = _numerical(trial, gradients)
    written = formulas.collect() if formulas else {}  # before anything else is derived
    heard, other = [], shown
    if trial.settings.verify:
        first = compared(trial, gradients, shown, clues_of)
        other = side(trial, trial.probe)
        second = compared(trial, probed, other, clues_of)
        heard = [
            CheckedGradient(name, first[name], second[name], numerical.get(name, {}), gradients.get(name) is None)
            for name in trial.wanted
        ]
    by_name = {item.name: item for item in heard}
    tensors = [
        _tensor(trial, name, gradients, by_name.get(name), (shown, other), formula=written.get(shown.leaf(name)))
        for name in trial.point
    ]
    return ComparedGradients(tuple(tensors), tuple(_checks(heard, shown)), shown)


def _refused(trial: Trial, error: ExecutionError) -> ComparedGradients:
    """Return the judgement of a backward that gives no gradient at all."""
    notes = noted(NoteKind.ERROR, error.message)
    tensors = [
        report_on(value, name, verdict=Verdict.MISMATCH if value.requires_grad else None, notes=notes)
        for name, value in trial.point.items()
    ]
    return ComparedGradients(tuple(tensors), (Check("backward", Verdict.MISMATCH, notes),), None)


def _numerical(trial: Trial, gradients: Gradients) -> dict[str, dict[str, WitnessReport]]:
    """Return what finite differences and the Taylor test say, by input; they need double precision."""
    if trial.settings.dtype != "float64" or not trial.settings.verify:
        return {}
    point = {name: value.detach() for name, value in trial.point.items()}
    witnesses = {}
    for name in trial.wanted:
        given = gradients.get(name)
        gradient = torch.zeros_like(point[name]) if given is None else given.detach()
        differences = finite_differences(trial.function, point, name, trial.cotangent)
        order = taylor(trial.function, point, {name: gradient}, trial.cotangent)
        witnesses[name] = {
            "finite-difference": by_differences(differences, gradient, trial.tolerance),
            "taylor": by_taylor(order, gradient, trial.tolerance),
        }
    return witnesses


def _checks(heard: list[CheckedGradient], shown: Side) -> list[Check]:
    """Return a check for each witness: the worst that it says of any input."""
    checks = []
    for witness in (AUTOGRAD, SYMBOLIC, DIFFERENCES, TAYLOR):
        verdicts = {item.name: found for item in heard if (found := item.verdict(witness)) is not None}
        if witness == SYMBOLIC and shown.gap and heard:
            checks.append(Check(witness, Verdict.UNDECIDED, noted(NoteKind.LIMIT, shown.gap)))
        elif verdicts:
            verdict = worst(list(verdicts.values()))
            names = [f"'{name}'" for name, found in verdicts.items() if found is verdict]
            words = None if verdict.passes else f"for {', '.join(names)}"
            checks.append(Check(witness, verdict, noted(NoteKind.SCOPE, words)))
    return checks


def _tensor(
    trial: Trial,
    name: str,
    gradients: Gradients,
    heard: CheckedGradient | None,
    sides: tuple[Side, Side],
    *,
    formula: Formula | None,
) -> TensorReport:
    gradient = gradients.get(name)
    plain = report_on(trial.point[name], name, grad=None if gradient is None else gradient.detach(), gradient=gradient)
    if heard is None:
        return plain
    verdict, notes = _verdict(trial, heard, sides)
    symbolic = symbolic_side(sides[0].symbolic(name), heard.shown.symbolic, formula)
    return replace(plain, symbolic=symbolic, verdict=verdict, notes=notes, witnesses=dict(heard.witnesses) or None)


def _verdict(trial: Trial, heard: CheckedGradient, sides: tuple[Side, Side]) -> tuple[Verdict, Notes]:
    """Return the verdict on one gradient and the notes that explain it."""
    shown = sides[0]
    if heard.returned_none and heard.verdict(AUTOGRAD) is Verdict.MISMATCH:
        words = f"backward returns None for '{heard.name}', whose gradient is not zero"
        return Verdict.MISMATCH, noted(NoteKind.CONTRACT, words, heard.name)
    found = {witness: heard.verdict(witness) for witness in (AUTOGRAD, SYMBOLIC, DIFFERENCES)}
    verdicts = [verdict for verdict in found.values() if verdict is not None]
    if shown.gap:
        verdicts.append(Verdict.UNDECIDED)
    verdict = worst(verdicts)
    if verdict is Verdict.SUBGRADIENT:
        return verdict, AT_KINK
    if verdict is Verdict.UNDECIDED:
        symbolic = heard.shown.symbolic
        known = DENIED if heard.derived else symbolic.notes if symbolic else ()
        return verdict, noted(NoteKind.LIMIT, shown.gap) or known
    if verdict is not Verdict.MISMATCH:
        said = [c.notes for c in (heard.shown.symbolic, heard.shown.autograd) if c is not None and c.notes]
        return verdict, next(iter(said), ())
    return verdict, _why(trial, heard, sides[1])


def _why(trial: Trial, heard: CheckedGradient, other: Side) -> Notes:
    """Return where a gradient is wrong, by how much, and why, as far as that is known."""
    for found, words in ((heard.shown, ""), (heard.probed, "for a grad_output that is not all ones, ")):
        comparison = next((c for c in (found.symbolic, found.autograd) if c and c.verdict is Verdict.MISMATCH), None)
        if comparison is not None:
            where = tuple(note for note in comparison.notes if note.words != found.cause)
            return (*led(words, where), *noted(NoteKind.CAUSE, _cause(trial, heard, other)))
    witness = heard.witnesses["finite-difference"]
    return noted(NoteKind.WITNESS, f"finite differences of forward are off by {witness.max_abs_error:.3g}")


def _cause(trial: Trial, heard: CheckedGradient, other: Side) -> str | None:
    """Return what is likely wrong; ones are a special case of an upstream gradient, and another tells more."""
    name, probed = heard.name, heard.probed
    ones = trial.right(torch.ones_like(trial.probe))[name]
    if ones.shape == probed.gradient.shape and _is_right(probed.gradient, ones, trial.scale(name)):
        return "backward ignores grad_output: this is the gradient for one that is all ones"
    known = probed.cause or repaired(trial, name)
    return known or missing_product(name, probed.gradient, other) or heard.shown.cause


def _is_right(gradient: Tensor, right: Tensor, scale: float) -> bool:
    return bool(((gradient - right).abs() <= 1e-9 * scale).all())
