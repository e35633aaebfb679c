"""What only `check` reports: what the numerical witnesses say, claims, and the points that were looked at."""

from __future__ import annotations

from collections.abc import Sequence

from gradcli.escaping import clip
from gradcli.phrases import show_shape
from gradcli.render.grid import Cell, Grid, Lines, Marked, left_out
from gradcli.render.modules import UNDER
from gradcli.render.numbers import tensor_lines
from gradcli.render.presentation import Presentation
from gradcli.report.check import CheckDetails, Point
from gradcli.report.report import TensorReport, WitnessReport
from gradcli.report.verdict import Verdict, fails
from gradcli.witnesses import COLUMNS, SYMBOLIC, TRANSFORMATIONS, WITNESSES

LONGEST = 28
DRAWN = "the output is not a scalar; `--grad-output` gives another"
MOST_ROWS = 24
PHRASES = {
    "autograd": "autograd",
    "claim": "the claim",
    SYMBOLIC: "the symbolic derivative",
    **{name: row.phrase for name, row in COLUMNS.items()},
}
ELSEWHERE = "at zero and at ties, small and large, on both sides of constants: symbolic derivative only"


def grids(details: CheckDetails) -> tuple[Grid, ...]:
    """Return the upstream gradient if it was drawn, the points if there are several, and how many there were beside."""
    upstream = () if details.grad_output is None else (_upstream(details.grad_output),)
    points = () if details.points is None else (_points(details.points),)
    return (*upstream, *points, *(() if details.further_points is None else (_further(details.further_points),)))


def _further(count: int) -> Grid:
    """Return how many further points there were; a grid of no rows."""
    return Grid("Further points", (), (), (f"{count} more, {ELSEWHERE}",))


def _upstream(grad_output: object) -> Grid:
    """Return the upstream gradient that was drawn."""
    return Grid("Upstream gradient, drawn at random", (), ((("g",), tensor_lines(grad_output)),), (DRAWN,))


def grids_of_tensors(tensors: Sequence[TensorReport]) -> tuple[Grid, ...]:
    """Return a grid with a line for each tensor that was checked, and one of the claims, where there are any."""
    checked = [tensor for tensor in tensors if tensor.witnesses is not None]
    claimed = [tensor for tensor in tensors if tensor.claim]
    under = [name for name in TRANSFORMATIONS if any(name in (tensor.witnesses or {}) for tensor in checked)]
    transformed = [tensor for tensor in checked if not {*under}.isdisjoint(tensor.witnesses or {})]
    grids = [_checked(checked)] if checked else []
    grids += [_transformed(transformed, under)] if under else []
    return (*grids, *([_claims(claimed)] if claimed else []))


def _points(points: Sequence[Point]) -> Grid:
    """Return a grid of the points and the verdict at each."""
    rows = tuple(((str(point.seed),), _or_dash(point.verdict)) for point in points[:MOST_ROWS])
    return Grid("Points", ("seed", "verdict"), rows, left_out(len(points) - len(rows)))


def _checked(tensors: Sequence[TensorReport]) -> Grid:
    """Return the verdict on each tensor, and how far each witness is off; of many, the wrong ones first."""
    # A tensor's report is not to be compared with another: its fields are tensors.
    shown = sorted(tensors, key=lambda tensor: not fails(tensor.verdict))[:MOST_ROWS]
    names = [name for name in WITNESSES if any(name in (tensor.witnesses or {}) for tensor in shown)]
    headings = ("name", "shape", "verdict", "symbolic", *(WITNESSES[name].heading for name in names))
    rows = []
    for tensor in (tensor for tensor in tensors if any(tensor is one for one in shown)):
        shown_errors = [_shown((tensor.witnesses or {}).get(name)) for name in names]
        name = (clip(tensor.name, LONGEST),)
        facts = (name, (show_shape(tensor.shape),), _or_dash(tensor.autograd_verdict), (_symbolic(tensor),))
        rows.append((*facts, *shown_errors))
    below = left_out(len(tensors) - len(shown))
    title = "Gradients, and how far each witness is from autograd's"
    return Grid(title, headings, tuple(rows), (*below, *_dissenters(shown)), last_spare="shape")


def _transformed(tensors: Sequence[TensorReport], names: Sequence[str]) -> Grid:
    """Return how far each tensor's gradient is off under each transformation; of many, the wrong ones first."""
    first = sorted(tensors, key=lambda tensor: not fails(tensor.verdict))[:MOST_ROWS]
    rows = tuple(
        ((clip(tensor.name, LONGEST),), *(_brief((tensor.witnesses or {}).get(name)) for name in names))
        for tensor in first
    )
    return Grid(UNDER, ("name", *(TRANSFORMATIONS[name].heading for name in names)), rows, _ways(first))


def _ways(tensors: Sequence[TensorReport]) -> Lines:
    """Return how the transformations that agree were made, where there is more than one way."""
    found = [
        (row.phrase, report.note)
        for name, row in TRANSFORMATIONS.items()
        for report in ((tensor.witnesses or {}).get(name) for tensor in tensors)
        if report is not None and report.verdict is Verdict.MATCH and report.note
    ]
    return tuple(f"{phrase}: {note}" for phrase, note in dict.fromkeys(found))


def _dissenters(tensors: Sequence[TensorReport]) -> Lines:
    """Return who dissents about which tensors, a line for each."""
    found: dict[str, list[str]] = {}
    for tensor in tensors:
        if tensor.dissenter:
            found.setdefault(tensor.dissenter, []).append(clip(tensor.name, LONGEST))
    return tuple(f"dissenting: {PHRASES[who]} ({', '.join(names)})" for who, names in found.items())


def _symbolic(tensor: TensorReport) -> str:
    found = None if tensor.symbolic is None else tensor.symbolic.max_abs_error
    return "" if found is None else _error(found)


def _shown(witness: WitnessReport | None) -> Cell:
    """Return the number that a witness's verdict rests on, with the mark of the verdict unless it is a match."""
    if witness is None:
        return ("",)
    number = "" if witness.order is None else f"{witness.order:.2f}"
    number = number if witness.max_abs_error is None else _error(witness.max_abs_error)
    if witness.verdict is Verdict.MATCH:
        return (number or str(witness.verdict),)
    return Marked(witness.verdict, number) if number else witness.verdict


def _brief(witness: WitnessReport | None) -> Cell:
    """Return the number of a match, and else the verdict: there are many columns, and a note has the number."""
    return _shown(witness) if witness is None or witness.verdict is Verdict.MATCH else (str(witness.verdict),)


def _error(value: float) -> str:
    return f"{value:.1e}" if value else "0"


def _claims(tensors: Sequence[TensorReport]) -> Grid:
    claims = [(tensor.name, tensor.claim) for tensor in tensors if tensor.claim is not None]
    rows = tuple(
        (
            (clip(name, LONGEST),),
            (clip(claim.text, LONGEST),),
            claim.verdict,
            () if claim.verdict.passes else tensor_lines(claim.value),
        )
        for name, claim in claims
    )
    if all(claim.verdict.passes for _, claim in claims):
        return Grid("Claims", ("name", "claim", "verdict"), tuple(row[:3] for row in rows))
    return Grid("Claims", ("name", "claim", "verdict", "value"), tuple((*row[:3], row[3] or ("",)) for row in rows))


def _or_dash(verdict: Verdict | None) -> Lines | Verdict:
    return ("-",) if verdict is None else verdict


def _is_wrong(tensor: TensorReport) -> bool:
    """Tell whether a tensor's value and gradient are shown: only if something is wrong with it."""
    return fails(tensor.verdict)


PRESENTATION = Presentation(grids, grids_of_tensors, shows=_is_wrong)
