"""The output formats: a module each in this folder, and a row of `FORMATS`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from gradcli.escaping import break_commands

if TYPE_CHECKING:  # the options of a command need only the names of the formats
    from gradcli.render.style import Style
    from gradcli.report.report import Report
    from gradcli.report.suite import SuiteReport


class FormatModule(Protocol):
    """What the module of a format holds; as data, a report is its `to_dict()`."""

    def render(self, report: Report, style: Style) -> str:
        """Return a report as text; not needed in a format that knows only suites."""

    def render_suite(self, suite: SuiteReport, style: Style) -> str:
        """Return the report of several checks as text."""


@dataclass(frozen=True, slots=True)
class Format:
    """An output format, and the module of its name here, a `FormatModule`."""

    name: str
    knows_only_suites: bool = False
    """One report is shown as the suite of one check: the module has no `render`."""
    streams: bool = False
    """The text of a suite is that of its checks, one after the other: each is written as soon as it is finished."""
    is_read: bool = False
    """People read it: what is wrong with a check is said in it, and not once more on standard error."""
    escapes: tuple[str, str] = (r"\x3a", r"\x5b")
    """What stands for a colon and a bracket that would make a command to a job's log: see `break_commands`."""
    folder: str = __name__
    """The package in which the module is."""
    is_binary: bool = False
    """Its text stands for bytes, a character each (Latin-1), and goes to a file alone."""
    summary: tuple[str, str] | None = None
    """An environment variable and a format: the file that it names gets the suite in that format too."""

    def render(self, report: Report, style: Style) -> str:
        """Return a report as text."""
        if self.knows_only_suites:
            from gradcli.report.suite import suite_of

            return self.render_suite(suite_of([report]), style)
        text = self._module().render(report, style)
        return text if self.is_binary else break_commands(text, *self.escapes)

    @property
    def encoding(self) -> str:
        """Return how its text is written to a file."""
        return "latin-1" if self.is_binary else "utf-8"

    def render_suite(self, suite: SuiteReport, style: Style) -> str:
        """Return the report of several checks as text."""
        return break_commands(self._module().render_suite(suite, style), *self.escapes)

    def _module(self) -> FormatModule:
        """Return the format's module, which is loaded only where it is used."""
        return cast("FormatModule", import_module(f"{self.folder}.{self.name}"))


_JSON = (r"\u003a", r"\u005b")
_XML = ("&#58;", "&#91;")
_ROWS = (
    Format("table", is_read=True),
    Format("plain", is_read=True),
    Format("json", escapes=_JSON),
    Format("jsonl", escapes=_JSON, streams=True),
    Format("markdown", is_read=True),
    Format("html", escapes=_XML, is_read=True),
    Format("latex", knows_only_suites=True),
    Format("concise", knows_only_suites=True),
    # Its own commands stay: what comes from a user stands behind them, on the same line.
    Format("github", knows_only_suites=True, escapes=(":", r"\x5b"), summary=("GITHUB_STEP_SUMMARY", "markdown")),
    Format("junit", knows_only_suites=True, escapes=_XML),
    Format("gitlab", knows_only_suites=True, escapes=_JSON),
    Format("sarif", knows_only_suites=True, escapes=_JSON),
    Format("rdjson", knows_only_suites=True, escapes=_JSON),
    Format("azure", knows_only_suites=True, escapes=(r"\x3a", "[")),
)
FORMATS: Mapping[str, Format] = {row.name: row for row in _ROWS}

_GRAPH = "gradcli.render.graph"
_PICTURES = (
    Format("mermaid", folder=_GRAPH, escapes=("#58;", "#91;")),
    Format("dot", folder=_GRAPH, escapes=_XML),
    Format("svg", folder=_GRAPH, escapes=_XML),
    Format("html", folder=_GRAPH, escapes=_XML),
)
PICTURES: Mapping[str, Format] = {row.name: row for row in _PICTURES}
"""What `graph` draws; a report of another command has none of them."""


_PLOT = "gradcli.render.plot"
_PLOTS = (Format("png", folder=_PLOT, is_binary=True), Format("svg", folder=_PLOT, escapes=_XML))
PLOTS: Mapping[str, Format] = {row.name: row for row in _PLOTS}
"""What `plot` draws with matplotlib."""
OF_COMMANDS: Mapping[str, Mapping[str, Format]] = {"graph": PICTURES, "plot": PLOTS}


def format_of(name: str, command: str) -> Format:
    """Return the format of a name or, of a command that draws, the picture."""
    own = OF_COMMANDS.get(command, {})
    return own[name] if name in own else FORMATS[name]
