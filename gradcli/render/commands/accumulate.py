"""What only `accumulate` reports: what each backward call leaves in `.grad`."""

from __future__ import annotations

from gradcli.escaping import clip
from gradcli.render.grid import Grid, Lines, left_out
from gradcli.render.numbers import optional_lines, short, tensor_lines
from gradcli.render.presentation import Presentation
from gradcli.report.accumulate import AccumulateDetails, Accumulation, BackwardCall, LeafCall
from gradcli.report.verdict import Verdict

MOST_CALLS = 24
FIRST_CALLS = 12
LAST_CALLS = 4
LONGEST_NAME = 20


def grids(details: AccumulateDetails) -> tuple[Grid, ...]:
    """Return one grid with a row for each leaf and call: `.grad` before it, the gradient added, `.grad` after it."""
    accumulation = details.accumulation
    calls = [*enumerate(accumulation.calls, 1)]
    shown = calls if len(calls) <= MOST_CALLS else [*calls[:FIRST_CALLS], *calls[-LAST_CALLS:]]
    steps = accumulation.learning_rate is not None
    verified = any(leaf.verdict is not None for call in accumulation.calls for leaf in call.leaves)
    headings = ["call", "output", "leaf", *(["value"] if steps else []), "before", "+ gradient", "= .grad"]
    rows: list[tuple[Lines | Verdict, ...]] = []
    for place, (number, call) in enumerate(shown):
        if len(shown) < len(calls) and place == FIRST_CALLS:
            rows.append((("...",), *[("",)] * (len(headings) - 1 + verified)))
        rows += _rows(number, call, steps=steps, verified=verified)
    headings += ["verdict"] if verified else []
    below, series = tuple(_below(accumulation)), _series(accumulation)
    # What was there before is in the row above, too.
    return (Grid("Backward calls", tuple(headings), tuple(rows), below, series, last_spare="before"),)


def _rows(number: int, call: BackwardCall, *, steps: bool, verified: bool) -> list[tuple[Lines | Verdict, ...]]:
    rows: list[tuple[Lines | Verdict, ...]] = []
    for place, leaf in enumerate(call.leaves):
        first = ((str(number),), tensor_lines(call.output)) if place == 0 else (("",), ("",))
        value = (tensor_lines(leaf.value),) if steps else ()
        verdict = (leaf.verdict or ("",),) if verified else ()
        rows.append((*first, (clip(leaf.name, LONGEST_NAME),), *value, *_numbers(leaf), *verdict))
    return rows


def _numbers(leaf: LeafCall) -> tuple[Lines, Lines, Lines]:
    before, gradient, after = (optional_lines(tensor) for tensor in (leaf.before, leaf.gradient, leaf.grad))
    return before, gradient, after


def _series(accumulation: Accumulation) -> tuple[float, ...]:
    """Return the outputs, where they are single numbers and differ."""
    outputs = [call.output for call in accumulation.calls]
    if any(output.is_complex() or output.numel() != 1 for output in outputs):
        return ()
    numbers = tuple(float(output) for output in outputs)
    return numbers if len(set(numbers)) > 1 else ()


def _below(accumulation: Accumulation) -> list[str]:
    """Return in sentences how `.grad` came about."""
    series = _series(accumulation)
    lines = [f"output from {short(series[0])} to {short(series[-1])}"] if series else []
    if accumulation.zero_grad is None:
        lines.append("backward() adds to .grad: without zero_grad() it holds the sum over all calls.")
    else:
        what = "None" if accumulation.zero_grad == "none" else "zeros"
        lines.append(f"zero_grad() sets .grad to {what} before each call, so it holds one call's gradient.")
    if accumulation.learning_rate is not None:
        lines.append(_step(accumulation))
    if len(accumulation.calls) > 1:
        lines.append("The tensors above are those of the last call.")
    if len(accumulation.calls) > MOST_CALLS:
        lines += left_out(len(accumulation.calls) - FIRST_CALLS - LAST_CALLS, "calls")
    return lines


def _step(accumulation: Accumulation) -> str:
    rate = short(accumulation.learning_rate)
    text = f"SGD, after each call: leaf -= {rate} * leaf.grad"
    return text if accumulation.zero_grad else f"{text}, so each step repeats the gradients of earlier calls."


PRESENTATION = Presentation(grids, why_no_grad=".grad is None for all but leaves.")
