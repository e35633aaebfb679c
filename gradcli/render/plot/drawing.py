"""A plot as a figure of matplotlib, which is loaded here and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from gradcli.errors import InputError
from gradcli.escaping import clip
from gradcli.render.plot.maps import Map, drawn, extremes, maps_of
from gradcli.render.plot.series import Piece, derivative_pieces, range_of, second_pieces, value_pieces
from gradcli.report.plot import Break, Curve, Field, Plot, PlotDetails
from gradcli.report.report import Report, TensorReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MISSING = "PNG and SVG take the package matplotlib, which is not installed"
REMEDY = "pip install 'gradcli[plot]'; without it a plot is drawn in the terminal"
LONGEST_TITLE, LONGEST_LABEL = 70, 40
WIDTH, HEIGHT = 7.2, 2.6  # inches, of one picture
CELL = 2.6
ROWS, COLUMNS = 256, 256  # of a map
LEVELS = 16
MOST_MAPS = 12
COLOURS = ("#0969da", "#cf222e", "#1a7f37", "#8250df", "#9a6700", "#bf3989", "#1b7c83", "#57606a")
# Text stays text, marked with no date and numbered alike each time.
SETTINGS: Mapping[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gradcli",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.usetex": False,
    "text.parse_math": False,
    "axes.unicode_minus": False,
}


def picture(report: Report, form: str) -> bytes:
    """Return a plot as a file of a form that matplotlib knows; InputError where it is not installed."""
    with _settings():
        figure = _figure(report)
        file = BytesIO()
        figure.savefig(file, format=form, dpi=150, metadata={"Date": None} if form == "svg" else {"Software": None})
        return file.getvalue()


@contextmanager
def _settings() -> Iterator[None]:
    """Load matplotlib, and draw with its own defaults and ours, whatever the user's are."""
    with _silent():
        try:
            import matplotlib as mpl
        except ImportError:
            raise InputError(MISSING, hint=REMEDY) from None
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(cast("Any", SETTINGS))
            yield


@contextmanager
def _silent() -> Iterator[None]:
    """Keep matplotlib from saying where it cannot keep its fonts: a full disk, no folder of its own."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _figure(report: Report) -> Figure:
    details = report.details
    assert isinstance(details, PlotDetails)  # noqa: S101 (of this command)
    if details.plot.field is not None:
        return _field(details.plot.field)
    return _curves(details.plot) if details.plot.curves else _maps(drawn(report, details.plot.maps)[:MOST_MAPS])


def _empty(rows: int, columns: int, width: float, height: float) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure of so many pictures, each without anything in it; their columns share nothing."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, [list(row) for row in axes]


def _curves(plot: Plot) -> Figure:
    """Return the functions above their derivatives, and these above the second ones."""
    orders = 3 if plot.curves[0].second is not None else 2
    figure, axes = _empty(orders, 1, WIDTH, HEIGHT * orders)
    single, name = len(plot.curves) == 1, clip(plot.curves[0].wrt, LONGEST_LABEL)
    titles = (
        clip(plot.curves[0].program, LONGEST_TITLE) if single else "",
        f"derivative by {name}",
        "second derivative",
    )
    pieces = (value_pieces, derivative_pieces, second_pieces)
    for order, ((ax,), title, pieces_of) in enumerate(zip(axes, titles, pieces, strict=False)):
        numbers: list[float] = []
        for curve, colour in zip(plot.curves, _colours(), strict=False):
            numbers += _lines(ax, pieces_of(curve), colour, None if single else clip(curve.program, LONGEST_LABEL))
            _marks(ax, curve, colour, order)
        _frame(ax, plot.curves[0], numbers, title)
        if not single and not order:
            ax.legend(frameon=False)
    axes[-1][0].set_xlabel(name)
    return figure


def _colours() -> Iterator[str]:
    while True:
        yield from COLOURS


def _lines(ax: Axes, pieces: Sequence[Piece], colour: str, label: str | None) -> list[float]:
    """Draw pieces in one colour, and return the numbers that are in them."""
    for piece in pieces:
        xs, ys = [x for x, _ in piece], [y for _, y in piece]
        ax.plot(xs, ys, color=colour, linewidth=1.6, label=label)
        label = None
    return [y for piece in pieces for _, y in piece]


def _marks(ax: Axes, curve: Curve, colour: str, order: int) -> None:
    """Mark the breaks: open circles for what is on either side, a full one for autograd's choice."""
    for one in curve.breaks:
        ax.axvline(one.at, color="#818b98", linewidth=0.7, linestyle=":", zorder=0)
        sides, chosen = _sides(one, order)
        for side in sides:
            ax.plot([one.at], [side], "o", color=colour, markerfacecolor="white", markersize=5)
        if chosen is not None:
            ax.plot([one.at], [chosen], "o", color=colour, markersize=5)


def _sides(one: Break, order: int) -> tuple[list[float], float | None]:
    """Return what a break has on its sides, of the function or its derivative, and what is chosen at it."""
    if one.kind == "pole" or order > 1:
        return [], None
    if order:
        return [side for side in (one.below, one.above) if side is not None], one.autograd
    return list(one.values or ()), one.value


def _frame(ax: Axes, curve: Curve, numbers: Sequence[float], title: str) -> None:
    shown = range_of(numbers)
    ax.set_xlim(curve.points[0], curve.points[-1])
    ax.set_ylim(shown.low, shown.high)
    ax.set_title(title, loc="left", fontsize=10)
    ax.grid(visible=True, color="#d1d9e0", linewidth=0.5)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _field(field: Field) -> Figure:
    """Return contours, with the gradient as an arrow in the middle of each square."""
    figure, ((ax,),) = _empty(1, 1, WIDTH, WIDTH * 0.82)
    first, second = (clip(name, LONGEST_LABEL) for name in field.wrt)
    shown = range_of(number for row in field.value for number in row)
    values = [[min(max(number, shown.low), shown.high) for number in row] for row in field.value]
    drawn = ax.contourf(field.across, field.up, values, levels=LEVELS, cmap="viridis")
    ax.contour(field.across, field.up, values, levels=LEVELS, colors="white", linewidths=0.4)
    figure.colorbar(drawn, ax=ax, label=clip(field.program, LONGEST_LABEL))
    xs, ys = [one.at[0] for one in field.gradients], [one.at[1] for one in field.gradients]
    us, vs = [one.gradient[0] for one in field.gradients], [one.gradient[1] for one in field.gradients]
    ax.quiver(xs, ys, us, vs, color="#1f2328", angles="xy", width=0.003)
    ax.set_xlabel(first)
    ax.set_ylabel(second)
    ax.set_title(f"{clip(field.program, LONGEST_TITLE)}, and its gradient", loc="left", fontsize=10)
    return figure


def _maps(tensors: Sequence[TensorReport]) -> Figure:
    """Return a row of maps for each tensor: its entries, gradients, and errors."""
    found = [(tensor, maps_of(tensor, ROWS, COLUMNS)) for tensor in tensors]
    columns = max((len(maps) for _, maps in found), default=1)
    figure, axes = _empty(max(1, len(found)), columns, CELL * columns + 0.6, CELL * max(1, len(found)))
    for row in axes:
        for ax in row:
            ax.set_axis_off()
    for (tensor, maps), row in zip(found, axes, strict=False):
        for one, ax in zip(maps, row, strict=False):
            _map(figure, ax, clip(tensor.name, LONGEST_LABEL // 2), one)
    return figure


def _map(figure: Figure, ax: Axes, name: str, one: Map) -> None:
    """Draw one map: numbers of both signs are blue and red about 0, those of one sign have a scale from it."""
    low, high = extremes(one.numbers)
    most = max(abs(low), abs(high)) or 1.0
    both = low < 0
    drawn = ax.imshow(
        one.numbers, cmap="RdBu_r" if both else "viridis", vmin=-most if both else 0.0, vmax=most, aspect="auto"
    )
    ax.set_axis_on()
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(f"{one.title} of {name}", fontsize=9)
    figure.colorbar(drawn, ax=ax, format="%.3g")
