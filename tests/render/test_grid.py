"""A grid of what only some commands report is shown by every layout, whatever it holds."""

from __future__ import annotations

import pytest

from gradcli.render import FORMATS, view
from gradcli.render.grid import Grid
from gradcli.render.presentation import Presentation
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict

HEADED = Grid("Calls", ("call", "w1"), ((("1",), ("[1 2]", "[3 4]")), (("2",), Verdict.MISMATCH)), ("a sentence [w1]",))
PLAIN = Grid("Facts", (), ((("predicted",), ("error",)),))


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, textbook: Report) -> Report:
    monkeypatch.setattr(view, "presentation_of", lambda _: Presentation(lambda _: (HEADED, PLAIN)))
    return textbook


@pytest.mark.parametrize("name", ["table", "plain", "markdown"])
@pytest.mark.parametrize("width", [40, 120])
def test_every_layout_shows_titles_headings_cells_and_sentences(report: Report, name: str, width: int) -> None:
    style = Style(width=width, colour=False, unicode=True)
    text = FORMATS[name].render(report, style).replace("\\", "")
    for part in ("Calls", "call", "w1", "[1 2]", "[3 4]", "mismatch", "a sentence [w1]", "Facts", "predicted", "error"):
        assert part in text
