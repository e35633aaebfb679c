"""The gradient check: how a gradient gets from a program's definitions to the verdict on each tensor.

The steps, in their order:

1. `decompose`: each call becomes the definition of its op, as primitive nodes on a tape. sympy derives what these need,
   in a process of its own, while autograd runs. (`execution.run.start` has done both.)
2. `autograd_gradients`: PyTorch's own, by `backward()` or `torch.autograd.grad`.
3. `differentiate`: the symbolic ones, by reverse accumulation from the output's cotangent back through the calls. Each
   call's definition pulls its cotangents back; autograd's choice at a kink is adopted if it lies between the one-sided
   derivatives; contributions add up to adjoints. (`execution.reference.pullback` is this step from top to bottom.)
4. `compare_all`: the two beside each other, entry by entry. What differs is explained, if it can be, by rounding, by a
   kink or by a value that is not finite.
5. `tensor_report`: the verdict on a tensor; `execution.run.report` takes the worst of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from torch import Tensor

from gradcli.derivation.formulas import Formula
from gradcli.errors import InputError
from gradcli.execution.autograd import backward, errors
from gradcli.execution.autograd.accumulated import before_backward, changed, restore
from gradcli.execution.comparison.blame import Watch
from gradcli.execution.comparison.gradients import GradientComparison
from gradcli.execution.comparison.reports import report_on, symbolic_side
from gradcli.execution.comparison.rounding import Point
from gradcli.execution.forward.followed import Followed, module_of, source_of
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.planned_pullback import differentiated
from gradcli.execution.run import Run
from gradcli.phrases import did_you_mean
from gradcli.report.notes import NoteKind, noted
from gradcli.report.report import TensorReport, WitnessReport

MOST_LISTED = 12
Gradients = Mapping[TracedTensor, Tensor | None]
UNIFORM = noted(
    NoteKind.SCOPE, "the gradient is 0 everywhere, at entries that are all equal: `--init randn` draws different ones"
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Autograd's gradients, and what the symbolic ones say of them."""

    gradients: Gradients
    comparisons: GradientComparison | None
    """None if nothing is to be verified."""
    reports: Mapping[TracedTensor, TensorReport]
    """Of the tensors that are shown."""
    changed: frozenset[TracedTensor] = frozenset()
    """The leaves whose `.grad` a hook has changed after the gradient had arrived."""


def evaluate_run(run: Run, *, witnessed: bool = False) -> Evaluation:
    """Return autograd's gradients of a run and, where it is to be verified, what the symbolic ones say of them.

    Reports that are to be `witnessed` say that no witness has been asked so far.
    """
    shown = tensors_shown(run)
    asked = None
    if run.settings.formulas and run.decomposition is not None:
        from gradcli.execution.formulas.formulas import Formulas  # suites do without

        asked = Formulas.ask(run.derivations, run.decomposition, run.names, run.cotangent)
    before = before_backward(run.trace.leaves)
    with Watch.over(run.trace) as watch:
        gradients = autograd_gradients(run, shown)
    after = changed(before, gradients) if run.settings.wrt is None else {}
    restore(before)
    comparisons = compare_all(run, gradients, watch)
    written = asked.collect() if asked else {}
    reports = {
        t: tensor_report(t, run.names[t], gradients, comparisons, written.get(t), witnesses={} if witnessed else None)
        for t in shown
    }
    reports = {traced: _with_reason(run, traced, report) for traced, report in reports.items()}
    reports |= {t: replace(reports[t], notes=(*reports[t].notes, *notes)) for t, notes in after.items() if t in reports}
    return Evaluation(gradients, comparisons, _with_hint(run, reports), frozenset(after))


def tensors_shown(run: Run) -> list[TracedTensor]:
    """Return the tensors that a report is about: all, the leaves alone, or those that `--wrt` or `--only` names."""
    if run.settings.wrt is not None:
        return run.named(run.settings.wrt, "--wrt")
    shown = run.trace.leaves if run.settings.leaves else run.trace.of_interest
    if not run.settings.only:
        return shown
    picked = dict.fromkeys(traced for pattern in run.settings.only for traced in _matching(run, shown, pattern))
    return [traced for traced in shown if traced in picked]


def _matching(run: Run, shown: Sequence[TracedTensor], pattern: str) -> list[TracedTensor]:
    """Return the tensors whose name fits a pattern, also behind that of their module; InputError for none."""
    names = {traced: (run.names[traced], f"{module_of(traced) or ''}.{run.names[traced]}") for traced in shown}
    found = [traced for traced in shown if any(_fits(name, pattern) for name in names[traced])]
    if not found:
        known = [run.names[traced] for traced in shown]
        hint = did_you_mean(pattern, known, f"there are {', '.join(known[:MOST_LISTED])}")
        raise InputError(f"no tensor's name is like '{pattern}'", option="--only", hint=hint)
    return found


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)


def autograd_gradients(run: Run, shown: Sequence[TracedTensor]) -> Gradients:
    """Return what PyTorch computes: by `torch.autograd.grad` where `--wrt` says of what, else by `backward()`."""
    settings = run.settings
    cotangent = None if settings.grad_output is None else run.cotangent
    if settings.wrt is None:
        inner = [traced for traced in shown if not traced.is_leaf]
        retain = inner if "all" in settings.retain_grad else run.named(settings.retain_grad, "--retain-grad")
        return backward.backward(run.output, shown, cotangent, retain, once=True)
    gradients = backward.gradients(run.output, shown, cotangent, create_graph=settings.create_graph)
    unused = [traced for traced, gradient in gradients.items() if gradient is None]
    if unused and not settings.allow_unused:
        raise errors.unused(run.program, run.trace, unused, shown.index(unused[0]))
    return gradients


def compare_all(run: Run, gradients: Gradients, watch: Watch | None = None) -> GradientComparison | None:
    """Return autograd's gradients beside the symbolic ones, or None if nothing is to be verified.

    `watch` has seen the Functions of the code and its hooks.
    """
    if run.decomposition is None:
        return None
    reference = differentiated(run.decomposition, run.cotangent, run.derivations.known)
    point = Point(run.decomposition, reference, run.cotangent, run.derivations)
    return GradientComparison.of(point, gradients, run.tolerance, watch=watch)


def tensor_report(
    traced: TracedTensor,
    name: str,
    gradients: Gradients,
    comparisons: GradientComparison | None,
    formula: Formula | None,
    *,
    witnesses: dict[str, WitnessReport] | None = None,
) -> TensorReport:
    """Return what one tensor's gradient is, and the verdict on it; `formula` is shown beside it."""
    comparison, of_code = comparisons.compare_autograd(traced) if comparisons else None, isinstance(traced, Followed)
    value = comparisons.point.reference.values.get(traced) if comparisons else None
    return report_on(
        traced.tensor,
        name,
        kind="leaf" if traced.is_leaf else "non-leaf",
        grad_fn=backward.grad_fn_name(traced),
        grad=backward.grad_attribute(traced),
        gradient=gradients.get(traced),
        symbolic=symbolic_side(value, comparison, formula),
        verdict=comparison.verdict if comparison else None,
        notes=comparison.notes if comparison else (),
        source=source_of(traced) if of_code else None,
        module=module_of(traced) if of_code else None,
        witnesses=witnesses,
    )


def _with_reason(run: Run, traced: TracedTensor, report: TensorReport) -> TensorReport:
    """Return the report of a tensor; of a leaf that had to be a constant, with the reason."""
    reason = run.trace.constants.get(traced.text) if traced.is_leaf else None
    return report if reason is None else replace(report, notes=noted(NoteKind.CONSTANT, reason))


def _with_hint(run: Run, reports: Mapping[TracedTensor, TensorReport]) -> Mapping[TracedTensor, TensorReport]:
    """Return the reports; where every gradient is 0 because default values are all equal, with how to see more."""
    leaves = [traced for traced in run.trace.leaves if traced in reports and traced.tensor.requires_grad]
    if run.settings.init is not None:
        return reports
    if any(gradient is None or bool(gradient.count_nonzero()) for gradient in (reports[t].gradient for t in leaves)):
        return reports
    equal = [traced for traced in leaves if traced.name not in run.settings.values and _is_uniform(traced.tensor)]
    return {**reports, **{t: replace(reports[t], notes=(*reports[t].notes, *UNIFORM)) for t in equal}}


def _is_uniform(tensor: Tensor) -> bool:
    return tensor.numel() > 1 and bool((tensor == tensor.reshape(-1)[0]).all())
