"""The report as one page of HTML: for light and dark, for a screen and for paper."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from gradcli.render import page
from gradcli.render.page.content import Page, page_of, page_of_suite
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.report.suite import SuiteReport

FOLDER = Path(page.__file__).parent


def render(report: Report, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the page of a report, in ASCII."""
    return _written(page_of(report))


def render_suite(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001
    """Return the page of several checks, in ASCII."""
    return _written(page_of_suite(suite))


def _written(shown: Page) -> str:
    style, script = (Markup(_asset(name)) for name in ("style.css", "script.js"))  # noqa: S704  # our own
    text = _template().render(page=shown, style=style, script=script)
    return text.encode("ascii", "xmlcharrefreplace").decode().strip() + "\n"


@cache
def _asset(name: str) -> str:
    return (FOLDER / name).read_text(encoding="ascii")


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")
