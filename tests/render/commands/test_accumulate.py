"""What each call leaves in `.grad`, as a table: rows of numbers stay whole."""

from __future__ import annotations

import pytest

from gradcli.engine import evaluate_program
from gradcli.render import FORMATS
from gradcli.render.style import Style
from gradcli.settings import Settings

VALUES = [[1.23456, -0.987654], [0.333333, 2.71828], [-3.14159, 0.577216]]


@pytest.mark.parametrize("name", ["table", "plain"])
@pytest.mark.parametrize(("width", "has_before"), [(80, False), (120, True)])
def test_rows_of_numbers_are_whole(name: str, width: int, has_before: bool) -> None:
    settings = Settings(command="accumulate", times=2, reduce="sum", values={"a_weight": VALUES}, formulas=False)
    text = FORMATS[name].render(evaluate_program("a_weight**2", settings), Style(width))
    rows = text.partition("Backward calls")[2].splitlines()
    assert sum(row.count("[ 2.46912  -1.97531 ]") for row in rows) == 3 + has_before
    assert any("before" in row for row in rows) is has_before
    assert max(map(len, rows)) <= width
