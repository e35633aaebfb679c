"""A proof as text: both formulas, the verdict on each gradient, and under what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from gradcli.escaping import escape
from gradcli.phrases import show_shape
from gradcli.render.coloured import BAD, GOOD, HALF, OPEN, coloured, plain
from gradcli.render.indented_json import indented_json
from gradcli.render.style import Style
from gradcli.render.wrapping import wrap
from gradcli.report.proof import EXCEPT, PROVED, REFUTED, UNDECIDED, Kernel, ProofReport, ProvedGradient, Ran

INDENT = 4
WORDS = {
    PROVED: "PyTorch's backward is the derivative",
    EXCEPT: "PyTorch's backward is the derivative, except in the regions above",
    REFUTED: "PyTorch's backward is not the derivative",
    UNDECIDED: "nothing is decided: this is not a pass",
}
LOOKS = {
    r"\A.*": "dim",
    r"(?m)(?<=^  )\S.*(?=  with )": "bold",
    rf"(?m)^(?:by .+: )?{PROVED}\b": GOOD,
    rf"(?m)^(?:by .+: )?{EXCEPT}\b": HALF,
    rf"(?m)^(?:by .+: )?{UNDECIDED}\b": OPEN,
    rf"(?m)^(?:by .+: )?{REFUTED}\b": BAD,
}
RUN = "the Function fails as it is run, whatever the formula of its gradient"
EQUAL = "the two are identical at these points, in exact arithmetic; that is no proof"


def text(report: ProofReport, style: Style) -> str:
    """Return a proof as a reader sees it."""
    leaves = ", ".join(f"{name} {show_shape(shape)}" for name, shape in report.leaves.items())
    head = f"gradcli prove  {report.dtype}, torch {report.torch}"
    lines = [head, escape(f"  {' '.join(report.program.split())}  with {leaves}"), ""]
    for gradient in report.gradients:
        lines += [*_gradient(gradient, style), ""]
    if report.ran is not None and report.ran.failed:
        lines += [*_ran(report.ran, style), ""]
    lines += [part for line in _conditions(report) for part in wrap(line, style.width)]
    return coloured("\n".join([*lines, "", f"{report.verdict}: {_words(report)}"]) + "\n", style, LOOKS)


def _words(report: ProofReport) -> str:
    refuted = any(gradient.verdict == REFUTED for gradient in report.gradients)
    return RUN if report.verdict == REFUTED and not refuted else WORDS.get(report.verdict, EQUAL)


def _ran(ran: Ran, style: Style) -> Iterator[str]:
    """Yield the checks of a Function that fail, and the point that they were made at."""
    leaves = ", ".join(f"{name} = {value.tolist()}" for name, value in ran.leaves.items())
    yield escape("what no formula of the gradient shows: fails")
    yield from _indented(f"run at {leaves}, grad_output = {ran.grad_output.tolist()}:", style)
    for check in ran.failed:
        yield from _indented(f"{check.name}: {check.note}" if check.note else check.name, style)


def _gradient(gradient: ProvedGradient, style: Style) -> Iterator[str]:
    yield escape(f"by {gradient.wrt}: {gradient.verdict}")
    rows = {
        f"derivative by {gradient.entry}": gradient.derived,
        "PyTorch's backward": gradient.traced,
        "difference": gradient.difference if gradient.verdict != PROVED else None,
        "not decided": gradient.reason,
    }
    for name, value in rows.items():
        if value is not None:
            yield from _indented(f"{name}: {value}", style)
    for one in gradient.exceptions:
        error = "" if one.max_rel_error is None else f" (relative difference up to {one.max_rel_error:.2g})"
        yield from _indented(f"except where {one.region}: {one.cause}{error}", style)
    if gradient.witness is not None:
        found = gradient.witness
        leaves = ", ".join(f"{name} = {value}" for name, value in found.leaves.items())
        yield from _indented(f"at {leaves}, grad_output = {found.grad_output}:", style)
        yield from _indented(
            f"PyTorch gives {found.gradient:.10g}, and the derivative is {found.derivative:.10g}", style
        )


def _indented(line: str, style: Style) -> Iterator[str]:
    for part in wrap(escape(line), style.width - INDENT):
        yield " " * INDENT + part


def _conditions(report: ProofReport) -> Iterator[str]:
    for name, interval in report.domain.items():
        yield f"domain: {name} in {interval}"
    for assumption in report.assumptions:
        yield f"assumed: {assumption}"
    if report.kernel is not None:
        yield f"traced: {report.kernel.traced}"
        yield f"run: PyTorch's own kernels at {report.kernel.points} points, off by {_off_by(report.kernel)}"


def _off_by(kernel: Kernel) -> str:
    """Return how far kernels are from the derivative: of its largest entry, which is no measure where it is 0."""
    found = [] if kernel.max_rel_error is None else [f"{kernel.max_rel_error:.2g} of the largest entry"]
    found += [] if kernel.max_abs_error is None else [f"{kernel.max_abs_error:.2g} where the derivative is 0"]
    return ", and by ".join(found)


PROOF_FORMATS: Mapping[str, Callable[[ProofReport, Style], str]] = {
    "table": text,
    "plain": plain(text),
    "json": lambda report, _: indented_json(report.to_dict()),
}
