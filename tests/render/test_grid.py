"""A grid of what only some commands report is shown by every layout, whatever it holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradcli.engine import evaluate_program
from gradcli.render import FORMATS, view
from gradcli.render.grid import NARROWEST, Grid, Marked, left_out
from gradcli.render.presentation import Presentation
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

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


NUMBERED = Grid("Off", ("name", "by"), ((("w1",), Marked(Verdict.MISMATCH, "1.5e-01")),))


@pytest.mark.parametrize(
    ("name", "shown"),
    [("table", "\u2717 1.5e-01"), ("plain", "x 1.5e-01"), ("markdown", "\u2717 1.5e-01")],
)
def test_a_number_with_a_verdict_has_its_mark(
    report: Report, monkeypatch: pytest.MonkeyPatch, name: str, shown: str
) -> None:
    monkeypatch.setattr(view, "presentation_of", lambda _: Presentation(lambda _: (NUMBERED,)))
    text = FORMATS[name].render(report, Style(width=80, colour=False, unicode=True))
    assert shown in text
    assert "mismatch" not in text


def test_the_last_spare_column_goes_where_shortened_texts_do_not_fit() -> None:
    grid = Grid("G", ("name", "shape", "value"), (((LONG,), ("2x3",), ("0.123456", "0")),), last_spare="shape")
    assert grid.fitted(40, 2).headings == ("name", "shape", "value")
    narrow = grid.fitted(22, 2)
    assert narrow.headings == ("name", "value")
    assert narrow.width(2) == 22
    assert replace(grid, last_spare="").fitted(22, 2).width(2) > 22


LONG = "softmax(X @ W, dim=-1).log().mean(dim=0)"
WIDE = Grid("Wide", ("name", "verdict", "value"), (((LONG,), Verdict.MATCH, ("[1.25 2.5]", "[3.75 5]")),))


def test_a_name_is_shortened_until_the_rows_fit() -> None:
    fitted = WIDE.fitted(44, 2)
    assert sum(fitted.widths) + 2 * 2 <= 44
    name, verdict, value = fitted.rows[0]
    assert name[0].startswith("softmax(")
    assert " ... " in name[0]
    assert (verdict, value) == WIDE.rows[0][1:]


def test_what_fits_and_what_is_a_sentence_stays_as_it_is() -> None:
    assert WIDE.fitted(80, 2) == WIDE
    sentence = Grid("Facts", (), ((("PyTorch says",), (LONG * 4,)),))
    assert sentence.fitted(40, 2) == sentence


TREE = Grid(
    "Tree",
    ("tensor", "grad_fn", "value"),
    ((("│  └─ " + "n" * 20,), ("AddBackward0",), ("1 to 2",)),),
    is_tree=True,
    spare=("grad_fn", "value"),
)


@pytest.mark.parametrize(
    ("width", "kept"),
    [(80, ("tensor", "grad_fn", "value")), (40, ("tensor", "value")), (30, ("tensor",)), (10, ("tensor",))],
)
def test_a_tree_keeps_its_names_and_gives_up_what_it_can_spare(width: int, kept: tuple[str, ...]) -> None:
    fitted = TREE.fitted(width, 2)
    assert fitted.headings == kept
    assert fitted.rows[0][0] == TREE.rows[0][0]


def test_no_name_is_shortened_to_nothing() -> None:
    assert WIDE.fitted(10, 2).widths[0] == NARROWEST


@pytest.mark.parametrize("name", ["table", "plain"])
def test_a_sentence_in_a_grid_is_wrapped_at_words(monkeypatch: pytest.MonkeyPatch, textbook: Report, name: str) -> None:
    facts = Grid("Facts", (), ((("observed",), ("a sentence of many words " * 8,)),))
    monkeypatch.setattr(view, "presentation_of", lambda _: Presentation(lambda _: (facts,)))
    text = FORMATS[name].render(textbook, Style(width=50))
    assert max(map(len, text.splitlines())) <= 50
    assert text.count("sentence") == 8


@pytest.mark.parametrize("name", ["table", "plain"])
def test_the_rows_of_a_check_stay_on_one_line_of_80_columns(name: str) -> None:
    values = {"X": [[0.5, -1.25]], "W": [[0.75], [1.5]], "b": [2.5]}
    settings = Settings(command="check", values=values, claims={"b": "3*g + b*0.0"}, formulas=False)
    text = FORMATS[name].render(evaluate_program("F.relu(X @ W + b).square().mean()", settings), Style(width=80))
    rows = text[text.index("Gradients, ") :].partition("dissenting")[0].splitlines()
    assert sum("F.relu" in row for row in rows) == 3
    assert max(map(len, rows)) <= 80
    assert all("match" in row for row in rows[3:] if row.strip())
    assert "dissenting: the claim (b)" in text


def test_what_is_left_out_is_counted() -> None:
    assert left_out(0) == left_out(-3) == ()
    assert left_out(1234) == ("... 1,234 more left out; --json has all",)
    assert left_out(1, "notes") == ("... 1 more notes left out; --json has all",)
