"""`[tool.gradcli]` of pyproject.toml: what it sets, what wins over it, and what is refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from gradcli.cli.app import main
from gradcli.errors import InputError
from gradcli.settings import Settings
from gradcli.suite.given import Given
from gradcli.suite.project import find_project
from gradcli.suite.read import read_suite

ALL = """
[project]
name = "ours"

[tool.gradcli]
shape = "2x3"
value = {w = 2}
seed = 3
dtype = "float32"
constants = "c"
grad-output = 2
claim = {w = "x"}
witness = ["symbolic"]
init = "randn"
reduce = "mean"
leaves = true
points = 2
rtol = 1e-3
atol = 0.5
timeout = 9
tags = "all"
paths = ["gradients"]
format = "concise"
"""
SUITE = '[[check]]\nprogram = "w*x"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text(ALL, encoding="utf-8")
    (tmp_path / "gradients" / "deeper").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given(**more: Any) -> Given:
    settings = Settings("check", **more)
    return Given(settings, frozenset(more), project=find_project(settings))


def test_every_key_reaches_its_setting(project: Path) -> None:
    (project / "suite.toml").write_text(SUITE, encoding="utf-8")
    (check,) = read_suite("suite.toml", given())
    assert check.tags == ("all",)
    assert check.settings == Settings(
        "check",
        shapes={None: (2, 3)},
        values={"w": 2},
        seed=3,
        dtype="float32",
        constants=("c",),
        grad_output=2,
        claims={"w": "x"},
        witnesses=("symbolic",),
        init="randn",
        reduce="mean",
        leaves=True,
        points=2,
        rtol=1e-3,
        atol=0.5,
        timeout=9,
        formulas=False,
    )


def test_the_command_line_wins_over_the_suite_and_the_suite_over_the_project(project: Path) -> None:
    text = "[defaults]\nseed = 4\nrtol = 0.25\n" + SUITE + "seed = 5\ntimeout = 8\n"
    (project / "suite.toml").write_text(text, encoding="utf-8")
    (check,) = read_suite("suite.toml", given())
    assert (check.settings.seed, check.settings.rtol, check.settings.timeout, check.settings.atol) == (5, 0.25, 8, 0.5)
    (check,) = read_suite("suite.toml", given(seed=0, timeout=60.0))  # as much as the defaults
    assert (check.settings.seed, check.settings.rtol, check.settings.timeout, check.settings.atol) == (0, 0.25, 60, 0.5)


@pytest.mark.parametrize(
    ("options", "seed", "dtype"),
    [
        ([], 3, "float32"),
        (["--seed", "0"], 0, "float32"),
        (["--dtype", "float64", "--rtol", "1e-9"], 3, "float64"),
        (["--isolated", "--shape", "2"], 0, "float64"),
    ],
)
def test_an_option_wins_even_if_it_says_the_default(
    project: Path, capsys: pytest.CaptureFixture[str], options: list[str], seed: int, dtype: str
) -> None:
    (project / "pyproject.toml").write_text('[tool.gradcli]\nseed = 3\ndtype = "float32"\n', encoding="utf-8")
    assert main(["check", "w*w", "--json", "--claim", "w=2*w*g", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["seed"], report["dtype"]) == (seed, dtype)


def test_other_commands_know_nothing_of_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert project
    assert main(["eval", "w*w", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dtype"] == "float64"


def test_lists_make_a_check_for_each(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = '[tool.gradcli]\nshape = ["2", "2x2"]\ndtype = ["float64", "float32"]\nwitnesses = ["symbolic"]\n'
    (project / "pyproject.toml").write_text(text, encoding="utf-8")
    assert main(["check", "w*w", "--json"]) == 0
    names = [check["name"] for check in json.loads(capsys.readouterr().out)["checks"]]
    assert names == ["w*w[2-float64]", "w*w[2-float32]", "w*w[2x2-float64]", "w*w[2x2-float32]"]
    assert main(["check", "w*w", "--json", "--shape", "3", "--dtype", "bfloat16,float64"]) == 0
    names = [check["name"] for check in json.loads(capsys.readouterr().out)["checks"]]
    assert names == ["w*w[bfloat16]", "w*w[float64]"]


def test_targets_are_checked_where_none_is_named_from_any_folder_below(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '[tool.gradcli]\ntargets = ["gradients", "more.toml"]\nvalues = "values.json"\nformat = "jsonl"\n'
    (project / "pyproject.toml").write_text(text, encoding="utf-8")
    (project / "values.json").write_text('{"w": 7}', encoding="utf-8")
    (project / "more.toml").write_text('[[check]]\nprogram = "w"\n', encoding="utf-8")
    (project / "gradients" / "a.toml").write_text('[[check]]\nprogram = "w*w"\n', encoding="utf-8")
    (project / "gradients" / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    for folder, up in ((project, ""), (project / "other" / "folder", "../../")):
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(folder)
        assert main(["check"]) == 0
        checks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [check["file"] for check in checks] == [f"{up}gradients/a.toml", f"{up}more.toml"]
        assert [check["output"]["value"] for check in checks] == [49, 7]
    assert main(["check", "w*w", "--format", "plain"]) == 0
    assert "= 49" in capsys.readouterr().out


def test_the_nearest_file_counts_even_if_it_says_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "gradients" / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    monkeypatch.chdir(project / "gradients" / "deeper")
    assert find_project(Settings()) is None


def test_a_folder_s_pyproject_is_no_suite(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", ".", "--isolated"]) == 2
    assert "the folder '.' holds no suite" in capsys.readouterr().err
    (project / "a.toml").write_text('[[check]]\nprogram = "v*v"\n', encoding="utf-8")
    assert main(["check", ".", "--isolated", "--json"]) == 0
    assert [check["program"] for check in json.loads(capsys.readouterr().out)["checks"]] == ["v*v"]


def test_without_a_target_anywhere_the_command_line_is_wrong(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert project
    for options in (["--isolated"], []):
        (project / "pyproject.toml").write_text("[tool.gradcli]\nseed = 1\n", encoding="utf-8")
        assert main(["check", *options]) == 2
        assert "check needs a TARGET" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[tool.gradcli]\nshpae = '2'", "pyproject.toml:2: 'shpae' is not a key of [tool.gradcli]", "'shape'"),
        ('[tool."gradcli"]\n\nprogram = "w"', "pyproject.toml:3: 'program' is not a key of [tool.gradcli]", "keys are"),
        ("[tool]\ngradcli = {sed = 1}", "pyproject.toml:2: 'sed' is not a key", "'seed'"),
        ("[tool]\nx = 1\ngradcli.sed = 1", "pyproject.toml:3: 'sed' is not a key", "'seed'"),
        ("[tool.gradcli.valuse]\nw = 1", "pyproject.toml:1: 'valuse' is not a key", "'values'"),
        ("[tool.gradcli]\nseed = 'one'", "pyproject.toml:2: 'seed': it should be a valid integer", ""),
        ("[tool.gradcli]\nseed = 1\nshape = '2y2'", "pyproject.toml:3: shape: '2y2' is not a size", "2x3"),
        ("[tool.gradcli]\natol = -1", "pyproject.toml:2: atol: it must be a finite number of at least 0", ""),
        ("[tool.gradcli]\ngrad-output = 'twos'", "pyproject.toml:2: grad-output: 'twos' is not a number", ""),
        ("[tool.gradcli]\nformat = 'jsn'", "pyproject.toml:2: 'format': it should be 'table'", "'json'"),
        ("[tool.gradcli]\ntargets = []", "pyproject.toml:2: 'targets': it must not be empty", ""),
        ("[tool]\ngradcli = 3", "pyproject.toml:2: 'tool.gradcli' is not a table", "[tool.gradcli]"),
        ("[tool.gradcli\n", "pyproject.toml:1: this is not TOML", ""),
        ("a = '", "pyproject.toml:1: this is not TOML", ""),
    ],
)
def test_what_is_wrong_is_said_with_its_line(project: Path, text: str, message: str, hint: str) -> None:
    (project / "pyproject.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        find_project(Settings("check"))
    assert caught.value.message.startswith(message)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("target", ["nowhere", "x*y", "gradients/none.toml", "notes.txt"])
def test_a_target_that_is_no_suite_is_refused_where_it_is_needed(
    project: Path, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    (project / "notes.txt").write_text("", encoding="utf-8")
    (project / "pyproject.toml").write_text(f'[tool.gradcli]\npaths = "{target}"\n', encoding="utf-8")
    assert main(["check"]) == 2
    assert f"pyproject.toml:2: 'targets': '{target}' is neither a suite" in capsys.readouterr().err
    assert main(["check", "w*w", "--witness", "symbolic"]) == 0


def test_the_command_of_a_failure_gives_it_again_under_a_project(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '[tool.gradcli]\nshape = {x = "2", y = "2"}\nseed = 3\ndtype = "float32"\nwitnesses = ["symbolic"]\n'
    (project / "pyproject.toml").write_text(text, encoding="utf-8")
    suite = '[[check]]\nname = "a"\nprogram = "x*y"\nclaim = {y = "2*x*g"}\n'
    (project / "s.toml").write_text(suite, encoding="utf-8")
    again = []
    for targets in (["x*x", "x*y", "--claim", "y=2*x*g"], ["x*y", "--claim", "y=2*x*g"], ["s.toml"]):
        assert main(["check", *targets, "--seed", "0", "--json"]) == 1
        report = json.loads(capsys.readouterr().out)
        wrong = report["checks"][-1] if "checks" in report else report
        assert main([*shlex.split(wrong["reproduce"])[1:], "--json"]) == 1
        found = json.loads(capsys.readouterr().out)
        assert found.get("checks", [found])[0]["tensors"] == wrong["tensors"]
        again.append(wrong["reproduce"])
    options = "--shape x=2 --shape y=2 --dtype float32 --witness symbolic --claim 'y=2*x*g'"
    program = f"gradcli check 'x*y' --isolated {options}"
    assert again == [program, program, "gradcli check s.toml --only a --seed 0"]
