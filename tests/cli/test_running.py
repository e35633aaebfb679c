"""What the command line reads a program from, and what it says of words that are none."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import gradcli
from gradcli.cli.app import main
from gradcli.errors import GradcliError

PROGRAM = "y = x * x\nz = y * y\nz\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))


@pytest.mark.parametrize("command", ["eval", "grad", "check", "double-backward"])
def test_a_file_is_read(session: Any, folder: Path, command: str) -> None:
    (folder / "prog.txt").write_bytes(b"\xef\xbb\xbf" + PROGRAM.replace("\n", "\r\n").encode())
    assert main([command, "prog.txt"]) == 0
    assert [source for source, _ in session.calls] == [PROGRAM]


def test_a_file_beside_a_program_is_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "x").write_text(PROGRAM)
    assert main(["check", "x", "u*v", "--format", "plain"]) == 0
    assert "2 checks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "message", "hint"),
    [
        ("train.py", "'train.py' is a Python script", "`gradcli run train.py`"),
        ("suite.toml", "is a suite", "`gradcli check suite.toml`"),
        ("long.txt", "longer than 16,384 bytes", "--max-program-size"),
        ("missing.txt", "there is no file 'missing.txt'", "a program may stand here"),
        ("missing.py", "there is no file 'missing.py'", ""),
    ],
)
def test_other_files_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], file: str, message: str, hint: str
) -> None:
    for name in ("train.py", "suite.toml"):
        (folder / name).write_text("x = 1")
    (folder / "long.txt").write_text("w + " * 5000 + "w")
    assert main(["eval", file]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert hint in error


def test_standard_input_is_one_program_everywhere(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("eval", "check"):
        type_in(monkeypatch, PROGRAM)
        assert main([command, "-"]) == 0
    assert [source for source, _ in session.calls] == [PROGRAM, PROGRAM]


def test_each_line_may_be_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    type_in(monkeypatch, "x*y\n\n# a comment\nu + v\n")
    assert main(["check", "-", "--each-line", "--format", "plain"]) == 0
    assert "2 checks" in capsys.readouterr().out
    type_in(monkeypatch, "# a comment\n")
    assert main(["check", "-", "--each-line"]) == 2
    assert "holds no program" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["x**2", "+", "y"], "ends before '+ y'", "put the program in quotes"),
        (["x**2", "x=2"], "'x=2' stands after the program", "`--value x=2`"),
        (["x*y", "x=2", "y=[1,2]"], "stands after", "`--value x=2 --value y=[1,2]`"),
        (["x", ""], "ends before ''", "quotes"),
        (["x", "--retain-graph"], "unknown option", "gradcli double-backward"),
        (["x", "--create-graph"], "unknown option", "gradcli double-backward"),
        (["x", "--file", "y"], "unknown option", "gradcli eval FILE"),
        (["x", "--claim", "x=1"], "unknown option '--claim'", "`gradcli check` has it"),
        (
            ["x", "--times", "3"],
            "unknown option '--times'",
            "`gradcli accumulate` and `gradcli double-backward` have it",
        ),
    ],
)
def test_what_is_typed_by_habit_is_answered(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, hint: str
) -> None:
    assert main(["eval", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert hint in error
    assert "did you mean" not in error


@pytest.mark.parametrize("option", ["--retain-graph", "--create-graph"])
def test_a_second_backward_is_what_these_ask_for(session: Any, option: str) -> None:
    assert main(["double-backward", "x**3", option]) == 0
    assert session.calls[0][1].command == "double-backward"


def test_pytorch_s_own_word_is_an_option_too(session: Any) -> None:
    assert main(["grad", "x*y", "--grad-outputs", "random"]) == 0
    assert session.calls[0][1].grad_output == "random"


@pytest.mark.parametrize("command", ["eval", "check", "grad", "custom", "ops", "info"])
def test_help_has_a_short_form(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "-h"]) == 0
    assert "--help" in capsys.readouterr().out


def test_the_command_line_itself_has_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-h"]) == 0
    assert "double-backward" in capsys.readouterr().out


TRAP = (
    "import torch\nopen('ran', 'w').close()\n\n\ndef case():\n    return (lambda x: x * x), {'x': torch.tensor(1.0)}\n"
)


@pytest.mark.parametrize("name", ["trap:case", "trap.py:case", "trap.py", "os:getcwd"])
def test_only_an_argument_is_the_name_of_code(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Standard input, `program` in a suite, an option and Python's text are programs, and run nothing."""
    (folder / "trap.py").write_text(TRAP)
    monkeypatch.syspath_prepend(str(folder))
    for words in (["eval", "-"], ["check", "-"], ["check", "-", "--each-line"], ["check", "x*x", "-"]):
        type_in(monkeypatch, name)
        assert main(words) == 2
    (folder / "program.txt").write_text(name)
    assert main(["check", "program.txt"]) == 2
    (folder / "suite.toml").write_text(f"[[check]]\nprogram = '{name}'\n")
    assert main(["check", "suite.toml"]) == 2
    assert main(["check", "x*x", "--claim", f"x={name}"]) == 2
    with pytest.raises(GradcliError):
        gradcli.check(name, {})
    assert not (folder / "ran").exists()


def test_an_argument_may_be_the_name_of_code(folder: Path) -> None:
    (folder / "trap.py").write_text(TRAP)
    assert main(["eval", "trap.py:case", "-o", "/dev/null"]) == 0
    assert (folder / "ran").exists()
