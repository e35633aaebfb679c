"""A program over two of its numbers: its values on a grid, and gradients, which are judged, on a coarser one."""

from __future__ import annotations

import math
from collections import Counter
from itertools import product

from gradcli.errors import GradcliError, InputError
from gradcli.execution.commands.plot.samples import Sampler
from gradcli.execution.run import report
from gradcli.report.plot import Arrow, Field, Numbers, Plot, PlotDetails
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict, worst

# Points of each side of the grid of values, and of that of gradients.
SIDE, ARROWS = 41, 13
MOST_SIDE = 401


def field_of(sampler: Sampler, lows: Numbers, highs: Numbers) -> Report:
    """Return the report of a program over two numbers; InputError if it has a value nowhere."""
    side = sampler.settings.samples or SIDE
    if side > MOST_SIDE:
        message = f"{side:,} times {side:,} points are too many"
        raise InputError(message, option="--samples", hint=f"take at most {MOST_SIDE}, which are for each side")
    across, up = (spread(low, high, side) for low, high in zip(lows, highs, strict=True))
    values = tuple(tuple(sampler.value(x, y) for x in across) for y in up)
    if all(math.isnan(value) for row in values for value in row):
        sampler.start((across[0], up[0]))  # which says why
        raise InputError("the output is no number at any of the points", option="--from")
    arrows, verdicts = _arrows(sampler, lows, highs)
    counts = Counter(str(verdict) for verdict in verdicts)
    first, second = (variable.label for variable in sampler.variables)
    field = Field(sampler.program.source, (first, second), across, up, values, tuple(arrows), dict(counts))
    rows = zip(up, values, strict=True)
    at = next((x, y) for y, row in rows for x, value in zip(across, row, strict=True) if not math.isnan(value))
    _, reports = sampler.judged(*at)
    return report(sampler.start(at), reports, PlotDetails(Plot("field", field=field)), verdicts)


def spread(low: float, high: float, count: int) -> Numbers:
    """Return numbers from one to another, equally far apart; the last is the other to the last bit."""
    return (*(low + (high - low) * place / (count - 1) for place in range(count - 1)), high)


def _arrows(sampler: Sampler, lows: Numbers, highs: Numbers) -> tuple[list[Arrow], list[Verdict]]:
    """Return the gradients in the middle of each square of a coarse grid, and the verdicts on them."""
    arrows, verdicts = [], []
    across, up = (_middles(low, high) for low, high in zip(lows, highs, strict=True))
    for y, x in product(up, across):
        try:
            sample, reports = sampler.judged(x, y)
        except GradcliError:
            continue
        if not math.isnan(sample.value):
            arrows.append(Arrow((x, y), (sample.gradient[0], sample.gradient[1])))
            verdicts.append(worst(one.verdict for one in reports))
    return arrows, verdicts


def _middles(low: float, high: float) -> list[float]:
    return [low + (high - low) * (place + 0.5) / ARROWS for place in range(ARROWS)]
