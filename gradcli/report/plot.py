"""What only `plot` reports: a function and its derivatives along one variable, or over two."""

from __future__ import annotations

from dataclasses import dataclass

from gradcli.report.notes import Noted, Notes
from gradcli.report.records import optional, shown_as
from gradcli.report.verdict import Verdict

Numbers = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Break(Noted):
    """A point at which a function bends or jumps, or has a pole.

    `below` and `above` are the one-sided derivatives, by difference quotients; null where these find none, as beside a
    cusp. Of a jump and a pole they are autograd's gradients next to it, and `values` what the function is on either
    side. `autograd` is the gradient that autograd has chosen at the point itself, and `verdict` is on that.
    """

    at: float
    kind: str  # "kink", "jump" or "pole"
    value: float | None
    below: float | None
    above: float | None
    autograd: float | None
    verdict: Verdict | None
    values: tuple[float, float] | None = optional()
    notes: Notes = shown_as("note", default=())


@dataclass(frozen=True, slots=True)
class Curve:
    """A function of one number at some points, with autograd's derivatives there; NaN where it has no value.

    `verdicts` says how many of the points came to which verdict, `worst` at which point the worst one is.
    """

    program: str
    wrt: str
    points: Numbers
    value: Numbers
    derivative: Numbers
    second: Numbers | None
    breaks: tuple[Break, ...]
    verdicts: dict[str, int]
    worst: float | None
    formula: str | None


@dataclass(frozen=True, slots=True)
class Arrow:
    """The gradient at a point of the plane."""

    at: tuple[float, float]
    gradient: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Field:
    """A function of two numbers, a row for each value of the second, and its gradient at some of the points."""

    program: str
    wrt: tuple[str, str]
    across: Numbers
    up: Numbers
    value: tuple[Numbers, ...]
    gradients: tuple[Arrow, ...]
    verdicts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Plot:
    """Curves, a field, or the names of the tensors whose entries are drawn as a map."""

    kind: str  # "curves", "field" or "maps"
    curves: tuple[Curve, ...] = ()
    field: Field | None = None
    maps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlotDetails:
    """What `plot` adds to the report."""

    plot: Plot
