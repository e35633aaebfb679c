"""What a page shows: of one report, or of several checks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree as ET

from markupsafe import Markup

from gradcli.escaping import clip, escape
from gradcli.phrases import show_shape
from gradcli.render.graph import svg
from gradcli.render.graph.layout import layout_of
from gradcli.render.graph.picture import MARKS, Box, Picture, brief, picture_of
from gradcli.render.grid import left_out
from gradcli.render.numbers import short
from gradcli.render.page.formulas import formula
from gradcli.render.page.heat import COLUMNS, ROWS, heat
from gradcli.render.page.steps import Step, steps_of
from gradcli.render.plot.maps import extremes, maps_of
from gradcli.render.suite_view import place, sentences, summary, title
from gradcli.render.view import View, view_of
from gradcli.report.page import PageDetails
from gradcli.report.report import Report, TensorReport
from gradcli.report.suite import CheckReport, SuiteReport
from gradcli.report.verdict import Verdict

MOST_TENSORS, MOST_OF_CHECK, MOST_STEPS, MOST_HEATS = 1000, 24, 200, 8
LONGEST_NAME, LONGEST_CELL, LONGEST_PROGRAM, LONGEST_FORMULA = 80, 80, 4000, 300


@dataclass(frozen=True, slots=True)
class Page:
    """All that a page shows; what a report has nothing of is empty. Its texts are safe to print, but not markup."""

    command: str
    title: str
    facts: str
    verdict: str
    colour: str
    words: str
    program: str = ""
    output: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    tensors: tuple[Mapping[str, Any], ...] = ()
    left_out: str = ""
    notes: tuple[tuple[str, str], ...] = ()
    drawing: str = ""
    steps: tuple[Step, ...] = ()
    steps_left_out: str = ""
    heats: tuple[tuple[str, tuple[tuple[str, str, Markup], ...]], ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()
    reproduce: str = ""


def page_of(report: Report) -> Page:
    """Return the page of one report."""
    view = view_of(report)
    tensors = report.tensors[:MOST_TENSORS]
    page = Page(
        command=report.command,
        title=clip(report.program, LONGEST_NAME),
        facts=view.facts,
        verdict=_marked(report.verdict),
        colour=svg.COLOURS[report.verdict],
        words=view.verdict_words,
        program="\n".join(view.program),
        output=_output(report, view),
        counts=_counted([_outcome(tensor) for tensor in tensors]),
        tensors=tuple(map(_tensor, tensors)),
        left_out="".join(left_out(len(report.tensors) - len(tensors))),
        notes=view.notes,
        heats=tuple(_heats(report)),
        reproduce=view.reproduce,
    )
    return _with_graph(page, report, report.details) if isinstance(report.details, PageDetails) else page


def _output(report: Report, view: View) -> str:
    shape = "" if view.output_shape == "scalar" else f", of shape {view.output_shape},"
    return f"{view.output_name}{shape} = {brief(report.output.value)}"


def _marked(verdict: Verdict | None) -> str:
    return "" if verdict is None else f"{MARKS[verdict]} {verdict}"


def _outcome(tensor: TensorReport) -> str:
    return str(tensor.verdict) if tensor.verdict is not None else "not judged"


def _counted(outcomes: Sequence[str]) -> tuple[tuple[str, int], ...]:
    return tuple((name, outcomes.count(name)) for name in dict.fromkeys(outcomes))


def _tensor(tensor: TensorReport) -> Mapping[str, Any]:
    text = tensor.symbolic.telling_formula if tensor.symbolic else None
    return {
        "name": clip(tensor.name, LONGEST_CELL),
        "shape": show_shape(tensor.shape),
        "value": brief(tensor.value),
        "gradient": "None" if tensor.gradient is None else brief(tensor.gradient),
        "formula": formula(text) if text else "",
        "outcome": _outcome(tensor),
        "passed": tensor.verdict is None or tensor.verdict.passes,
        "verdict": _marked(tensor.verdict) or ("" if tensor.requires_grad else "constant"),
        "colour": "quiet" if tensor.verdict is None else svg.COLOURS[tensor.verdict],
    }


def _with_graph(page: Page, report: Report, details: PageDetails) -> Page:
    picture = picture_of(report)
    keys = {
        dict(box.details)["tensor"]: key for key, box in picture.forward.boxes.items() if "tensor" in dict(box.details)
    }
    steps = steps_of(
        details.trace, {one.name: keys[name] for one in details.graph.forward if (name := clip(one.name, 600)) in keys}
    )
    drawing = svg.drawing(layout_of(_explained(picture, steps)))
    drawing.set("role", "group")  # its boxes can be gone to
    return replace(
        page,
        drawing=Markup(ET.tostring(drawing, encoding="us-ascii", method="html").decode()),  # noqa: S704
        steps=tuple(steps[:MOST_STEPS]),
        steps_left_out="".join(left_out(len(steps) - MOST_STEPS)),
    )


def _explained(picture: Picture, steps: Sequence[Step]) -> Picture:
    """Return a picture whose boxes say how their gradients come about."""
    boxes = {
        key: _with_rule(box, [step for step in steps if step.head == key]) for key, box in picture.forward.boxes.items()
    }
    return replace(picture, forward=replace(picture.forward, boxes=boxes))


def _with_rule(box: Box, steps: Sequence[Step]) -> Box:
    rules = [f"{step.rule} {step.numbers}, from {step.result}" for step in steps]
    total = [steps[-1].total] if len(steps) > 1 else []
    said = "\n".join([*rules, *total])
    return replace(box, details=(*box.details, ("chain rule", said))) if steps else box


def _heats(report: Report) -> Iterator[tuple[str, tuple[tuple[str, str, Markup], ...]]]:
    """Yield the maps of the leaves that have several entries, and of what is wrong."""
    wrong = [one for one in report.tensors if one.verdict is not None and not one.verdict.passes]
    leaves = [one for one in report.tensors if one.kind == "leaf" and one not in wrong]
    several = [one for one in (*wrong, *leaves) if one.shape and 0 not in one.shape and one.shape != (1,)]
    for tensor in several[:MOST_HEATS]:
        name = clip(tensor.name, LONGEST_NAME)
        maps = maps_of(tensor, ROWS, COLUMNS)
        yield (
            f"{name}, shape {show_shape(tensor.shape)}",
            tuple((m.title, _range(m.numbers), heat(m, name)) for m in maps),
        )


def _range(numbers: list[list[float]]) -> str:
    low, high = extremes(numbers)
    return short(low) if low == high else f"{short(low)} to {short(high)}"


def page_of_suite(suite: SuiteReport) -> Page:
    """Return the page of several checks: those that fail first, open."""
    failed = suite.failures
    rest = [check for check in suite.checks if check.passed]
    return Page(
        command="report",
        title=summary(suite),
        facts="",
        verdict=_marked(suite.verdict),
        colour=svg.COLOURS[suite.verdict],
        words=summary(suite),
        counts=tuple(suite.counts.items()),
        checks=tuple(map(_check, [*failed, *rest])),
    )


def _check(check: CheckReport) -> Mapping[str, Any]:
    data = check.data or {}
    tensors = data.get("tensors", [])
    verdict = check.verdict
    return {
        "name": title(check),
        "place": place(check),
        "outcome": check.outcome,
        "passed": check.passed,
        "mark": "\N{BALLOT X}" if verdict is None else MARKS[verdict],
        "colour": "bad" if verdict is None else svg.COLOURS[verdict] if not check.passed or verdict.passes else "good",
        "program": escape(check.program[:LONGEST_PROGRAM], keep_newlines=True),
        "sentences": [one for one in sentences(check) if one] if not check.passed else [],
        "tensors": [_row(tensor) for tensor in tensors[:MOST_OF_CHECK]],
        "left_out": "".join(left_out(len(tensors) - MOST_OF_CHECK)),
        "reproduce": check.reproduce or "",
    }


def _row(tensor: Mapping[str, Any]) -> Mapping[str, str]:
    """Return a tensor of a check, of which there is only data."""
    verdict = None if tensor["verdict"] is None else Verdict(tensor["verdict"])
    text = (tensor.get("symbolic") or {}).get("formula") or ""
    return {
        "name": clip(tensor["name"], LONGEST_CELL),
        "shape": show_shape(tuple(tensor["shape"])),
        "gradient": clip(json.dumps(tensor["gradient"]), LONGEST_CELL),
        "formula": clip("" if "vjp(" in text else text, LONGEST_FORMULA),
        "verdict": _marked(verdict),
        "colour": "quiet" if verdict is None else svg.COLOURS[verdict],
    }
