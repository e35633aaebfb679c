"""`plot`: a program along one of its numbers or over two of them, or a map of the entries of its tensors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from typing import Any

from gradcli.derivation.derivations import Derivations
from gradcli.errors import GradcliError, InputError
from gradcli.execution.commands.hessian import check_scalar, second_derivatives
from gradcli.execution.commands.plot.breaks import Found, breaks
from gradcli.execution.commands.plot.field import field_of, spread
from gradcli.execution.commands.plot.samples import Sample, Sampler
from gradcli.execution.comparison.evaluation import evaluate_run
from gradcli.execution.forward.source import Source
from gradcli.execution.run import Run, report, report_with, start
from gradcli.execution.witnesses.bends import where_it_bends
from gradcli.execution.witnesses.numerical_verdict import NumericalWitnesses
from gradcli.ops.programs import parse_program
from gradcli.report.plot import Break, Curve, Numbers, Plot, PlotDetails
from gradcli.report.report import Output, Report, TensorReport
from gradcli.report.verdict import Verdict, worst
from gradcli.settings import Settings
from gradcli.witnesses import DIFFERENCES

# Where a plot begins and ends along a number, if nothing else is said.
FROM, TO = -3.0, 3.0
POINTS = 201
# A formula is written for every part between breaks, of so many.
MOST_PARTS = 8
# One-sided derivatives are told where their error is smaller than this, relative to them or to 1.
TOLD = 1e-4
NOWHERE = "the program is refused at every point from {} to {}"


def plot(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Report:
    """Return the report of `plot`."""
    sampler = Sampler.of(program, settings, given, derivations)
    names = _names(sampler)
    if names is None:
        return _maps(start(program, settings, given, derivations))
    over = sampler.over(names)
    if len(names) > 1:
        return field_of(over, *_ends(settings, names))
    (low,), (high,) = _ends(settings, names)
    others = [_other(text, sampler, names) for text in settings.compare]
    found = [_curve(one, low, high) for one in (over, *others)]
    return _report(over, found)


def _names(sampler: Sampler) -> tuple[str, ...] | None:
    """Return the numbers that the program is drawn along; None where the entries of tensors are drawn as maps."""
    settings = sampler.settings
    along = bool(settings.start or settings.stop or settings.compare)
    varying = [name for name, leaf in sampler.leaves.items() if leaf.requires_grad]
    names = settings.wrt or tuple(varying)
    if not along and not all(map(sampler.is_number, names)):
        return None
    if settings.wrt is None and len(varying) != 1:
        message = f"the program has {len(varying)} leaves that a plot may be along"
        raise InputError(message, option="--wrt", hint=f"name one or two of them, such as `--wrt {varying[0]}`")
    if len(names) > 2:  # noqa: PLR2004 (a picture is flat)
        raise InputError("a plot is along one number, or over two", option="--wrt", hint="name one or two")
    if len(names) > 1 and (settings.compare or settings.order > 1):
        option = "--compare" if settings.compare else "--order"
        raise InputError("it takes a plot along one number", option=option, hint="name one with --wrt")
    return names


def _ends(settings: Settings, names: Sequence[str]) -> tuple[Numbers, Numbers]:
    """Return where a plot begins and ends along each number; InputError if that is nowhere."""
    count = len(names)
    found = []
    for option, given, usual in (("--from", settings.start, FROM), ("--to", settings.stop, TO)):
        numbers = given or (usual,)
        if len(numbers) not in {1, count}:
            message = f"{len(numbers)} numbers for {count}"
            raise InputError(message, option=option, hint="give one number, or as many as --wrt names")
        found.append(numbers if len(numbers) == count else numbers * count)
    lows, highs = found
    for name, low, high in zip(names, lows, highs, strict=True):
        if not low < high:
            raise InputError(f"{low:g} is not below {high:g}, where the plot along '{name}' ends", option="--from")
        if not math.isfinite(high - low):
            raise InputError(f"{low:g} is too far from {high:g}, where the plot along '{name}' ends", option="--from")
    return lows, highs


def _other(text: str, sampler: Sampler, names: tuple[str, ...]) -> Sampler:
    """Return the sampler of a program to compare with; its other leaves have the same values."""
    program = parse_program(text, sampler.settings.limits)
    known = {leaf.name for leaf in (*program.leaves, *program.made)}
    if names[0] not in known:
        raise InputError(f"'{text}' does not read '{names[0]}'", option="--compare", hint="name its leaf with --wrt")
    given = {name: leaf for name, leaf in sampler.leaves.items() if name in known}
    return Sampler.of(program, sampler.settings, given, sampler.derivations).over(names)


def _curve(sampler: Sampler, low: float, high: float) -> tuple[Curve, list[Verdict]]:
    """Return a program along its number, and the verdicts on all its derivatives there."""
    count = sampler.settings.samples or POINTS
    points = spread(low, high, count)
    judged = [_judged(sampler, point) for point in points]
    if all(one is None for one in judged):
        sampler.start((low,))  # which says why
        raise InputError(NOWHERE.format(low, high))
    samples = [sampler.sample(point) if one is None else one[0] for point, one in zip(points, judged, strict=True)]
    function = cache(sampler.sample)
    found = [_break(sampler, function, one) for one in breaks(function, points, samples)]
    verdicts = [_verdict(one) for one in judged]
    counts = Counter(str(verdict) for verdict in verdicts if verdict is not None)
    second = _second(sampler, points) if sampler.settings.order > 1 else None
    judgements = [*verdicts, *([] if second is None else second[1])]
    curve = Curve(
        program=sampler.program.source,
        wrt=sampler.variables[0].label,
        points=points,
        value=tuple(sample.value for sample in samples),
        derivative=tuple(sample.gradient[0] for sample in samples),
        second=None if second is None else second[0],
        breaks=tuple(found),
        verdicts=dict(counts),
        worst=_where(points, verdicts),
        formula=_formula(sampler, points, judged, found),
    )
    return curve, [*(v for v in judgements if v is not None), *(one.verdict for one in found if one.verdict)]


Judged = tuple[Sample, list[TensorReport]]


def _judged(sampler: Sampler, *point: float) -> Judged | None:
    """Return what the program is at a point, and what is reported there; None where it is refused, or no number."""
    try:
        sample, reports = sampler.judged(*point)
    except GradcliError:
        return None
    return None if math.isnan(sample.value) else (sample, reports)


def _verdict(judged: Judged | None) -> Verdict | None:
    return None if judged is None else worst(one.verdict for one in judged[1])


def _where(points: Numbers, verdicts: Sequence[Verdict | None]) -> float | None:
    """Return the first point of the worst verdict, if that is no pass."""
    wrong = worst(verdicts)
    return None if wrong.passes or wrong not in verdicts else points[verdicts.index(wrong)]


def _formula(sampler: Sampler, points: Numbers, judged: Sequence[Judged | None], found: Sequence[Break]) -> str | None:
    """Return the derivative's formula; None where there is none, or the program is another on each side of a break."""
    if not sampler.settings.verify:
        return None
    ends = [-math.inf, *(one.at for one in found), math.inf]
    inside = [p for p, one in zip(points, judged, strict=True) if one is not None and _verdict(one) is Verdict.MATCH]
    parts = [[p for p in inside if low < p < high] for low, high in pairwise(ends)]
    written = {_formula_at(sampler, part[len(part) // 2]) for part in parts[:MOST_PARTS] if part}
    return written.pop() if len(written) == 1 and len(parts) <= MOST_PARTS else None


def _formula_at(sampler: Sampler, point: float) -> str | None:
    run = replace(sampler, settings=replace(sampler.settings, formulas=True)).start((point,))
    found = evaluate_run(run).reports[sampler.traced(run)].symbolic
    return None if found is None else found.telling_formula


def _second(sampler: Sampler, points: Numbers) -> tuple[Numbers, list[Verdict | None]]:
    """Return the second derivative at each point, with the verdicts on it; NaN where there is none."""
    check_scalar(sampler.trace(points[:1]))
    found = [_second_at(sampler, point) for point in points]
    return tuple(value for value, _ in found), [verdict for _, verdict in found]


def _second_at(sampler: Sampler, point: float) -> tuple[float, Verdict | None]:
    try:
        run = sampler.start((point,))
        leaf = sampler.traced(run)
        if math.isnan(float(run.output.tensor.detach().reshape(-1)[0])):
            return math.nan, None
        derivative = second_derivatives(run, [leaf]).blocks[leaf, leaf]
    except GradcliError:
        return math.nan, None
    entry, count = sampler.variables[0].entry, leaf.tensor.numel()
    return float(derivative.value.reshape(count, count)[entry, entry]), derivative.verdict


def _break(sampler: Sampler, function: Any, found: Found) -> Break:
    """Return a kink, a jump or a pole with the derivatives to both sides, and autograd's choice there."""
    point = found.point
    judged = _judged(sampler, point)
    sides = function(found.low), function(found.high)
    is_kink = found.kind == "kink"
    below, above = _one_sided(sampler, point) if is_kink else (_finite(side.gradient[0]) for side in sides)
    report = None if judged is None else judged[1][0]
    return Break(
        at=point,
        kind=found.kind,
        value=None if judged is None else judged[0].value,
        below=below,
        above=above,
        autograd=None if judged is None else judged[0].gradient[0],
        verdict=_verdict(judged),
        values=None if is_kink else (sides[0].value, sides[1].value),
        notes=() if report is None else report.notes,
    )


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _one_sided(sampler: Sampler, point: float) -> tuple[float | None, float | None]:
    """Return the derivatives to both sides, by the difference quotients that gradients are judged by."""
    try:
        run = sampler.start((point,))
        question = NumericalWitnesses.of(run, [DIFFERENCES]).question(sampler.traced(run))
        quotients = None if question is None else replace(question, bends=True).quotients
    except GradcliError:
        quotients = None
    entry = sampler.variables[0].entry
    if quotients is None or quotients.directions is not None:
        return None, None
    told = partial(_told, error=float(quotients.sided_error[entry]))
    return told(float(quotients.below[entry])), told(float(quotients.above[entry]))


def _told(slope: float, error: float) -> float | None:
    """Return a slope as far as it is known: to so many digits as its error leaves."""
    if not error <= TOLD * max(1.0, abs(slope)):
        return None
    digits = max(0, -math.floor(math.log10(max(error, 1e-15))))
    return round(slope, digits) + 0.0


def _report(sampler: Sampler, found: Sequence[tuple[Curve, list[Verdict]]]) -> Report:
    """Return the report: of the leaves at the first point that is not refused, and of all the curves."""
    curves = tuple(curve for curve, _ in found)
    place = next(place for place, value in enumerate(curves[0].value) if not math.isnan(value))
    run = sampler.start((curves[0].points[place],))
    judged = _judged(sampler, curves[0].points[place])
    reports = [] if judged is None else judged[1]
    settings = sampler.settings
    where = f"{sampler.variables[0].label} = {curves[0].points[place]:g}"
    output = Output(f"{run.names[run.output]} at {where}", tuple(run.output.tensor.shape), run.output.tensor.detach())
    verdicts = [verdict for _, own in found for verdict in own]
    program = "\n".join(curve.program for curve in curves)
    return report_with(
        settings, program, output, reports, details=PlotDetails(Plot("curves", curves)), further=verdicts
    )


def _maps(run: Run) -> Report:
    """Return the report of a run whose tensors' entries are drawn as maps."""
    reports = list(where_it_bends(run, evaluate_run(run)).values())
    names = tuple(_drawn(run, reports))
    return report(run, reports, PlotDetails(Plot("maps", maps=names)))


def _drawn(run: Run, reports: Sequence[TensorReport]) -> Iterator[str]:
    """Yield the tensors that are drawn: those that are asked for, or else the leaves of several entries."""
    asked = run.settings.wrt is not None
    yield from (one.name for one in reports if asked or (one.kind == "leaf" and one.gradient is not None))
