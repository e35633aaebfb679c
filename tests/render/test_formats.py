import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from gradcli.cli.app import main
from gradcli.render import FORMATS
from gradcli.render.formats import markdown
from gradcli.render.grid import Grid
from gradcli.render.style import Style
from gradcli.report.comparison import Comparison, Symbolic
from gradcli.report.notes import NoteKind, noted
from gradcli.report.report import Report, TensorReport, WitnessReport
from gradcli.report.suite import suite_of
from gradcli.report.verdict import Verdict

HUMAN = ["table", "plain", "markdown"]
WIDTHS = [40, 80, 120]
MakeTensor = Callable[..., TensorReport]
MakeReport = Callable[..., Report]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_shows_a_report_and_several(name: str, textbook: Report) -> None:
    assert FORMATS[name].render(textbook, Style(80))
    assert FORMATS[name].render_suite(suite_of([textbook, textbook]), Style(80))


ADDED = """
import sys, types
from gradcli.render import FORMATS
from gradcli.render.formats import Format

module = types.ModuleType("shout")
module.render_suite = lambda suite, _: "".join(f"{check.name.upper()}!\\n" for check in suite.checks)
sys.modules["gradcli.render.formats.shout"] = module
FORMATS["shout"] = Format("shout", **ROW)

from gradcli.cli.app import main
sys.exit(main(ARGUMENTS))
"""


def added(arguments: list[str], **row: bool) -> str:
    program = ADDED.replace("ROW", repr(row)).replace("ARGUMENTS", repr(arguments))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_a_format_is_a_module_and_a_row() -> None:
    assert added(["check", "w*w", "--format", "shout"], knows_only_suites=True) == "W*W!\n"
    assert added(["check", "w*w", "v*v", "--format", "shout"]) == "W*W!\nV*V!\n"
    assert added(["check", "w*w", "v*v", "--format", "shout"], streams=True) == "W*W!\nV*V!\n"
    assert f"{[*FORMATS][-1]} or shout." in " ".join(added(["check", "--help"]).replace("│", "").split())


@pytest.mark.parametrize("name", HUMAN)
def test_the_report_is_all_there(name: str, textbook: Report) -> None:
    text = FORMATS[name].render(textbook, Style(80))
    for part in ["z = w1 + w2", "float64", "seed 0", "w2", "2x2", "1.5", "0.25", "None", "MulBackward0", "w3 + 1"]:
        assert part in text
    for part in ["Leaf", "Non-leaf", "constant", "match", "agrees"]:
        assert part in text


@pytest.mark.parametrize("name", ["table", "plain"])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal(name: str, width: int, textbook: Report) -> None:
    assert max(map(len, FORMATS[name].render(textbook, Style(width)).splitlines())) <= width


@pytest.mark.parametrize("name", ["table", "plain"])
def test_nothing_is_lost_when_narrow(name: str, textbook: Report) -> None:
    text = FORMATS[name].render(textbook, Style(40))
    for part in ["w2", "2x2", "[1.5 1.5]", "[0.25 0.25]", ".grad", "None", "gradient", "w3 + 1", "match"]:
        assert part in text


@pytest.mark.parametrize("name", HUMAN)
def test_text_of_the_user_is_never_markup_and_never_a_control(
    name: str, make_tensor: MakeTensor, make_report: MakeReport
) -> None:
    tensor = make_tensor("[w1]", 1.0, 1.0, notes=noted(NoteKind.CAUSE, "[/x] and [red]this[/red]"))
    report = make_report(tensor, program="[/x] + [link=a]w[/link] # \x1b[31m \u202e \udcff :smile:")
    text = FORMATS[name].render(report, Style(120))
    for part in ["[w1]", "[link=a]w[/link]", "\\x1b[31m", "\\u202e", "\\udcff", ":smile:"]:
        assert part in text
    assert "[red]this[/red]" in text.replace("\\[", "[").replace("\\]", "]")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)


def test_colour_is_there_only_when_asked_for(textbook: Report) -> None:
    assert "\x1b[" in FORMATS["table"].render(textbook, Style(80, colour=True))
    assert "\x1b[" not in FORMATS["table"].render(textbook, Style(80, colour=False))


def test_the_table_does_not_depend_on_the_environment(textbook: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    before = FORMATS["table"].render(textbook, Style(80))
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "30", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    assert FORMATS["table"].render(textbook, Style(80)) == before


def test_plain_text_and_a_table_without_symbols_are_ascii(textbook: Report) -> None:
    assert FORMATS["plain"].render(textbook, Style(80)).isascii()
    assert FORMATS["table"].render(textbook, Style(80, unicode=False)).isascii()


@pytest.mark.parametrize("name", HUMAN)
@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_is_said_in_words(
    name: str, verdict: Verdict, make_tensor: MakeTensor, make_report: MakeReport
) -> None:
    report = make_report(make_tensor("w", 1.0, 1.0, verdict=verdict), verdict=verdict)
    text = FORMATS[name].render(report, Style(80))
    assert str(verdict) in text


@pytest.mark.parametrize("name", HUMAN)
def test_a_mismatch_shows_both_values_and_its_note(name: str, make_tensor: MakeTensor, make_report: MakeReport) -> None:
    symbolic = Symbolic("w/2", None, torch.tensor([1.0, 7.25]), Comparison(Verdict.MISMATCH, 5.25, 0.72, (1,)))
    tensor = make_tensor(
        "w",
        [1.0, 1.0],
        [1.0, 2.0],
        symbolic=symbolic,
        verdict=Verdict.MISMATCH,
        notes=noted(NoteKind.CAUSE, "a factor"),
    )
    text = FORMATS[name].render(make_report(tensor, verdict=Verdict.MISMATCH), Style(100))
    for part in ["symbolic", "7.25", "a factor"]:
        assert part in text


class Unread:
    """Stands for a tensor that must not be looked at."""

    def __getattr__(self, name: str) -> object:
        pytest.fail(f"{name} is read of a tensor that is not shown")


@pytest.mark.parametrize("name", HUMAN)
def test_of_a_thousand_non_leaves_only_those_that_are_shown_are_read(
    name: str, make_tensor: MakeTensor, make_report: MakeReport
) -> None:
    inner = {"kind": "non-leaf", "grad": None, "grad_fn": "MulBackward0"}
    tensors = [make_tensor(f"x{number}", 1.0, 1.0, **inner) for number in range(1000)]
    unread = {
        "value": Unread(),
        "gradient": Unread(),
        "symbolic": Symbolic("w", None, Unread(), Comparison(Verdict.MATCH)),
    }
    tensors[100:900] = [replace(tensor, **unread) for tensor in tensors[100:900]]  # type: ignore[arg-type]
    text = FORMATS[name].render(make_report(make_tensor("w", 1.0, 1.0), *tensors), Style(80))
    assert "x0" in text
    assert "x999" in text
    assert "984 more" in text
    assert len(text.splitlines()) < 60


@pytest.mark.parametrize("name", HUMAN)
def test_a_long_formula_note_and_name_are_folded(name: str, make_tensor: MakeTensor, make_report: MakeReport) -> None:
    symbolic = Symbolic("x + " * 5000 + "y", None, torch.tensor(1.0), Comparison(Verdict.MATCH))
    tensor = make_tensor(
        "w2*w3" * 100, 1.0, 1.0, symbolic=symbolic, notes=noted(NoteKind.CAUSE, "because " * 40 + "end")
    )
    text = FORMATS[name].render(make_report(tensor), Style(80))
    assert "characters" in text
    assert "end" in text
    assert len(text) < 4000


@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_json_is_strict_ascii_and_what_the_report_holds(
    name: str, make_tensor: MakeTensor, make_report: MakeReport
) -> None:
    tensor = make_tensor("w", [float("nan"), float("inf")], [0.5, 1.0])
    report = make_report(tensor, program="w # \x9b \u202e é")
    text = FORMATS[name].render(report, Style(80))
    assert json.loads(text) == report.to_dict()
    assert text.isascii()
    assert "NaN" in text


def test_a_json_line_is_one_line(textbook: Report) -> None:
    assert FORMATS["jsonl"].render(textbook, Style(80)).count("\n") == 1


def test_markdown_survives_bars_and_backticks(make_tensor: MakeTensor, make_report: MakeReport) -> None:
    text = FORMATS["markdown"].render(make_report(make_tensor("a|b`c", 1.0, 1.0), program="```\nw"), Style(80))
    assert "``a\\|b`c``" in text
    assert text.startswith("````python\n")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


@pytest.mark.parametrize("name", HUMAN)
def test_a_claim_that_is_wrong_is_not_laid_at_autograds_door(
    name: str, make_tensor: MakeTensor, make_report: MakeReport
) -> None:
    claimed = make_tensor("w", 1.0, 1.0, verdict=Verdict.MISMATCH, dissenter="claim")
    text = FORMATS[name].render(make_report(claimed, verdict=Verdict.MISMATCH), Style(100))
    assert "a claim disagrees with the symbolic derivative" in text
    assert "autograd disagrees" not in text


@pytest.mark.parametrize("name", HUMAN)
def test_without_a_symbolic_derivative_the_witnesses_are_named(
    name: str, make_tensor: MakeTensor, make_report: MakeReport
) -> None:
    heard = {"taylor": WitnessReport(Verdict.MATCH, order=2.0)}
    text = FORMATS[name].render(make_report(make_tensor("w", 1.0, 1.0, symbolic=None, witnesses=heard)), Style(100))
    assert "autograd agrees with the numerical witnesses in every entry" in text


def test_what_stands_in_backticks_is_code_for_markdown() -> None:
    text = markdown.prose("`--grad-output` gives *another*, as `a|b` does; a lone ` stays")
    assert text == r"`--grad-output` gives \*another\*, as `a\|b` does; a lone \` stays"


def test_sentences_beside_a_name_are_a_list_for_markdown() -> None:
    grid = Grid("Notes", (), ((("x",), ("the value is infinite, `clamp` helps",)), (("g",), ("[1 2]",))))
    assert markdown._extra(grid) == "- `x`: the value is infinite, `clamp` helps\n- `g`: `[1 2]`"


def test_a_cell_with_code_in_it_shows_no_backtick_for_markdown() -> None:
    grid = Grid("Checks", ("check", "note"), ((("other shapes",), ("`.sum_to_size(b.shape)` would",)),))
    assert markdown._extra(grid).endswith("| `other shapes` | `.sum_to_size(b.shape)` would |")


LATEX = [
    (["eval", "x*y"], [r"\frac{\partial f}{\partial x} &= y", r"\frac{\partial f}{\partial y} &= x"]),
    (["eval", "cumsum(x, dim=0).sum()", "--shape", "3"], [r"\left(\frac{\partial f}{\partial x}\right)_{p} &= 3 - p"]),
    (["check", "sum(softmax(x, dim=0)*y)", "--shape", "3"], [r"\operatorname{softmax}\left(x\right)"]),
    (
        ["hessian", "x @ A @ x", "--shape", "x=2", "--shape", "A=2x2"],
        [r"\frac{\partial^2 f}{\partial x^2} &= A + A^{\top}"],
    ),
    (["double-backward", "sum(x**3)", "--shape", "2"], [r"\sum \frac{\partial^2 f}{\partial x^2} &= 6 x"]),
]


@pytest.mark.parametrize(("arguments", "rows"), LATEX)
def test_formulas_are_written_as_latex(
    arguments: list[str], rows: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--format", "latex"]) == 0
    text = capsys.readouterr().out
    assert all(row in text for row in (*rows, r"\begin{align*}", r"\end{align*}"))
