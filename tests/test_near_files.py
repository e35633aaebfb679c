"""A misspelt file: the hint names the one that is meant, whatever reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradcli.cli.app import main
from gradcli.inputs.near_files import near_files


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("suite.toml", "prog.txt", "ops.py", "values.json"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["check", "siute.toml"], "suite.toml"),
        (["check", "suite.tom"], "suite.toml"),
        (["check", "suite.yaml"], "suite.toml"),
        (["check", "porg.txt"], "prog.txt"),
        (["eval", "prgo.txt"], "prog.txt"),
        (["eval", "x*y", "--values", "vaules.json"], "values.json"),
    ],
)
def test_the_file_that_is_meant_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], meant: str
) -> None:
    assert folder
    assert main(arguments) == 2
    assert f"hint: did you mean '{meant}'?" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_said(folder: Path) -> None:
    assert near_files(folder / "none" / "suite.toml", [".toml"]) == f"there is no folder '{folder / 'none'}'"


def test_where_no_name_is_near_the_files_are_listed_or_another_hint_is_given(folder: Path) -> None:
    path = folder / "quite_another_name.toml"
    assert near_files(Path("zzz.toml"), [".toml"]) == "the folder has suite.toml"
    assert near_files(Path("zzz.toml"), [".toml"], "another hint") == "another hint"
    assert near_files(path, [".ini"]) is None
