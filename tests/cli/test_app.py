import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gradcli.catalogue import _example
from gradcli.cli.app import main
from gradcli.errors import InputError, InternalError
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "gradcli", *arguments]
    return subprocess.run(command, capture_output=True, check=False, **options)


def test_options_become_settings(session: Any) -> None:
    arguments = "-w1*w2 --shape 2 --shape w1=2 --value w2=[1,2] --init randn --seed 7 --dtype float32 --constant w2"
    arguments += " --reduce mean --retain-grad x --no-verify --rtol 1e-3 --timeout 5 --max-memory 1MiB --json"
    assert main(["eval", *arguments.split()]) == 0
    source, settings = session.calls[0]
    assert source == "-w1*w2"
    assert settings.command == "eval"
    assert settings.shapes == {None: (2,), "w1": (2,)}
    assert settings.values == {"w2": [1, 2]}
    assert (settings.init, settings.seed, settings.dtype) == ("randn", 7, "float32")
    assert (settings.constants, settings.reduce, settings.retain_grad) == (("w2",), "mean", ("x",))
    assert (settings.verify, settings.rtol, settings.atol, settings.timeout) == (False, 1e-3, None, 5.0)
    assert settings.limits.memory == 2**20


def test_without_options_the_settings_are_the_defaults(session: Any) -> None:
    assert main(["eval", "w"]) == 0
    assert session.calls[0][1] == Settings()


def test_grad_has_its_own_settings(session: Any) -> None:
    arguments = ["--wrt", "w1,w2", "--create-graph", "--allow-unused", "--grad-output", "[1, 10]"]
    assert main(["grad", "w1*w2", *arguments]) == 0
    settings = session.calls[0][1]
    assert (settings.command, settings.wrt) == ("grad", ("w1", "w2"))
    assert (settings.create_graph, settings.allow_unused, settings.grad_output) == (True, True, [1, 10])


def test_a_minus_reads_standard_input(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"-w*w\r\n\xff")))
    assert main(["eval", "-"]) == 0
    assert session.calls[0][0] == "-w*w\n\udcff"


def test_standard_input_is_limited(
    session: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"w+" * 100 + b"w")))
    assert main(["eval", "-", "--max-program-size", "100"]) == 2
    assert "--max-program-size" in capsys.readouterr().err
    assert not session.calls


@pytest.mark.parametrize(("verdict", "code"), [("match", 0), ("subgradient", 0), ("undecided", 3), ("mismatch", 1)])
def test_the_verdict_is_the_exit_code(session: Any, verdict: str, code: int) -> None:
    session.verdict = Verdict(verdict)
    assert main(["eval", "w"]) == code


def test_json_goes_to_standard_output_alone(session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "w", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["verdict"] == "match"
    assert not captured.err
    assert session.calls


def test_a_report_can_go_to_a_file(session: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report.txt"
    assert main(["eval", "w", "-o", str(path)]) == 0
    assert "✓ match" in path.read_text(encoding="utf-8")
    assert not capsys.readouterr().out
    assert session.calls


def test_a_file_that_cannot_be_written_is_named(
    session: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none" / "report.txt"
    assert main(["eval", "w", "-o", str(path)]) == 4
    assert str(path) in capsys.readouterr().err
    assert session.calls


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("no such leaf"), 2, "error: no such leaf"),
        (InternalError("worker lost"), 4, "worker lost"),
        (ValueError("boom\x1b[31m"), 4, "internal error: ValueError: boom\\x1b[31m"),
        (RecursionError(), 4, "internal error: RecursionError"),
        (MemoryError(), 2, "there is not enough memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_every_error_is_a_message_and_a_code(
    session: Any, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, message: str
) -> None:
    session.error = error
    assert main(["eval", "w"]) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert not captured.out


def test_a_developer_can_see_the_traceback(
    session: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADCLI_DEBUG", "1")
    session.error = ValueError("boom")
    assert main(["eval", "w"]) == 4
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evla", "w"], "did you mean 'eval'"),
        (["w*w"], "gradcli eval PROGRAM"),
        (["eval"], "PROGRAM"),
        (["eval", "w*w", "--shpae", "2"], "did you mean '--shape'"),
        (["eval", "-w", "--shpae", "2"], "did you mean '--shape'"),
        (["eval", "w*w", "-x"], "unknown option '-x'"),
        (["eval", "--nope", "w*w"], "unknown option '--nope'"),
        (["eval", "w", "v"], "put the program in quotes"),
        (["eval", "w", "--shape"], "--shape"),
        (["eval", "w", "--dtype", "float13"], "did you mean 'float"),
        (["eval", "w", "--init=prime"], "did you mean 'primes'"),
        (["eval", "w", "--reduce", "me'n"], "did you mean 'mean'"),
        (["eval", "w", "--rtol", "inf"], "--rtol"),
        (["eval", "w", "--atol", "1e999"], "--atol"),
        (["eval", "w", "--timeout", "nan"], "--timeout"),
        (["eval", "w", "--shape", "-1x2"], "--shape"),
        (["eval", "w", "--value", "w=nan"], "finite"),
        (["eval", "w", "--seed", "1.5"], "--seed"),
        (["ops", "sigmoidd"], "did you mean 'sigmoid'"),
        (["--nope"], "unknown option"),
    ],
)
def test_a_wrong_command_line_is_explained(
    session: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert not captured.out
    assert not session.calls


@pytest.mark.parametrize("arguments", [["eval", "w", b"\xff\x1b[31m"], ["eval", "w", "--\x9bm"], [b"\xff"]])
def test_nothing_on_the_command_line_reaches_a_stream_raw(arguments: list[Any]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert b"\x1b" not in done.stderr
    assert b"\xff" not in done.stderr
    assert "\x9b" not in done.stderr.decode()


def test_a_closed_pipe_ends_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "gradcli", "schema"]
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["schema"], ["--help"]])
def test_a_full_disk_is_an_output_error(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "gradcli", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 4
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_version_and_info() -> None:
    assert run("--version").stdout == b"gradcli 0.1.0\n"
    assert all(name in run("info").stdout for name in (b"gradcli", b"torch", b"sympy", b"python"))


def test_schema_is_an_object() -> None:
    assert json.loads(run("schema").stdout)["type"] == "object"


def test_ops_are_listed_and_shown() -> None:
    listing = run("ops").stdout.decode()
    assert all(name in listing for name in ("softmax", "matmul", "relu"))
    assert "definition" in run("ops", "sigmoid").stdout.decode()


def test_no_command_shows_the_help() -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Usage" in done.stdout


@pytest.mark.parametrize(
    ("example", "command"),
    [
        ("sin(x) | x=2x3", "gradcli check 'sin(x)' --shape x=2x3 --grad-output ones"),
        ('einsum("ij,jk", a, b) | a=2x3 b=3x2', "gradcli check 'einsum(\"ij,jk\", a, b)' --shape a=2x3 --shape b=3x2"),
        ("x", "gradcli check x --grad-output ones"),
    ],
)
def test_an_example_of_an_op_is_shown_as_a_command(example: str, command: str) -> None:
    assert _example(example).command.startswith(command)
