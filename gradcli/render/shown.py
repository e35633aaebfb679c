"""A report as Python and notebooks have it: it shows itself."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter

from gradcli.report import report as data


@dataclass(frozen=True, slots=True, repr=False)
class Report(data.Report):
    """A report that shows itself: `print(report)` is what the command line writes with `--format plain`."""

    def __str__(self) -> str:
        """Return the report as plain text, as wide as the terminal."""
        from gradcli.render.formats import FORMATS
        from gradcli.render.style import style_for

        return FORMATS["plain"].render(self, style_for(None)).rstrip("\n")

    def _repr_html_(self) -> str:
        """Return the report as a table of HTML, which notebooks show."""
        from gradcli.render.notebook import html

        return html(self)

    def _repr_latex_(self) -> str | None:
        """Return the formulas of the gradients as LaTeX, which some readers show; None if there is none."""
        from gradcli.render.notebook import latex

        return latex(self)

    def summary(self) -> str:
        """Return the last line of the report: the verdict, and what it means."""
        from gradcli.render.last_line import summary

        return summary(self)


_values_of = attrgetter(*[field.name for field in fields(Report)])


def shown(report: data.Report) -> Report:
    """Return a report as one that shows itself."""
    return Report(*_values_of(report))
