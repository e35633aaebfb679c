"""What `check` makes of its targets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gradcli.cli.app import main


def write(folder: Path, name: str, program: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f'[[check]]\nprogram = "{program}"\n', encoding="utf-8")


def test_a_folder_stands_for_its_suites_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["c", "f", "a", "e", "b", "d"]  # in no order that a file system may have them in
    for name in names:
        write(tmp_path / "gradients", f"{name}.toml", f"{name}*{name}")
    (tmp_path / "gradients" / "notes.txt").write_text("not a suite", encoding="utf-8")
    (tmp_path / "gradients" / "deeper.toml").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["check", "gradients", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [check["program"] for check in report["checks"]] == [f"{name}*{name}" for name in sorted(names)]
    assert [check["file"] for check in report["checks"]] == [f"gradients/{name}.toml" for name in sorted(names)]


def test_what_is_wrong_in_a_folder_s_suite_is_said_with_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "gradients", "a.toml", "a*a")
    (tmp_path / "gradients" / "b.toml").write_text("", encoding="utf-8")
    assert main(["check", str(tmp_path / "gradients")]) == 2
    assert "b.toml: a suite needs at least one check" in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["x*y"]])
def test_a_folder_without_a_suite_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    (tmp_path / "gradients").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["check", "gradients", *more]) == 2
    captured = capsys.readouterr()
    assert "the folder 'gradients' holds no suite (*.toml)" in captured.err
    assert not captured.out


def test_a_program_is_no_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "x +" + " " * 300 + "x"]) == 0  # longer than a name of a file may be
    assert main(["check", "x\0"]) == 2
    assert "match" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["check", "eval"])
def test_programs_that_nobody_writes_are_not_waited_for(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert main([command, "-", "--timeout", "0.3"]) == 3
    os.close(writing)
    assert capsys.readouterr().err.startswith("error: undecided: no verdict within 0.3 s\n")


@pytest.mark.parametrize(("option", "text"), [("-j", "0"), ("-j", "\u0663"), ("-j", "1_0"), ("--shard", "3/2")])
def test_where_checks_are_carried_out_is_looked_at_for_one_too(
    option: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "x*x", option, text]) == 2
    assert f"{option}: '" in capsys.readouterr().err
