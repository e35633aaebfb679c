"""`accumulate`: backward called several times on the same leaves; what `.grad` holds after each call.

Each call has leaf tensors of its own, which take over values and `.grad` from the call before: so nothing that one call
reports is changed in place by the next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.execution.comparison.compare import compare
from gradcli.execution.comparison.evaluation import Evaluation, evaluate_run
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.followed import actual, held_by
from gradcli.execution.forward.memory import check_calls
from gradcli.execution.forward.plain import copied
from gradcli.execution.forward.run import leaves_of, trace_of
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.run import Run, report, start_from
from gradcli.report.accumulate import AccumulateDetails, Accumulation, BackwardCall, LeafCall
from gradcli.report.notes import Notes, led
from gradcli.report.report import Report, TensorReport
from gradcli.report.verdict import Verdict, worst
from gradcli.settings import Settings
from gradcli.tolerance import Tolerance

NOT_THE_SUM = ".grad is not the sum of the calls' derivatives: "


@dataclass(slots=True)
class Held:
    """What `.grad` holds of one leaf by the symbolic derivatives; `allowed` is how far each entry may be from it."""

    value: Tensor | None = None
    allowed: Tensor | None = None

    def add(self, value: Tensor, allowed: Tensor) -> None:
        """Add the derivative of one more call."""
        self.value = value if self.value is None else self.value + value
        self.allowed = allowed if self.allowed is None else self.allowed + allowed


@dataclass(slots=True)
class Ledger:
    """The calls so far, what each leaf's `.grad` should hold, and each leaf's verdicts and notes."""

    settings: Settings
    calls: list[BackwardCall] = field(default_factory=list)
    held: dict[str, Held] = field(default_factory=dict)
    judged: dict[str, list[tuple[Verdict, Notes]]] = field(default_factory=dict)


def accumulate(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Report:
    """Return the report of `accumulate`: the tensors are those of the last call, its verdict the worst of all calls."""
    leaves = leaves_of(program, settings, given)
    check_calls(settings, leaves.values())
    ledger = Ledger(settings)
    for number in range(settings.times):
        is_last = number + 1 == settings.times
        shown = dataclasses.replace(settings, formulas=settings.formulas and is_last)
        run = start_from(program, shown, trace_of(program, settings, leaves), derivations)
        before = {leaf: copied(actual(leaf).grad) for leaf in run.trace.leaves}
        evaluation = evaluate_run(run)
        _enter(ledger, run, evaluation, before)
        leaves = _following(run, settings)
    reports = [_over_all_calls(found, ledger) for found in evaluation.reports.values()]
    accumulation = Accumulation(settings.zero_grad, settings.learning_rate, tuple(ledger.calls))
    details = AccumulateDetails(accumulation, _output_key(run))
    return report(run, reports, details)


def _following(run: Run, settings: Settings) -> dict[str, Tensor]:
    """Return the leaves that the next call starts from; those that code has from elsewhere change where they are."""
    after = {leaf: _after(actual(leaf), settings) for leaf in run.trace.leaves}
    for leaf, value in after.items():
        own = held_by(leaf)
        if own is not None:
            own.data, own.grad = value.data, value.grad
    return {leaf.text: value for leaf, value in after.items() if held_by(leaf) is None}


def _after(leaf: Tensor, settings: Settings) -> Tensor:
    """Return the leaf that the next call starts from: after the SGD step, and after `zero_grad()`."""
    if not leaf.requires_grad:
        return leaf
    rate, grad = settings.learning_rate, leaf.grad
    with torch.no_grad():
        value = leaf.clone() if rate is None or grad is None else leaf - rate * grad
    following = value.detach().clone().requires_grad_()
    if grad is not None and settings.zero_grad != "none":
        following.grad = grad.clone() if settings.zero_grad is None else torch.zeros_like(grad)
    return following


def _enter(ledger: Ledger, run: Run, evaluation: Evaluation, before: Mapping[TracedTensor, Tensor | None]) -> None:
    """Note one call."""
    wanted = [leaf for leaf in run.trace.leaves if leaf.tensor.requires_grad]
    if ledger.settings.zero_grad is not None:
        ledger.held.clear()
    entries = [_leaf_call(ledger, leaf, evaluation, before[leaf]) for leaf in wanted]
    ledger.calls.append(BackwardCall(run.output.tensor.detach(), tuple(entries)))


def _leaf_call(ledger: Ledger, leaf: TracedTensor, evaluation: Evaluation, before: Tensor | None) -> LeafCall:
    found = evaluation.reports[leaf]
    name, grad = found.name, copied(actual(leaf).grad)
    held = ledger.held.setdefault(name, Held())
    verdict, notes = found.verdict, found.notes
    if verdict is not None and found.symbolic is not None and found.symbolic.value is not None:
        tolerance = ledger.settings.tolerance
        _add(held, verdict, double(evaluation.gradients[leaf]), found.symbolic.value, tolerance)  # type: ignore[arg-type]
        total = compare(_or_zeros(grad, leaf), held.value, tolerance, held.allowed)
        if leaf in evaluation.changed:  # the next call adds to what the hook has left
            held.value = _or_zeros(grad, leaf)
        elif total.verdict.rank > verdict.rank:
            verdict, notes = total.verdict, led(NOT_THE_SUM, total.notes)
    if verdict is not None:
        ledger.judged.setdefault(name, []).append((verdict, notes))
    # `.grad` stays None if nothing has reached the leaf: then this call added nothing either.
    added = None if grad is None else found.gradient
    return LeafCall(name, found.value, before, added, grad, held.value, verdict)


def _add(held: Held, verdict: Verdict, gradient: Tensor, reference: Tensor, tolerance: Tolerance) -> None:
    """Add one call's derivative to what is held; an error that its own verdict excuses is allowed in the sum too.

    So is one that rounding leaves undecided: that the sum has it says nothing about the sum.
    """
    excused = verdict.passes or verdict is Verdict.UNDECIDED
    rounding_error = (gradient - reference).abs().nan_to_num(0.0) if excused else torch.zeros_like(reference)
    held.add(reference, tolerance.allowed(reference) + rounding_error)


def _or_zeros(grad: Tensor | None, leaf: TracedTensor) -> Tensor:
    return double(torch.zeros_like(leaf.tensor) if grad is None else grad)


def _over_all_calls(found: TensorReport, ledger: Ledger) -> TensorReport:
    """Return the last call's report of a tensor with the worst verdict of all calls."""
    judged = ledger.judged.get(found.name, []) if found.kind == "leaf" else []
    if not judged or found.verdict is None:
        return found
    verdict = worst([one for one, _ in judged])
    place = next(place for place, (one, _) in enumerate(judged) if one is verdict)
    return dataclasses.replace(found, verdict=verdict, notes=led(f"call {place + 1}: ", judged[place][1]))


def _output_key(run: Run) -> str:
    """Return the key of the output's value beside the leaves' gradients: `output`, unless a leaf has that name."""
    return "output (2)" if "output" in {leaf.name for leaf in run.trace.leaves} else "output"
