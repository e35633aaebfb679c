from __future__ import annotations

from gradcli.engine import evaluate_program
from gradcli.render.formats import FORMATS
from gradcli.render.formulas import LONGEST_FORMULA_WITHIN, second, whole_or_start
from gradcli.render.style import Style
from gradcli.settings import Settings


def test_a_formula_stands_on_one_line_whole_or_cut() -> None:
    assert whole_or_start("w3\n + 1", 7, 2) == "w3 + 1"
    assert whole_or_start("w3 + 1", 5, 2) == "w3 ... (6 characters; --json has all)"
    assert second("6*x") == "6*x"
    assert second("x + " * LONGEST_FORMULA_WITHIN) == "(640 characters; --json has it)"


def test_a_table_of_second_derivatives_has_no_page_of_formula() -> None:
    long = "layer_norm(x, (2,), w)[0]"
    report = evaluate_program(long, Settings(command="hessian", values={"x": [1.0, 3.0], "w": [2.0, 5.0]}))
    text = FORMATS["table"].render(report, Style())
    assert "characters; --json has it)" in text
    assert len(text.splitlines()) < 50
