"""A grid of what only some commands report is shown by every layout, whatever it holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gradcli.render import FORMATS
from gradcli.render.commands import by_field
from gradcli.render.grid import Grid
from gradcli.render.style import Style
from gradcli.report.report import Report, Verdict

HEADED = Grid("Calls", ("call", "w1"), ((("1",), ("[1 2]", "[3 4]")), (("2",), Verdict.MISMATCH)), ("a sentence [w1]",))
PLAIN = Grid("Facts", (), ((("predicted",), ("error",)),))


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, textbook: Report) -> Report:
    monkeypatch.setattr(by_field, "EXTRAS", {"output": lambda _: (HEADED, PLAIN)})
    return textbook


@pytest.mark.parametrize("name", ["table", "plain", "markdown"])
@pytest.mark.parametrize("width", [40, 120])
def test_every_layout_shows_titles_headings_cells_and_sentences(report: Report, name: str, width: int) -> None:
    show: Callable[[Report, Style], str] = FORMATS[name]
    text = show(report, Style(width=width, colour=False, unicode=True)).replace("\\", "")
    for part in ("Calls", "call", "w1", "[1 2]", "[3 4]", "mismatch", "a sentence [w1]", "Facts", "predicted", "error"):
        assert part in text
