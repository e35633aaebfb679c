"""Where in the user's code a check fails: the line of the step that a wrong gradient comes from."""

from __future__ import annotations

from collections.abc import Mapping

from gradcli.execution.forward.followed import Followed, Ran, Step
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.report.custom import SourcePlace
from gradcli.report.report import TensorReport
from gradcli.report.verdict import Verdict, fails


def failing_place(trace: Trace, reports: Mapping[TracedTensor, TensorReport], verdict: Verdict) -> SourcePlace | None:
    """Return the line of the last step that makes an operand fail: none that reads this has a result that fails.

    None of what passes, and where no line of the user's code is known.
    """
    if not isinstance(trace.ran, Ran) or not fails(verdict):
        return None
    failed = {traced for traced, report in reports.items() if report.verdict is verdict}
    results, steps = _results(trace), [step for step in trace.ran.steps if failed & {*step.inputs}]
    passing_on = {traced for step in steps if failed & results.get(step, set()) for traced in step.inputs}
    begun = [step for step in steps if (failed - passing_on) & {*step.inputs}] or steps
    suspected = [step for step in begun if _is_suspected(step)] or begun
    return next((step.place for step in reversed(suspected) if step.place is not None), None)


def _is_suspected(step: Step) -> bool:
    """Return whether a step is the likelier one of several that read a value: a Function, or what has no definition."""
    return step.function is not None or any(call.gap is not None for call in step.calls)


def _results(trace: Trace) -> dict[Step, set[TracedTensor]]:
    """Return the values that each step made."""
    results: dict[Step, set[TracedTensor]] = {}
    for call in trace.calls:
        for traced in call.outputs:
            if isinstance(traced, Followed) and traced.step is not None:
                results.setdefault(traced.step, set()).add(traced)
    return results
