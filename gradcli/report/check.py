"""What only `check` reports: the points that it looked at, and the upstream gradient that it drew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.report.custom import SourcePlace
from gradcli.report.records import optional
from gradcli.report.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Point:
    """One of several points that a program was checked at: `--seed` draws it again."""

    seed: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class CheckDetails:
    """What `check` adds to the report."""

    points: tuple[Point, ...] | None = optional()
    """None if there was only one, which is the report's."""
    further_points: int | None = optional()
    """At how many more points only the symbolic derivative was compared; None if no leaf was drawn."""
    grad_output: Any | None = optional()
    """The upstream gradient, of the output's shape, if it was drawn at random; else None."""
    source: SourcePlace | None = optional()
    """Of code that fails: the line of the step that the wrong gradient comes from."""
