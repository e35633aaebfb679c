"""`gradcli custom` as a user runs it: the file in a process of its own, whatever it does."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from gradcli.cli.app import main

if TYPE_CHECKING:
    import pytest

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
    monkeypatch.setattr("gradcli.cli.isolated.GRACE", 4.0)
    assert main(["custom", "ops.py:Square", "--timeout", "1"]) == 3
    assert "no verdict within 1 s" in capfd.readouterr().err
