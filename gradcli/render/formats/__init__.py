"""The output formats: a module each in this folder, and a row of `FORMATS`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the options of a command need only the names of the formats
    from gradcli.render.style import Style
    from gradcli.report.report import Report
    from gradcli.report.suite import SuiteReport


@dataclass(frozen=True, slots=True)
class Format:
    """An output format, and the module of its name here: it has `render_suite`, and `render` unless told otherwise."""

    name: str
    knows_only_suites: bool = False
    """One report is shown as the suite of one check: the module has no `render`."""
    streams: bool = False
    """The text of a suite is that of its checks, one after the other: each is written as soon as it is finished."""
    summary: tuple[str, str] | None = None
    """An environment variable and a format: the file that it names gets the suite in that format too."""

    def render(self, report: Report, style: Style) -> str:
        """Return a report as text."""
        if self.knows_only_suites:
            from gradcli.report.suite import suite_of

            return self.render_suite(suite_of([report]), style)
        text: str = self._module().render(report, style)
        return text

    def render_suite(self, suite: SuiteReport, style: Style) -> str:
        """Return the report of several checks as text."""
        text: str = self._module().render_suite(suite, style)
        return text

    def _module(self) -> Any:
        """Return the format's module, which is loaded only where it is used."""
        return import_module(f"{__name__}.{self.name}")


_ROWS = (
    Format("table"),
    Format("plain"),
    Format("json"),
    Format("jsonl", streams=True),
    Format("markdown"),
    Format("github", knows_only_suites=True, summary=("GITHUB_STEP_SUMMARY", "markdown")),
    Format("junit", knows_only_suites=True),
    Format("gitlab", knows_only_suites=True),
    Format("sarif", knows_only_suites=True),
)
FORMATS: Mapping[str, Format] = {row.name: row for row in _ROWS}
