"""A plot as PNG, by matplotlib."""

from __future__ import annotations

from gradcli.render.plot.drawing import picture
from gradcli.render.style import Style
from gradcli.report.report import Report


def render(report: Report, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the plot as a PNG, a character for each byte."""
    return picture(report, "png").decode("latin-1")
