"""`gradcli plot` on the command line: text, PNG and SVG, and what it says without matplotlib."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gradcli.cli.app import main
from gradcli.engine import evaluate_program
from gradcli.render.formats import FORMATS, PLOTS
from gradcli.render.style import Style
from gradcli.report.plot import Plot, PlotDetails
from gradcli.settings import Settings

FEW = ["--samples", "9"]


def test_a_terminal_gets_curves_of_braille_and_a_row_a_kink(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", "relu(x)", *FEW]) == 0
    text = capsys.readouterr().out
    assert "relu(x), along x" in text
    assert "its derivative by x" in text
    assert any(0x2800 < ord(character) <= 0x28FF for character in text)
    assert ["0", "kink", "0", "1", "0", "≈", "subgradient"] in [line.split() for line in text.splitlines()]


def test_plain_text_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", "relu(x)", "--format", "plain", *FEW]) == 0
    text = capsys.readouterr().out
    assert text.isascii()
    assert "|****" in text.replace(" ", "")
    assert r"\u" not in text


def test_a_range_a_second_derivative_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", "x**3", "--from", "-1", "--to", "1", "--samples", "3", "--order", "2", "--json"]) == 0
    (curve,) = json.loads(capsys.readouterr().out)["plot"]["curves"]
    assert (curve["points"], curve["value"]) == ([-1, 0, 1], [-1, 0, 1])
    assert (curve["derivative"], curve["second"]) == ([3, 0, 3], [-6, 0, 6])


def test_names_and_expressions_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", "--compare", "relu,clamp(x, -1, 1)", "--compare", "x*x", "--json", *FEW]) == 0
    curves = json.loads(capsys.readouterr().out)["plot"]["curves"]
    assert [curve["program"] for curve in curves] == ["relu(x)", "clamp(x, -1, 1)", "x*x"]


@pytest.mark.parametrize("where", ["o.png", "o.PNG"])
def test_a_png(where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / where
    assert main(["plot", "relu(x)", "-o", str(file), *FEW]) == 0
    data = file.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data.endswith(b"IEND\xaeB`\x82")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["relu(x)*sin(x)", "--order", "2"],
        ["x**2*y", "--wrt", "x,y", "--samples", "7"],
        ["softmax(X, dim=0)[0].sum()", "--shape", "3x4", "--init", "randn"],
        ["--compare", "relu,gelu"],
        ["1/x + floor(x)"],
    ],
)
def test_an_svg_is_alike_each_time(arguments: list[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    files = [tmp_path / "a.svg", tmp_path / "b.svg"]
    codes = {
        main(["plot", *(arguments if "--samples" in arguments else [*FEW, *arguments]), "-o", str(f)]) for f in files
    }
    assert codes <= {0, 1}
    first, second = (file.read_bytes() for file in files)
    assert first == second
    assert ET.fromstring(first).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  # our own
    assert b"<dc:date>" not in first


def test_matplotlib_says_nothing_of_where_it_keeps_its_fonts(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    nowhere = tmp_path / "file"
    nowhere.touch()
    command = [sys.executable, "-P", "-m", "gradcli", "plot", "x*x", "-o", str(tmp_path / "o.png"), *FEW]
    environment = {**os.environ, "MPLCONFIGDIR": str(nowhere / "folder")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


HOSTILE = 'x + 0*y # <script>alert(1)</script> $\\frac{1}{2}$ "quotes"'


def test_hostile_text_stays_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "a.svg"
    assert main(["plot", HOSTILE, "--wrt", "x", "-o", str(file), *FEW]) == 0
    text = file.read_text(encoding="utf-8")
    assert "<script" not in text
    shown = "".join(ET.fromstring(text).itertext())  # noqa: S314
    assert "<script>alert(1)" in shown
    assert "frac" in shown  # no mathematics was made of it
    assert main(["plot", HOSTILE, "--wrt", "x", *FEW]) == 0
    assert "<script>alert(1)" in capsys.readouterr().out


def test_marks_that_hide_text_are_shown_as_escapes() -> None:
    pytest.importorskip("matplotlib")
    report = evaluate_program("x*x", Settings(command="plot", samples=3))
    assert isinstance(report.details, PlotDetails)
    (curve,) = report.details.plot.curves
    hostile = replace(curve, program="x\u202ex \x1b[31m", wrt="x\u2066")
    report = replace(report, program=hostile.program, details=PlotDetails(Plot("curves", (hostile,))))
    for form in (PLOTS["svg"], FORMATS["table"], FORMATS["plain"], FORMATS["markdown"]):
        text = form.render(report, Style(80))
        assert not {"\u202e", "\u2066", "\x1b"} & {*text}
        assert "u202e" in text


def test_without_matplotlib_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["plot", "relu(x)", "-o", str(tmp_path / "a.svg"), *FEW]) == 2
    error = capsys.readouterr().err
    assert "matplotlib, which is not installed" in error
    assert "pip install 'gradcli[plot]'" in error
    assert not (tmp_path / "a.svg").exists()
    assert main(["plot", "relu(x)", *FEW]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["relu(x)", "--format", "png"], "a PNG needs a file"),
        ([], "plot needs a PROGRAM"),
        (["relu(x)", "--from", "a"], "'a' is not a number"),
        (["relu(x)", "--from", "1_0"], "is not a number"),
        (["relu(x)", "--samples", "1"], "--samples"),
        (["relu(x)", "--compare", "gelu,,silu"], "a name is empty"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_failure_has_the_command_that_gives_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", "sign(x)", "--from", "-2", "--compare", "x*x", "--samples", "9", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["reproduce"]
    assert found == "gradcli plot 'sign(x)' --from -2.0 --samples 9 --compare 'x*x'"


def test_code_is_drawn_along_one_of_its_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "model.py"
    file.write_text("import torch\ndef f(x, w):\n    return torch.relu(x * w).sum()\n", encoding="utf-8")
    arguments = ["plot", f"{file}:f", "--wrt", "x", "--value", "x=1", "--value", "w=2", *FEW]
    assert main([*arguments, "--json"]) == 0
    (curve,) = json.loads(capsys.readouterr().out)["plot"]["curves"]
    assert curve["derivative"][-1] == 2
    assert [one["at"] for one in curve["breaks"]] == [0]
    pytest.importorskip("matplotlib")
    assert main([*arguments, "-o", str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
