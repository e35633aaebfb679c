"""`gradcli custom` as a user runs it: the file in a process of its own, whatever it does."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import warm_start

from gradcli.cli.app import main
from gradcli.suite import isolated
from gradcli.suite.status import Status

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
    return warm_start.run("custom", *arguments, cwd=folder)


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
    assert main(["custom", "ops.py:Square", "--timeout", "1"]) == 3
    assert "no verdict within 1 s" in capfd.readouterr().err  # by whom depends on which line is reached


def lines_of(reading: int, child: Any) -> Any:
    """Return the lines of a pipe, whose end nobody is told of the wait."""
    return isolated._Lines(reading, child, Status(is_on=False))


@pytest.mark.parametrize(("said", "waits"), [(b"\n", 0.5 + 0.3), (b"", 5.0)])
def test_a_file_s_time_begins_when_pytorch_is_there(said: bytes, waits: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "SECONDS_TO_START", 5.0)
    monkeypatch.setattr(isolated, "GRACE", 0.3)
    reading, writing = os.pipe()
    os.write(writing, said)
    started = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert list(isolated._received(child, lines_of(reading, child), {}, 0.5)) == [None]
        assert waits <= time.monotonic() - started < waits + 3
        child.kill()
    os.close(writing)


@pytest.mark.parametrize("answer", [b'\n{"code": 0}\n', b'{"code": 0}\n', b"\n" + b"x" * 200_000 + b"\n", b"", b"\n"])
def test_an_answer_is_the_line_after_the_empty_one(answer: bytes) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)

    threading.Thread(target=write).start()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert list(isolated._received(child, lines_of(reading, child), {}, 20.0)) == [answer.removeprefix(b"\n")]
        child.kill()


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


@pytest.mark.parametrize("closed", [(0, 1), (1, 2), (0, 1, 2)])
def test_standard_streams_may_be_closed(tmp_path: Path, closed: tuple[int, ...]) -> None:
    (tmp_path / "ops.py").write_text(SQUARE)
    closing = " ".join(f"{stream}>&-" for stream in closed)
    command = f"{GRADCLI} custom ops.py:Square -o out.txt {closing}"
    done = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, check=False, timeout=120)
    assert done.returncode == 0
    assert "match: backward is the derivative of forward" in (tmp_path / "out.txt").read_text()


def test_a_default_that_the_file_sets_is_its_own(tmp_path: Path) -> None:
    lines = "import torch\ntorch.set_default_device('meta')\ntorch.set_default_dtype(torch.float16)\n"
    (tmp_path / "ops.py").write_text(lines + "torch.set_grad_enabled(False)\n" + SQUARE)
    done = run(tmp_path, "ops.py:Square", "--shape", "3")
    assert done.returncode == 0, done.stderr
    assert "match: backward is the derivative of forward" in done.stdout


def test_a_line_without_an_end_is_shown_in_pieces(capsys: pytest.CaptureFixture[str]) -> None:
    isolated._show(io.BytesIO(b"x" * (3 * isolated.LONGEST) + b"\nend\n"), Status(is_on=False))
    assert [len(line) for line in capsys.readouterr().err.split("\n")[:-1]] == [isolated.LONGEST] * 3 + [0, 3]
