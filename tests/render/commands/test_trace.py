"""The chain rule fits 80 columns, and has longer names and formulas where there are 120."""

from __future__ import annotations

import pytest

from gradcli.engine import evaluate_program
from gradcli.render import FORMATS
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.settings import Settings

PROGRAM = "h = torch.tanh(X @ w + b); torch.cosh(torch.log1p(h**2)).sum() + (h**3).mean()"
SETTINGS = Settings(command="trace", shapes={"X": (2, 3), "w": (3, 2), "b": (2,)}, init="randn")


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate_program(PROGRAM, SETTINGS)


@pytest.mark.parametrize("name", ["table", "plain"])
@pytest.mark.parametrize(("width", "operand"), [(80, "  to torch.l ... **2)  "), (120, "  to torch.log1p(h**2)  ")])
def test_the_chain_rule_takes_the_terminals_width(report: Report, name: str, width: int, operand: str) -> None:
    lines = FORMATS[name].render(report, Style(width=width)).splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.startswith(operand) for line in lines)


@pytest.mark.parametrize("name", ["table", "plain"])
def test_a_sum_over_axes_is_not_broken_in_a_row_of_numbers(report: Report, name: str) -> None:
    lines = FORMATS[name].render(report, Style(width=80)).splitlines()
    place = next(place for place, line in enumerate(lines) if "summed over axis 0:" in line)
    numbers = (lines[place].partition(": ")[2] or lines[place + 1]).strip()
    assert numbers.startswith("[")
    assert numbers.endswith("]")
