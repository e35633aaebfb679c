"""`eval` and `grad`: run the program, take autograd's gradients and the symbolic ones, and report both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from gradcli.derivation.client import DERIVATIONS
from gradcli.execution.autograd import backward, errors
from gradcli.execution.comparison.compare import Tolerance
from gradcli.execution.comparison.gradients import GradientComparison
from gradcli.execution.comparison.reports import report_on, symbolic_side
from gradcli.execution.formulas.formulas import Formula, Formulas
from gradcli.execution.forward.tracer import TracedTensor
from gradcli.execution.reference.pullback import differentiate
from gradcli.execution.run import Run
from gradcli.report.notes import NoteKind, noted
from gradcli.report.report import TensorReport, Verdict, worst


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What autograd and the symbolic side found out about the tensors that are shown; a report for each of them."""

    gradients: Mapping[TracedTensor, Tensor | None]
    evidence: GradientComparison | None
    reports: Mapping[TracedTensor, TensorReport]


def overall(reports: Sequence[TensorReport]) -> Verdict:
    """Return the worst verdict of several tensors."""
    return worst([tensor.verdict for tensor in reports if tensor.verdict is not None])


def evaluate_run(run: Run, *, formulas: bool = True) -> Evaluation:
    """Return autograd's gradients of a run and, where it is to be verified, what the symbolic ones say of them.

    Without `formulas` the reports hold none: they are the slowest part.
    """
    settings = run.settings
    tensors = list(dict.fromkeys(run.trace.tensors))
    shown = tensors if settings.wrt is None else run.named(settings.wrt, "--wrt")
    asked = None
    if formulas and run.decomposition is not None:
        asked = Formulas.ask(DERIVATIONS, run.decomposition, run.names, run.cotangent)
    found = _gradients(run, shown)
    evidence = compare_all(run, found)
    written = asked.collect() if asked else {}
    reports = {t: tensor_report(t, run.names[t], found, evidence, written.get(t)) for t in shown}
    reports |= {
        t: replace(reports[t], notes=noted(NoteKind.CONSTANT, why))
        for t in shown
        if t.is_leaf and (why := run.trace.constants.get(t.text))
    }
    return Evaluation(found, evidence, reports)


def _gradients(run: Run, shown: Sequence[TracedTensor]) -> dict[TracedTensor, Tensor | None]:
    settings = run.settings
    cotangent = None if settings.grad_output is None else run.cotangent
    if settings.wrt is not None:
        found = backward.gradients(run.output, shown, cotangent, create_graph=settings.create_graph)
        unused = [traced for traced, gradient in found.items() if gradient is None]
        if unused and not settings.allow_unused:
            raise errors.unused(run.program, run.trace, unused, shown.index(unused[0]))
        return found
    inner = [traced for traced in shown if not traced.is_leaf]
    retain = inner if "all" in settings.retain_grad else run.named(settings.retain_grad, "--retain-grad")
    return dict(backward.backward(run.output, shown, cotangent, retain))


def compare_all(run: Run, found: Mapping[TracedTensor, Tensor | None]) -> GradientComparison | None:
    """Return autograd's gradients beside the symbolic ones, or None if nothing is to be verified."""
    if run.decomposition is None:
        return None
    reference = differentiate(run.decomposition, run.cotangent, DERIVATIONS.known)
    tolerance = Tolerance.of(run.settings.dtype, run.settings.rtol, run.settings.atol)
    return GradientComparison.of(run.trace, run.cotangent, found, reference, tolerance)


def tensor_report(
    traced: TracedTensor,
    name: str,
    found: Mapping[TracedTensor, Tensor | None],
    evidence: GradientComparison | None,
    formula: Formula | None,
) -> TensorReport:
    """Return what one tensor's gradient is and how it compares; `formula` is shown beside it."""
    gradient = found.get(traced)
    comparison = evidence.judge(traced) if evidence else None
    value = evidence.reference.values.get(traced) if evidence else None
    return report_on(
        traced.tensor,
        name,
        kind="leaf" if traced.is_leaf else "non-leaf",
        grad_fn=backward.grad_fn_name(traced),
        grad=backward.grad_attribute(traced),
        gradient=gradient,
        symbolic=symbolic_side(value, comparison, formula),
        verdict=comparison.verdict if comparison else None,
        notes=comparison.notes if comparison else (),
    )
