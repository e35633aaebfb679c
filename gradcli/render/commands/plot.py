"""What only `plot` reports: curves as braille, with a row for each kink, and maps as shades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradcli.escaping import clip, escape
from gradcli.phrases import show_shape
from gradcli.render.grid import Grid, Lines, left_out
from gradcli.render.numbers import short
from gradcli.render.plot.braille import chart
from gradcli.render.plot.maps import Map, drawn, extremes, maps_of, shaded
from gradcli.render.plot.series import Piece, Range, derivative_pieces, range_of, second_pieces, value_pieces
from gradcli.render.presentation import Presentation, words_of
from gradcli.report.plot import Break, Curve, Field, PlotDetails
from gradcli.report.report import Report, TensorReport
from gradcli.report.verdict import Verdict

ROWS, COLUMNS = 16, 32  # of a map
LONGEST_TITLE = 60
MOST_BREAKS = 24


def grids(report: Report) -> tuple[Grid, ...]:
    """Return a grid for each picture, and one for the kinks of each curve."""
    details = report.details
    assert isinstance(details, PlotDetails)  # noqa: S101 (of this command)
    plot = details.plot
    curves = [grid for curve in plot.curves for grid in _curve(curve)]
    maps = [grid for tensor in drawn(report, plot.maps) for grid in _maps(tensor)]
    return (*curves, *(_field(plot.field) if plot.field else ()), *maps)


def _curve(curve: Curve) -> list[Grid]:
    across = Range(curve.points[0], curve.points[-1])
    name, program = clip(curve.wrt, LONGEST_TITLE), clip(curve.program, LONGEST_TITLE)
    parts = [(f"{program}, along {name}", value_pieces(curve)), (f"its derivative by {name}", derivative_pieces(curve))]
    parts += [(f"its second derivative by {name}", second_pieces(curve))] if curve.second is not None else []
    pictures = [_picture(title, pieces, across) for title, pieces in parts]
    formula = Grid("Formula of the derivative", (), (), (escape(curve.formula),)) if curve.formula else None
    return [*pictures, *([formula] if formula else []), *_breaks(curve), _counts(curve.verdicts, curve.worst, name)]


def _picture(title: str, pieces: Sequence[Piece], across: Range) -> Grid:
    up = range_of(number for piece in pieces for _, number in piece)
    return Grid(title, picture=chart(pieces, across, up))


def _breaks(curve: Curve) -> list[Grid]:
    if not curve.breaks:
        return []
    headings = (clip(curve.wrt, LONGEST_TITLE), "is a", "from below", "from above", "autograd", "verdict")
    rows = tuple(map(_break, curve.breaks[:MOST_BREAKS]))
    below = left_out(len(curve.breaks) - MOST_BREAKS)
    return [Grid("Where it bends, with the derivatives to both sides", headings, rows, below)]


def _break(one: Break) -> tuple[Lines | Verdict, ...]:
    numbers = (one.below, one.above, one.autograd)
    at, below, above, autograd = (("-",) if number is None else (short(number),) for number in (one.at, *numbers))
    return at, (one.kind,), below, above, autograd, one.verdict or ("",)


def _counts(verdicts: Mapping[str, int], worst: float | None, name: str) -> Grid:
    """Return a sentence on what the derivatives that are drawn came to."""
    told = ", ".join(f"{verdict} at {count:,}" for verdict, count in verdicts.items())
    where = "" if worst is None else f"; the first that is wrong is at {name} = {short(worst)}"
    return Grid("Points", (), (), (f"{told or 'none has a value'}{where}",))


def _field(field: Field) -> list[Grid]:
    numbers = [list(row) for row in reversed(field.value[:: max(1, len(field.up) // ROWS)])]
    numbers = [row[:: max(1, len(field.across) // COLUMNS)] for row in numbers]
    first, second = (clip(name, LONGEST_TITLE) for name in field.wrt)
    low, high = extremes([list(row) for row in field.value])
    where = (
        f"{first} from {short(field.across[0])} to {short(field.across[-1])}, to the right; "
        f"{second} from {short(field.up[0])} to {short(field.up[-1])}, upwards; the darker, the larger: "
        f"{short(low)} to {short(high)}"
    )
    title = f"{clip(field.program, LONGEST_TITLE)}, over {first} and {second}"
    return [Grid(title, below=(where,), picture=shaded(numbers)), _counts(field.verdicts, None, first)]


def _maps(tensor: TensorReport) -> list[Grid]:
    name = clip(tensor.name, LONGEST_TITLE)
    return [_map(name, tensor, one) for one in maps_of(tensor, ROWS, COLUMNS)]


def _map(name: str, tensor: TensorReport, one: Map) -> Grid:
    low, high = extremes(one.numbers)
    of = "of the largest or the mean of each block of entries: " if one.blocks else ""
    below = f"{of}{short(low)} to {short(high)}, the darker, the larger"
    return Grid(f"{one.title} of {name}, shape {show_shape(tensor.shape)}", below=(below,), picture=shaded(one.numbers))


def _words(details: PlotDetails) -> Mapping[Verdict, str]:
    """Return what the verdicts mean: of many points, unless maps are drawn."""
    if details.plot.kind == "maps":
        return {verdict: words_of(verdict) for verdict in Verdict}
    usual = {verdict: words_of(verdict, where="at every point that is drawn") for verdict in Verdict}
    return usual | AT_POINTS


AT_POINTS = {
    Verdict.SUBGRADIENT: "autograd agrees with the derivative, and at a kink its choice lies between the sides",
    Verdict.UNDEFINED: "at a point that is drawn the gradient is NaN, or there is no derivative",
    Verdict.MISMATCH: "autograd disagrees with the symbolic derivative at a point that is drawn",
}
PRESENTATION = Presentation(grids_of_report=grids, shows=lambda _: False, words=_words)
