"""Functions in suites: what they are checked with, in which process, and where a failure points."""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from gradcli.cli import child
from gradcli.cli.app import main
from gradcli.errors import InputError, SeveralFunctionsError
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings
from gradcli.suite import isolated
from gradcli.suite.check import Kind, SuiteCheck
from gradcli.suite.given import Given
from gradcli.suite.project import find_project
from gradcli.suite.read import read_suite
from gradcli.suite.work import longest

OPS = """
import os
import torch


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return x * g


class Power(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, n):
        ctx.save_for_backward(x)
        ctx.n = n
        return x**n

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return ctx.n * x ** (ctx.n - 1) * g, None


class Fatal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        os._exit(0)

    @staticmethod
    def backward(ctx, g):
        return g
"""
LINE = OPS.split("\n").index("    def backward(ctx, g):") + 1
SUITE = """
[defaults]
shape = "3"
reduce = "sum"
witnesses = ["symbolic"]

[[check]]
name = "wrong"
function = "../ops.py::Square"

[[check]]
name = "as expected"
function = "../ops.py:Square"
expect = "mismatch"

[[check]]
name = "power"
function = "../ops.py:Power"
argument = {n = 3}
reference = "x**3"

[[check]]
name = "fatal"
function = "../ops.py:Fatal"

[[check]]
name = "inline"
forward = "n = x.shape[0]; (x*x).sum()/n"
backward = {"dL/dx" = "2*x*g/n"}

[[check]]
name = "one of several"
function = "../ops.py"

[[check]]
name = "no argument"
program = "x @ w"
reduce = "none"
grad-output = [1, 2]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "gradients").mkdir()
    (tmp_path / "ops.py").write_text(OPS, encoding="utf-8")
    (tmp_path / "gradients" / "suite.toml").write_text(SUITE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def read(folder: Path, text: str) -> list[SuiteCheck]:
    (folder / "one.toml").write_text(text, encoding="utf-8")
    return read_suite(str(folder / "one.toml"), Given(Settings(command="check", reduce="mean", points=3)))


def test_a_process_that_ends_before_the_file_begins_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.py").write_text("def f(x): return x.sum()\n")
    monkeypatch.setattr(isolated, "CHILD", "gradcli.is_not_there")
    assert main(["check", f"{tmp_path}/model.py:f", "--shape", "3"]) == 4
    assert "ended before it had begun (exit status 1)" in capsys.readouterr().err


def test_functions_are_carried_out_and_failures_point_into_their_file(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    del folder
    assert main(["check", "gradients", "-j", "2", "--json"]) == 2
    said = capfd.readouterr()
    data = json.loads(said.out)
    assert [check["verdict"] for check in data["checks"]] == [
        "mismatch",
        "mismatch",
        "match",
        None,
        "match",
        None,
        None,
    ]
    assert data["failures"] == ["fatal", "one of several", "no argument", "wrong"]
    assert data["checks"][0]["source"] == {"file": "ops.py", "line": LINE}
    assert data["checks"][0]["line"] == 7
    again = [check["reproduce"] for check in data["checks"] if check["name"] in {"wrong", "fatal"}]
    assert again == [f"gradcli check gradients/suite.toml --only {name}" for name in ("wrong", "fatal")]
    errors = [check["error"] for check in data["checks"] if "error" in check]
    assert errors[0]["message"] == "the file ended the process that checks it (exit status 0)"
    assert "name one: gradients/../ops.py:Square, " in errors[1]["hint"]
    assert errors[2]["message"].startswith("grad-output has shape 2")
    assert "error: gradients/suite.toml:" in said.err


@pytest.mark.parametrize("form", ["github", "gitlab", "junit", "sarif", "concise", "rdjson", "azure"])
def test_custom_itself_says_where_in_these_formats(folder: Path, capfd: pytest.CaptureFixture[str], form: str) -> None:
    del folder
    assert main(["custom", "ops.py:Square", "--format", form]) == 1
    text = capfd.readouterr().out
    places = {
        "github": f"file=ops.py,line={LINE},",
        "gitlab": f'"begin": {LINE}',
        "junit": f'file="ops.py" line="{LINE}"',
        "sarif": f'"startLine": {LINE}',
        "concise": f"ops.py:{LINE}: mismatch: Square.apply(x): x: mismatch: ",
        "rdjson": f'"line": {LINE}',
        "azure": f";sourcepath=ops.py;linenumber={LINE};",
    }
    assert places[form] in text
    assert "the right one times 0.5" in text


def test_all_functions_of_a_file_are_checked(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = OPS.partition("class Fatal")[0]
    (folder / "ops.py").write_text(text, encoding="utf-8")
    assert main(["custom", "ops.py", "--argument", "n=2", "--value", "x=[1, 2]", "--json"]) == 1
    data = json.loads(capfd.readouterr().out)
    assert [(check["name"], check["verdict"]) for check in data["checks"]] == [
        ("ops.py:Square", "mismatch"),
        ("ops.py:Power", "match"),
    ]
    assert data["checks"][0]["reproduce"] == "gradcli custom ops.py:Square --value 'x=[1, 2]'"


@pytest.mark.parametrize(("options", "code"), [((), 1), (("--exit-zero",), 0)])
def test_the_verdicts_of_all_functions_decide_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], code: int
) -> None:
    def several(*_: object) -> None:
        raise SeveralFunctionsError("two", functions={"ops.py:A": ["x"], "ops.py:B": ["y"]})

    given: list[SuiteCheck] = []
    monkeypatch.setattr("gradcli.suite.isolated.checked_text", several)
    monkeypatch.setattr("gradcli.cli.suites.run_suite", lambda checks, *_: given.extend(checks) or 1)
    assert main(["custom", "ops.py", "--shape", "y=3", *options]) == code
    assert [(check.kind, check.program, check.settings.shapes) for check in given] == [
        (Kind.FUNCTION, "ops.py:A", {}),
        (Kind.FUNCTION, "ops.py:B", {"y": (3,)}),
    ]


def test_the_time_of_a_check_begins_when_its_process_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    check, pipe, seen = SuiteCheck("a", "ops.py:A", Settings(), kind=Kind.FUNCTION), io.StringIO(), []
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr("gradcli.engine.prepare", lambda *_: seen.append(("prepared", pipe.getvalue())))
    monkeypatch.setattr("gradcli.suite.work.attempted", lambda _: seen.append(("attempted", pipe.getvalue())))
    assert child._answer({"check": check}, pipe).keys() == {"report"}
    assert seen == [("prepared", ""), ("attempted", "\n")]
    started = longest(check) - longest(replace(check, kind=Kind.FORWARD))
    assert started == isolated.SECONDS_TO_START > 0


def test_an_error_is_said_once_and_headed_as_one(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "one.toml").write_text('[[check]]\nprogram = "sinn(x)"\n', encoding="utf-8")
    assert main(["check", "one.toml", "--format", "plain"]) == 2
    said = capfd.readouterr()
    assert said.out.splitlines()[-1] == "x error: 1 check, 1 failed: 1 error"
    assert (said.out + said.err).count("unknown function 'sinn'") == 1
    assert "hint: did you mean 'sin'?" in said.out


def test_what_holds_for_programs_alone_is_left_out(tmp_path: Path) -> None:
    text = '[defaults]\nreduce = "sum"\nwitness = ["taylor"]\nseed = 3\n[[check]]\nfunction = "a/ops.py:F"\n'
    (check,) = read(tmp_path, text)
    assert (check.kind, check.program) == (Kind.FUNCTION, str(tmp_path / "a/ops.py:F"))
    assert (check.name, check.settings.command) == ("a/ops.py:F", "custom")
    assert (check.settings.reduce, check.settings.seed, check.settings.points) == ("none", 3, 1)
    (module,) = read(tmp_path, '[[check]]\nfunction = "package.ops:F"\nexpect = "undecided"\ntag = "a"')
    assert (module.program, module.expect, module.tags) == ("package.ops:F", Verdict.UNDECIDED, ("a",))


@pytest.mark.parametrize(
    "text",
    [
        (
            'program = "x*c"\nshapes = "2"\nvalue = {c = 2}\ndtypes = "float32"\nconstant = "c"\nclaims = {x = "c"}\n'
            'grad_output = [1, 1]\nwitness = "taylor"\ntag = "t"'
        ),
        (
            'program = "x*c"\nshape = "2"\nvalues = {c = 2}\ndtype = "float32"\nconstants = "c"\n'
            'claim = {"dL/dx" = "c"}\n'
            'grad-output = [1, 1]\nwitnesses = ["taylor"]\ntags = "t"'
        ),
    ],
)
def test_every_key_may_be_spelt_for_one_or_several(tmp_path: Path, text: str) -> None:
    (check,) = read(tmp_path, f"[[check]]\n{text}")
    settings = check.settings
    assert (settings.shapes, settings.values, settings.dtype) == ({None: (2,)}, {"c": 2}, "float32")
    assert (settings.constants, settings.claims, settings.grad_output) == (("c",), {"x": "c"}, [1, 1])
    assert (settings.witnesses, check.tags) == (("taylor",), ("t",))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('function = "a.py:F"\nprogram = "x"', "2: a check has either 'program' or 'function'", ""),
        ('function = "a.py:F"\nclaim = {x = "1"}', "3: 'claim' does not go with 'function'", ""),
        ('program = "x"\n\nargument = {n = 3}', "4: 'arguments' does not go with 'program'", ""),
        ('name = "x"', "1: the check has no 'program', no 'target', and no 'function'", "program ="),
        ('program = "x"\nvalue = {x = 1}\nvalues = {x = 2}', "'values' and 'value' are the same key", "leave one"),
        ('program = "x"\nconstnat = "x"', "3: 'constnat' is not a key of a check", "constants"),
        ('forward = "x"\nbackward = {"a b" = "g"}', "3: backwards: the name of a tensor belongs", "`backwards = {x = "),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, f"[[check]]\n{text}\n")
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_two_spellings_in_braces_are_the_same_key_too(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text('check = [{program = "x", value = {x = 1}, values = {x = 2}}]')
    with pytest.raises(InputError, match=r"one\.toml:1: 'values' and 'value' are the same key"):
        read_suite(str(tmp_path / "one.toml"), Given(Settings(command="check")))


def test_a_project_s_defaults_hold_for_what_a_function_has(folder: Path) -> None:
    lines = 'reduce = "sum"\nseed = 4\nshapes = "2"\nclaims = {x = "1"}\n'
    (folder / "pyproject.toml").write_text(f"[tool.gradcli]\n{lines}")
    (folder / "one.toml").write_text('[[check]]\nfunction = "ops.py:Square"\n[[check]]\nprogram = "x"\n')
    base = Settings(command="check")
    function, program = read_suite("one.toml", Given(base, project=find_project(base)))
    found = [(check.settings.reduce, check.settings.claims, check.settings.seed) for check in (function, program)]
    assert found == [("none", {}, 4), ("sum", {"x": "1"}, 4)]
    assert function.settings.shapes == program.settings.shapes == {None: (2,)}


@pytest.mark.parametrize(
    ("lines", "message", "hint"),
    [
        ("value = {x = 1}\nvalues = {x = 2}", "3: 'values' and 'value' are the same key", "leave one of them out"),
        ('paths = "a"\ntargets = "b"', "3: 'targets' and 'paths' are the same key", "leave one of them out"),
        ('seed = 1\nclaims = {"a b" = "g"}', "3: claim: the name of a tensor belongs", "`claim = {"),
    ],
)
def test_a_project_says_what_is_wrong_in_its_own_words(folder: Path, lines: str, message: str, hint: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.gradcli]\n{lines}\n")
    with pytest.raises(InputError) as caught:
        find_project(Settings(command="check"))
    assert caught.value.message.startswith(f"pyproject.toml:{message}")
    assert hint in (caught.value.hint or "")
