"""A plot as SVG, by matplotlib."""

from __future__ import annotations

from gradcli.render.plot.drawing import picture
from gradcli.render.style import Style
from gradcli.report.report import Report


def render(report: Report, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the plot as an SVG document."""
    lines = picture(report, "svg").decode("utf-8").split("\n")
    return "\n".join(line.rstrip() for line in lines)
