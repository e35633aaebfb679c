"""Code in suites: what a `target` is checked with, what goes with it, and where a failure points."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gradcli.cli.app import main
from gradcli.errors import InputError
from gradcli.settings import Settings
from gradcli.suite.check import Kind, SuiteCheck
from gradcli.suite.given import Given
from gradcli.suite.model import SuiteModel
from gradcli.suite.read import read_suite

MODEL = """import torch
class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x
    @staticmethod
    def backward(ctx, g):
        return g
def right(x, n=1):
    return {"loss": (x * n).sum(), "other": x.prod()}
def wrong(x):
    y = x.sin()
    return Double.apply(y).sum()
"""
ALL = """
[[check]]
target = "code/model.py:Net.inner"
shape = {x = "2x3"}
arguments = {n = 3, size = "a"}
output = 1
train = false
under = ["vmap", "eager"]
max-entries = 7
points = 2
reduce = "sum"
claims = {x = "g"}
"""


def read(folder: Path, text: str, **given: object) -> list[SuiteCheck]:
    (folder / "suite.toml").write_text(text, encoding="utf-8")
    return read_suite(str(folder / "suite.toml"), Given(Settings(command="check"), **given))  # type: ignore[arg-type]


def test_every_key_of_a_target_reaches_its_settings(tmp_path: Path) -> None:
    (check,) = read(tmp_path, ALL)
    assert (check.kind, check.program) == (Kind.TARGET, f"{tmp_path}/code/model.py:Net.inner")
    settings = check.settings
    assert (settings.command, settings.shapes, settings.arguments) == ("check", {"x": (2, 3)}, {"n": 3, "size": "a"})
    assert (settings.pick, settings.mode, settings.max_entries) == ("1", "eval", 7)
    assert settings.under == ("vmap", "eager")
    assert (settings.points, settings.reduce, settings.claims) == (2, "sum", {"x": "g"})


def test_a_module_stays_as_it_is_called_and_a_mode_as_it_was_built(tmp_path: Path) -> None:
    train, as_built = read(tmp_path, '[[check]]\ntarget = "m.n:f"\ntrain = true\n[[check]]\ntarget = "m.n:g"')
    assert (train.program, train.settings.mode, as_built.settings.mode) == ("m.n:f", "train", None)


def test_shapes_and_dtypes_of_a_list_make_a_check_each(tmp_path: Path) -> None:
    checks = read(tmp_path, '[[check]]\ntarget = "m:f"\nshape = ["2", "3"]\ndtype = ["float64", "float32"]')
    assert [check.name for check in checks] == ["m:f[2-float64]", "m:f[2-float32]", "m:f[3-float64]", "m:f[3-float32]"]


def test_the_command_line_wins_and_a_file_to_write_to_is_no_output_of_code(tmp_path: Path) -> None:
    text = '[[check]]\ntarget = "m:f"\noutput = "loss"\ntrain = true\narguments = {n = 1}'
    (check,) = read(tmp_path, text, said=frozenset({"out", "train"}))
    assert (check.settings.pick, check.settings.mode, check.settings.arguments) == ("loss", None, {"n": 1})


def test_transformations_of_the_command_line_are_for_code_alone(tmp_path: Path) -> None:
    text = '[[check]]\ntarget = "m:f"\n[[check]]\nprogram = "x"\n[[check]]\nfunction = "m:F"'
    (tmp_path / "suite.toml").write_text(text, encoding="utf-8")
    given = Given(Settings(command="check", under=("eager",)), said=frozenset({"under"}))
    checks = read_suite(str(tmp_path / "suite.toml"), given)
    assert [check.settings.under for check in checks] == [("eager",), (), ()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('target = "m:f"\nprogram = "x"', "a check has either 'program' or 'target'"),
        ('target = "m:f"\nreference = "x"', "'reference' does not go with 'target'"),
        ('program = "x"\noutput = "loss"', "'output' does not go with 'program'"),
        ('program = "x"\nunder = ["eager"]', "'under' does not go with 'program'"),
        ('function = "m:F"\ntrain = true', "'train' does not go with 'function'"),
        ('target = "m:f"\ntrain = "yes"', "'train': it should be a valid boolean"),
        ('target = "m:f"\nmax_entries = -1', "max-entries"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, f"[[check]]\n{text}\n")
    assert message in caught.value.message


def test_the_schema_of_suites_has_the_keys() -> None:
    keys = SuiteModel.model_json_schema()["$defs"]["CheckModel"]["properties"]
    assert {"target", "output", "train", "max-entries", "arguments"} <= set(keys)


def test_a_failure_points_at_the_line_of_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "model.py").write_text(MODEL, encoding="utf-8")
    defaults = '[defaults]\nwitnesses = ["symbolic"]\nshape = "3"\n'
    checks = '[[check]]\ntarget = "code/model.py:right"\narguments = {n = 2}\noutput = "other"\n'
    (tmp_path / "suite.toml").write_text(
        f'{defaults}{checks}[[check]]\ntarget = "code/model.py:wrong"', encoding="utf-8"
    )
    assert main(["check", "suite.toml", "--format", "json", "-o", "out.json"]) == 1
    right, wrong = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["checks"]
    assert (right["verdict"], right["output"]["name"]) == ("match", "prod(x)")
    assert wrong["source"] == {"file": "code/model.py", "line": 13}
    assert wrong["reproduce"] == "gradcli check suite.toml --only code/model.py:wrong"
    assert main(["check", "suite.toml", "--only", "wrong", "--format", "github"]) == 1
    assert "::error file=code/model.py,line=13,title=" in capsys.readouterr().out


def test_several_targets_of_the_command_line_are_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text(MODEL, encoding="utf-8")
    (tmp_path / "b.py").write_text(MODEL, encoding="utf-8")
    words = ["--shape", "2", "--shape", "z=3", "--witness", "symbolic", "--format", "concise"]
    assert main(["check", "a.py:right", "b.py:wrong", "x*z[0]", *words]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("b.py:13: mismatch: b.py:wrong: ")
    assert lines[-1] == "gradcli: 3 checks, 1 failed: 2 match, 1 mismatch"
