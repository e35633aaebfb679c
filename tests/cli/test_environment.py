"""Whatever a process is given to run in: a report is whole, or the exit code and one message say that it is not."""

import fcntl
import json
import os
import resource
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

GRADCLI = Path(sys.executable).with_name("gradcli")
EVAL = ("eval", "x*y", "--format", "plain", "--no-verify")
LAST = "- unverified: nothing was compared: these are only autograd's gradients"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs closed streams, limits and devices")


def run(*arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[bytes]:
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = {**os.environ, **(env or {})}
    return subprocess.run([str(GRADCLI), *arguments], check=False, timeout=120, env=environment, **{**pipes, **options})


def closing(*numbers: int) -> Callable[[], None]:
    return lambda: [os.close(number) for number in numbers] and None


def limited(kind: int, limit: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (limit, limit))


@pytest.mark.parametrize("arguments", [EVAL, ("schema",), ("--version",), ("--help",)])
def test_standard_output_that_is_closed_is_an_output_error(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, preexec_fn=closing(1))
    assert (done.returncode, done.stdout) == (4, b"")
    assert done.stderr.startswith(b"error: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (1, 2), (0, 1, 2)])
def test_a_file_is_written_whatever_is_closed(tmp_path: Path, closed: tuple[int, ...]) -> None:
    path = tmp_path / "report.txt"
    done = run(*EVAL, "-o", str(path), preexec_fn=closing(*closed))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert path.read_text(encoding="utf-8").splitlines()[-1] == LAST


@pytest.mark.parametrize("closed", [(1, 2), (0, 1, 2)])
def test_a_users_file_is_checked_whatever_is_closed(tmp_path: Path, closed: tuple[int, ...]) -> None:
    (tmp_path / "square.py").write_text(FUNCTION, encoding="utf-8")
    arguments = ("custom", "square.py:Square", "--no-verify", "--json", "-o", "out")
    done = run(*arguments, preexec_fn=closing(*closed), cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads((tmp_path / "out").read_text(encoding="utf-8"))["verdict"] == "unverified"


FUNCTION = """
import torch
print("printed")

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


def test_standard_error_that_is_closed_costs_no_report() -> None:
    done = run(*EVAL, preexec_fn=closing(2))
    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[-1] == LAST


def test_standard_input_that_is_closed_holds_no_program() -> None:
    done = run("eval", "-", preexec_fn=closing(0))
    assert done.returncode == 2
    assert b"standard input is closed" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_an_output_error(unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run("schema", env={"PYTHONUNBUFFERED": unbuffered}, stdout=full)
    assert (done.returncode, done.stderr.splitlines()) == (
        4,
        [b"error: cannot write to standard output: No space left on device"],
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_file_that_may_grow_no_more_is_an_output_error(tmp_path: Path, unbuffered: str) -> None:
    with (tmp_path / "out").open("wb") as out:
        limit = limited(resource.RLIMIT_FSIZE, 1024)
        done = run("schema", env={"PYTHONUNBUFFERED": unbuffered}, stdout=out, preexec_fn=limit)
    assert done.returncode == 4
    assert done.stderr.splitlines() == [b"error: cannot write to standard output: File too large"]


def test_a_file_that_may_grow_no_more_leaves_the_old_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "ops.json"
    path.write_text("old", encoding="utf-8")
    arguments = ("ops", "sigmoid", "--json", "-o", "ops.json")
    done = run(*arguments, cwd=tmp_path, preexec_fn=limited(resource.RLIMIT_FSIZE, 64))
    assert done.returncode == 4
    assert b"cannot write to 'ops.json': File too large" in done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["ops.json"]
    assert path.read_text(encoding="utf-8") == "old"


def test_what_goes_to_a_slow_reader_is_whole() -> None:
    """A pipe takes 64 KiB at a time."""
    text = run("schema", "suite-report", env={"PYTHONUNBUFFERED": "1"}).stdout
    assert json.loads(text)["title"] == "gradcli suite report"


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "POSIX"},
        {"LC_ALL": "no_SUCH.locale", "LANG": "x"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"PYTHONIOENCODING": "utf-16"},
        {"PYTHONIOENCODING": "cp037"},
    ],
    ids=str,
)
def test_no_locale_changes_a_verdict(environment: dict[str, str]) -> None:
    done = run("eval", "x*y", env=environment)
    encoding = environment.get("PYTHONIOENCODING", "utf-8").partition(":")[0]
    assert (done.returncode, done.stderr) == (0, b"")
    assert "match: autograd agrees with the derivative in every entry" in done.stdout.decode(encoding)


@pytest.mark.parametrize("mebibytes", [150, 300, 500, 600, 680, 1200])
def test_a_limit_of_memory_ends_in_a_verdict_or_says_so(mebibytes: int) -> None:
    """Below what PyTorch takes, its libraries end the process with codes of their own; 1 would be a mismatch."""
    done = run("eval", "x*y", preexec_fn=limited(resource.RLIMIT_AS, mebibytes << 20))
    assert done.returncode in ({0} if mebibytes > 1000 else {0, 2, 4})
    assert (b"match: autograd agrees" in done.stdout) == (done.returncode == 0)
    assert b"Traceback" not in done.stderr
    assert b"a defect of gradcli" not in done.stderr
    assert done.returncode == 0 or b"error: " in done.stderr


@pytest.mark.parametrize("columns", ["0", "-5", "1", "99999999999", "wide", "٣"])
def test_no_width_breaks_a_table(columns: str) -> None:
    done = run("ops", "sigmoid", env={"COLUMNS": columns, "LINES": columns})
    assert (done.returncode, done.stderr) == (0, b"")
    assert "1/(1+exp(-input))" in "".join(done.stdout.decode().split())  # however it is wrapped


NAMES = (
    "ast cmath codecs collections contextlib copy dataclasses decimal enum fractions functools gradcli inspect io json "
    "math numbers numpy operator os pickle pydantic random re rich select signal site socket string struct subprocess "
    "sympy tempfile threading time token tokenize torch types typer typing warnings"
)


def test_no_module_of_the_current_folder_is_run(tmp_path: Path) -> None:
    for name in NAMES.split():
        trap = f"open('ran', 'a').write('{name} ')\nraise SystemExit(0)\n"
        (tmp_path / f"{name}.py").write_text(trap, encoding="utf-8")
    done = run("eval", "x*y", "--json", cwd=tmp_path)
    assert not (tmp_path / "ran").exists()
    assert json.loads(done.stdout)["verdict"] == "match"


@pytest.mark.parametrize(
    ("kind", "limit"),
    [(resource.RLIMIT_NOFILE, 32), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_STACK, 2**20)],
    ids=["files", "core", "stack"],
)
def test_a_limit_of_the_system_is_met_or_told(kind: int, limit: int) -> None:
    done = run("eval", "x*y", "--format", "plain", preexec_fn=limited(kind, limit))
    assert b"Traceback" not in done.stderr
    whole = b"+ match: autograd agrees" in done.stdout
    assert whole if done.returncode == 0 else done.stderr.startswith(b"error: ")


@pytest.mark.parametrize("limit", [6, 8])
def test_files_that_may_not_be_opened_are_no_verdict_and_no_defect(limit: int) -> None:
    done = run("eval", "x*y", preexec_fn=limited(resource.RLIMIT_NOFILE, limit))
    assert done.returncode == 4
    assert done.stderr.startswith(b"error: the operating system reports: [Errno 24]")
    assert b"Traceback" not in done.stderr
    assert b"defect" not in done.stderr


@pytest.mark.parametrize("name", ["values.json", "values.npz", "values", "."])
def test_a_folder_holds_no_values(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(exist_ok=True)
    done = run("eval", "x*y", "--values", name, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {name}: this is a folder\n".encode())


# Sends Ctrl-C when a module is looked for.
INTERRUPTING = """
import os, signal, sys

class Finder:
    def find_spec(self, name, *_):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
sys.argv = ["gradcli", "--version"]
from gradcli.cli.app import run_and_leave
run_and_leave()
"""


@pytest.mark.parametrize(
    "name",
    ["gradcli.cli.streams", "gradcli.cli.supervision", "typer", "gradcli.cli.group", "rich", "gradcli.cli.output"],
)
def test_an_interrupt_while_modules_are_loaded_is_one_line(name: str) -> None:
    command = [sys.executable, "-c", INTERRUPTING.format(name=name)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode in {0, 130}
    lines = [b"error: interrupted"] if done.returncode else []
    assert done.stderr.splitlines() == lines
    assert done.stdout == (b"" if done.returncode else b"gradcli 0.1.0\n")


@pytest.mark.parametrize(
    ("name", "content"),
    [("deep", b"[" * 200_000), ("binary", b"\xff\x00\xfe"), ("other", b'{"a": 1}'), ("folder", None)],
)
def test_a_cache_that_is_broken_costs_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None
) -> None:
    from gradcli.suite import last_failed

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = last_failed._path(name)
    path.parent.mkdir(parents=True)
    path.mkdir() if content is None else path.write_bytes(content)
    assert last_failed.recall(name) == set()
    last_failed.remember(name, ["a"], ["a"])
    assert last_failed.recall(name) == (set() if content is None else {"a"})


def test_a_cache_in_a_file_costs_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradcli.suite import last_failed

    (tmp_path / "cache").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    last_failed.remember("suite", ["a"], ["a"])
    assert last_failed.recall("suite") == set()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_the_width_is_that_of_the_terminal(unbuffered: str) -> None:
    """`PYTHONUNBUFFERED` takes the stream away that Python asks for the width."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    environment = {"PYTHONUNBUFFERED": unbuffered, "TERM": "dumb"}
    environment |= {name: value for name, value in os.environ.items() if name not in {"COLUMNS", *environment}}
    program = " + ".join(f"operand_{number}" for number in range(10))
    command = [str(GRADCLI), "eval", program, "--no-verify"]
    with subprocess.Popen(command, stdout=theirs, stdin=subprocess.DEVNULL, env=environment):
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    assert program.encode() in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # nothing writes to it any more
        return b""
