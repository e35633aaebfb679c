"""What a reader is shown of a report, as text without a layout: the part that table, plain text and Markdown share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradcli.escaping import clip, escape
from gradcli.phrases import show_shape
from gradcli.render.formulas import LONGEST_FORMULA, LONGEST_FORMULA_WITHIN, START, whole_or_start
from gradcli.render.grid import Grid, Lines, left_out
from gradcli.render.last_line import LONGEST_NAME, listed, verdict_words
from gradcli.render.modules import grids_of_modules, is_by_module, shown_whole
from gradcli.render.numbers import optional_lines, tensor_lines
from gradcli.render.presentation import Presentation, presentation_of
from gradcli.report.notes import shared, text_of, without
from gradcli.report.report import Report, TensorReport
from gradcli.report.verdict import Verdict, fails
from gradcli.tolerance import Tolerance

MOST_ROWS = 24
FIRST_ROWS = 12
LAST_ROWS = 4
MOST_PROGRAM_LINES = 24
LONGEST_PROGRAM_LINE = 400
MOST_NOTES = 24
LONGEST_NAMES = 12  # of several beside a note, which needs the room


@dataclass(frozen=True, slots=True)
class Row:
    """One tensor as text; a cell of several lines holds the rows of a matrix."""

    name: str
    shape: str
    grad_fn: str
    value: Lines
    tangent: Lines
    grad: Lines
    gradient: Lines
    symbolic: Lines
    formula: str
    verdict: Verdict | None
    verdict_text: str


@dataclass(frozen=True, slots=True)
class Section:
    """The leaves or the non-leaves: the rows that are shown, and how many are left out after `first` of them."""

    title: str
    rows: tuple[Row, ...]
    first: int
    left_out: int
    shows_shape: bool
    shows_grad_fn: bool
    shows_symbolic: bool
    shows_formula: bool
    shows_tangent: bool
    shows_gradient: bool
    shows_grad: bool
    shows_verdict: bool
    grad_is_gradient: bool  # in every row, so that one column can show both
    below: str
    """What there is to say of all rows."""

    @property
    def left_out_text(self) -> str:
        """Return the line that stands for the rows left out."""
        return left_out(self.left_out)[0]


@dataclass(frozen=True, slots=True)
class View:
    """A report as text."""

    facts: str
    tolerance: str
    """The tolerances, unless they are those of the dtype."""
    program: Lines
    output_name: str
    output_sign: str
    """What stands between the output's name and its value: a name that tells a point has an equals sign already."""
    output_shape: str
    output_value: Lines
    sections: tuple[Section, ...]
    grids: tuple[Grid, ...]
    notes: tuple[tuple[str, str], ...]
    verdict: Verdict
    verdict_words: str
    reproduce: str
    """The command that gives the verdict again, on one line; empty of a pass."""


def view_of(report: Report) -> View:
    """Return what a reader is shown of the report."""
    how = presentation_of(report)
    of_report = how.grids_of_report(report)
    by_module = how.shows_gradient and is_by_module(report) and not of_report
    tensors = shown_whole(report) if by_module else report.tensors
    shown = [tensor for tensor in tensors if how.shows(tensor)]
    leaves = [tensor for tensor in shown if tensor.kind == "leaf"]
    others = [tensor for tensor in shown if tensor.kind != "leaf"]
    titled = (("Leaf tensors", leaves), ("Non-leaf tensors", others))
    sections = [_section(title, own, how) for title, own in titled]
    return View(
        facts=escape(f"{report.dtype}, seed {report.seed}, {report.device}, torch {report.torch}"),
        tolerance=_tolerance(report),
        program=_program_lines(report.program),
        output_name=clip(report.output.name, LONGEST_NAME * 2),
        output_sign=":" if " = " in report.output.name else " =",
        output_shape=show_shape(report.output.shape),
        output_value=tensor_lines(report.output.value),
        sections=tuple(section for section in sections if section.rows),
        grids=(
            *how.grids_of_tensors(tensors),
            *(grids_of_modules(report, tensors) if by_module else ()),
            *how.grids(report.details),
            *of_report,
        ),
        notes=(
            *_notes(tensors if by_module and tensors else report.tensors),
            *(("program", escape(note)) for note in report.notes or ()),
        ),
        verdict=report.verdict,
        verdict_words=verdict_words(report, how),
        reproduce=report.reproduce or "",
    )


def _tolerance(report: Report) -> str:
    used = report.tolerance
    if used is None or Tolerance.is_usual(report.dtype, used.rtol, used.atol):
        return ""
    return f"compared with rtol {used.rtol:g}, atol {used.atol:g}"


def _section(title: str, tensors: Sequence[TensorReport], how: Presentation) -> Section:
    shows_gradient = how.shows_gradient
    # PyTorch leaves .grad of a non-leaf None, which one sentence says for all of them.
    without = bool(how.why_no_grad) and all(t.grad is None and (how.leaves_grad or t.kind != "leaf") for t in tensors)
    shown = [*tensors] if len(tensors) <= MOST_ROWS else [*tensors[:FIRST_ROWS], *tensors[-LAST_ROWS:]]
    rows = tuple(map(_row, shown))
    return Section(
        title=title,
        rows=rows,
        first=len(shown) if len(shown) == len(tensors) else FIRST_ROWS,
        left_out=len(tensors) - len(shown),
        shows_shape=any(tensor.shape for tensor in shown),
        shows_grad_fn=any(tensor.grad_fn for tensor in shown),
        shows_symbolic=any(row.symbolic for row in rows),
        shows_formula=any(row.formula for row in rows),
        shows_tangent=any(tensor.tangent is not None for tensor in shown),
        shows_gradient=shows_gradient,
        shows_grad=shows_gradient and not without,
        shows_verdict=shows_gradient or any(tensor.verdict is not None for tensor in shown),
        grad_is_gradient=all(row.grad == row.gradient for row in rows),
        below=_why_no_grad(shown, how),
    )


def _row(tensor: TensorReport) -> Row:
    return Row(
        name=clip(tensor.name, LONGEST_NAME),
        shape=show_shape(tensor.shape),
        grad_fn=clip(tensor.grad_fn or "", LONGEST_NAME),
        value=tensor_lines(tensor.value),
        tangent=() if tensor.tangent is None else tensor_lines(tensor.tangent),
        grad=optional_lines(tensor.grad),
        gradient=optional_lines(tensor.gradient),
        symbolic=_disputed(tensor),
        formula=_formula(tensor),
        verdict=tensor.verdict,
        verdict_text=_verdict_text(tensor),
    )


def _disputed(tensor: TensorReport) -> Lines:
    """Return the symbolic value where it is not what autograd says."""
    disputed = tensor.jacobian is None and fails(tensor.autograd_verdict)
    symbolic = tensor.symbolic if disputed else None
    lines = () if symbolic is None or symbolic.value is None else tensor_lines(symbolic.value)
    return () if lines == optional_lines(tensor.gradient) else lines


def _formula(tensor: TensorReport) -> str:
    text = tensor.symbolic.telling_formula if tensor.symbolic else None
    if not text:
        return ""
    longest, start = (LONGEST_FORMULA,) * 2 if tensor.kind == "leaf" else (LONGEST_FORMULA_WITHIN, START)
    return whole_or_start(text, longest, start)


def _verdict_text(tensor: TensorReport) -> str:
    if tensor.only_claim_is_wrong:
        return "the claim is wrong"
    if tensor.verdict is not None:
        return str(tensor.verdict)
    return str(Verdict.UNVERIFIED) if tensor.requires_grad else "constant"


def _notes(tensors: Sequence[TensorReport]) -> tuple[tuple[str, str], ...]:
    """Return names and text of every note: what holds for several tensors is said once."""
    groups = shared([tensor.notes for tensor in tensors])
    names = [clip(tensor.name, LONGEST_NAME) for tensor in tensors]
    said = {_on_a_line("; ".join(words)): [names[place] for place in places] for words, places in groups.items()}
    told = {one for words in groups for one in words}
    for tensor, name in zip(tensors, names, strict=True):
        note = text_of(without(tensor.notes, told))
        if note:
            said.setdefault(_on_a_line(note), []).append(name)
    notes = [(listed(names, LONGEST_NAMES), note) for note, names in said.items()]
    more = left_out(len(notes) - MOST_NOTES, "notes")
    return (*notes[:MOST_NOTES], *(("...", line.removeprefix("... ")) for line in more))


def _on_a_line(text: str) -> str:
    return escape(" ".join(text.split()))


def _why_no_grad(tensors: Sequence[TensorReport], how: Presentation) -> str:
    """Return the words about tensors without .grad, with the name of one; nothing if there is none."""
    without = [tensor.name for tensor in tensors if tensor.grad is None and (how.leaves_grad or tensor.kind != "leaf")]
    name = next((name for name in without if name.isidentifier() and len(name) <= LONGEST_NAME), "NAME")
    return how.why_no_grad.format(name=name) if without else ""


def _program_lines(program: str) -> Lines:
    lines = [line.rstrip() for line in program.strip("\n").split("\n")]
    shown = [
        escape(line[:LONGEST_PROGRAM_LINE]) + (" ..." if len(line) > LONGEST_PROGRAM_LINE else "") for line in lines
    ]
    if len(shown) > MOST_PROGRAM_LINES:
        return (*shown[:MOST_PROGRAM_LINES], f"... {len(shown) - MOST_PROGRAM_LINES:,} more lines")
    return tuple(shown)
