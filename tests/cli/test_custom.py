"""`gradcli custom` as a user runs it: the file in a process of its own, whatever it does."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path

import pytest

from gradcli.cli.app import main

GRADCLI = str(Path(sysconfig.get_path("scripts")) / "gradcli")
SQUARE = """
import torch
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g
"""


LEAKY = """
import torch
class Leaky(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, leaky: bool, slope=0.5):
        ctx.save_for_backward(x)
        ctx.leaky = leaky
        ctx.slope = slope
        return torch.where(x > 0, x, slope * x if leaky else 0 * x)
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, g, ctx.slope * g if ctx.leaky else 7 * g), None, None
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [GRADCLI, "custom", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_a_right_function_and_what_it_prints(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("print('from a helper \\x1b[31m')\n")
    (tmp_path / "ops.py").write_text("import helper\n" + SQUARE + "print('loaded')\n")
    done = run(tmp_path, "ops.py:Square", "--shape", "3", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert report["verdict"] == "match"
    assert report["node"]["name"] == "SquareBackward"
    assert report["node"]["next_functions"] == {"x": "AccumulateGrad"}
    assert {check["verdict"] for check in report["checks"]} == {"match"}
    assert "loaded" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_file_that_ends_the_process_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "ops.py").write_text("import os\nos._exit(0)\n")
    done = run(tmp_path, "ops.py:Square", "--shape", "3", "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "ended the process" in done.stderr


def test_a_file_that_never_ends_is_undecided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = ["while True:", "    try:", "        while True: pass", "    except BaseException: pass"]
    (tmp_path / "ops.py").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gradcli.suite.isolated.GRACE", 4.0)
    assert main(["custom", "ops.py:Square", "--timeout", "1"]) == 3
    assert "no verdict within 1 s" in capfd.readouterr().err


def test_an_argument_that_is_false_is_false(tmp_path: Path) -> None:
    (tmp_path / "ops.py").write_text(LEAKY)
    given = ["ops.py:Leaky", "--value", "x=[-2, 3]", "--json"]
    assert run(tmp_path, *given, "--argument", "leaky=true").returncode == 0
    wrong = run(tmp_path, *given, "--argument", "leaky=false")  # where its backward is wrong
    assert wrong.returncode == 1
    assert json.loads(wrong.stdout)["verdict"] == "mismatch"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["leaky=no"], "--argument: 'leaky' is True or False, and 'no' is text"),
        (["leaky=True", "slope=steep"], "--argument: 'slope' is a number, and 'steep' is text"),
        (["leeky=True"], "--argument: forward takes no 'leeky'\nhint: did you mean 'leaky'?"),
    ],
)
def test_an_argument_that_forward_cannot_mean_is_refused(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "ops.py").write_text(LEAKY)
    done = run(tmp_path, "ops.py:Leaky", *[word for argument in arguments for word in ("--argument", argument)])
    assert done.returncode == 2
    assert words in done.stderr


ROUNDED = """
import torch
class Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(x)
    @staticmethod
    def backward(ctx, g):
        return g
"""


def test_a_surrogate_is_named_in_the_last_line(tmp_path: Path) -> None:
    (tmp_path / "ops.py").write_text(ROUNDED)
    done = run(tmp_path, "ops.py:Rounded", "--shape", "3", "--surrogate", "x", "--format", "plain")
    assert done.returncode == 0
    assert "backward is the derivative of the surrogate x, and passes every check" in done.stdout
    inline = ["--forward", "round(x)", "--backward", "x: g", "--value", "x=0.7"]
    assert run(tmp_path, *inline).returncode == 1
    report = run(tmp_path, *inline, "--surrogate", "x", "--json")
    assert (report.returncode, json.loads(report.stdout)["surrogate"]) == (0, "x")
