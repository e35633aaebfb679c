"""The process that waits: crashes become a message, signals reach the process that works, nothing stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="there is nothing to wait for signals with")

# Stands for the command line: the body runs in the supervised process.
SCRIPT = """
import os, signal, sys, time
from gradcli import progress
from gradcli.cli import supervision
supervision.supervise()
{body}
progress.end(0)
os._exit(0)
"""
Script = Callable[..., "subprocess.Popen[str]"]
WAITING = "print(os.getpid(), flush=True); time.sleep(60)"


@pytest.fixture
def script() -> Iterator[Script]:
    """Return what starts a process with a body; all of them are gone afterwards."""
    with ExitStack() as stack:

        def start(body: str, **options: Any) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", SCRIPT.format(body=body)]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            process = stack.enter_context(subprocess.Popen(command, text=True, **pipes, **options))
            stack.callback(process.kill)
            return process

        yield start


def is_running(number: int) -> bool:
    """Return whether a process is there, and not only waits for someone to ask how it ended."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(number: int) -> bool:
    """Return whether a process ends within some seconds."""
    until = time.monotonic() + 10
    while is_running(number):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("code", [0, 1, 4, 130])
def test_an_exit_code_is_handed_on(code: int, script: Script) -> None:
    assert script(f"progress.end({code}); os._exit({code})").wait() == code


@pytest.mark.parametrize("code", [0, 1, 3, 127])
def test_an_exit_code_that_a_library_ends_the_process_with_is_no_verdict(code: int, script: Script) -> None:
    process = script(f"progress.begin('torch.mm'); os._exit({code})")
    output, errors = process.communicate()
    assert (process.returncode, output) == (4, "")
    assert errors.startswith(
        f"error: something other than gradcli ended the process in torch.mm, with exit code {code}"
    )
    assert errors.count("\n") == 2


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL", "SIGFPE"])
def test_a_crash_is_an_internal_error_that_names_what_ran_last(name: str, script: Script) -> None:
    process = script(f"progress.begin(\"the backward pass of 'x'\"); os.kill(os.getpid(), signal.{name})")
    output, errors = process.communicate()
    assert (process.returncode, output) == (4, "")
    assert errors.startswith(f"error: the process was ended by {name} in the backward pass of 'x'\nhint: ")
    assert errors.count("\n") == 2


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_to_the_parent_alone_reaches_the_child(name: str, script: Script) -> None:
    if signal.getsignal(getattr(signal, name)) is signal.SIG_IGN:
        pytest.skip("this process ignores the signal, as under nohup, and so do those that it starts")
    process = script(WAITING)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    assert child != process.pid
    process.send_signal(getattr(signal, name))
    assert process.wait() != 0
    assert ends(child)
    if name != "SIGINT":  # which Python turns into an exception, here an exit status of 1
        assert process.returncode == -getattr(signal, name)


def test_the_child_ends_with_a_parent_that_is_killed(script: Script) -> None:
    process = script(WAITING)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    assert ends(child)


def test_a_signal_to_the_child_ends_the_parent_the_same_way(script: Script) -> None:
    process = script("os.kill(os.getpid(), signal.SIGTERM)")
    assert process.wait() == -signal.SIGTERM


def test_a_closed_pipe_does_not_end_it_by_a_signal(script: Script) -> None:
    process = script("signal.signal(signal.SIGPIPE, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGPIPE)")
    assert process.wait() == -signal.SIGPIPE


def test_an_interrupt_along_two_ways_is_one(script: Script) -> None:
    body = """
try:
    print(os.getpid(), flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.1)
    print("once", flush=True)
    progress.end(130); os._exit(130)
"""
    process = script(body, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)  # to both, and the parent passes its own on
    assert process.communicate() == ("once\n", "")
    assert process.returncode == 130


def test_an_interrupt_that_is_ignored_stays_so(script: Script) -> None:
    body = "signal.alarm(2); print(os.getpid(), flush=True); time.sleep(60)"
    process = script(body, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.wait()
    assert process.returncode == -signal.SIGALRM


def test_a_crash_of_pytorch_ends_with_a_message() -> None:
    """PyTorch's backward of a distance without rows reads memory that is not there."""
    command = [sys.executable, "-m", "gradcli", "eval", "F.pdist(t).sum()", "--shape", "t=0x3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1, 2, 3, 4}
    if done.returncode == 4:
        assert "SIGSEGV in the backward pass of 'F.pdist(t).sum()'" in done.stderr
    assert done.stderr.startswith("error: ") or done.returncode == 0


def test_a_child_is_waited_for_where_its_end_is_ignored(script: Script) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    process = script("print('done')", preexec_fn=ignore)
    output, _ = process.communicate(timeout=20)
    assert (process.returncode, output) == (0, "done\n")


def test_an_interrupt_while_the_command_line_is_loaded_is_no_traceback(tmp_path: Path) -> None:
    """The import of typer, which the command line makes, tells the test that it may interrupt, and waits."""
    (tmp_path / "typer.py").write_text("import time; print('loading', flush=True); time.sleep(60)", encoding="utf-8")
    command = [sys.executable, "-c", "from gradcli.__main__ import main; main()"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, "error: interrupted\n")


LATE = "import time; progress.limit(time.monotonic() + 0.3, 0.3); progress.begin(\"'svd(x)'\")\n"
DEAF = "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()); time.sleep(60)"


def test_a_child_that_nothing_reaches_after_its_time_is_ended(script: Script) -> None:
    process = script(LATE + DEAF)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (3, "")
    assert errors.startswith("error: undecided: no verdict within 0.3 s: 'svd(x)' did not end\nhint: ")


def test_a_child_that_is_stopped_beyond_its_time_is_ended(script: Script) -> None:
    process = script(LATE + "os.kill(os.getpid(), signal.SIGSTOP)")
    assert process.wait(timeout=30) == 3


def test_a_child_that_is_late_for_a_moment_or_has_no_limit_any_more_is_left(script: Script) -> None:
    body = LATE + "import math; time.sleep(1.0); progress.limit(math.inf, 0.0); time.sleep(3.0); print('done')"
    process = script(body)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (0, "done\n", "")


def test_a_call_into_pytorch_that_takes_too_long_is_ended() -> None:
    program = ["eval", "linalg.svdvals(x).sum()", "--shape", "5000x5000", "--init", "uniform"]
    limits = ["--max-elements", "100000000", "--timeout", "4", "--no-verify"]
    started = time.monotonic()
    command = [sys.executable, "-m", "gradcli", *program, *limits]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: undecided: no verdict within 4 s: 'linalg.svdvals(x)' did not end\n")
    assert time.monotonic() - started < 60


def test_a_parent_that_was_stopped_goes_on(script: Script) -> None:
    """Python's sigtimedwait returns what has no meaning when it was stopped for longer than it was to wait."""
    process = script("print(os.getpid(), flush=True); time.sleep(3); print('done')")
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.1)
    for _ in range(3):
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.4)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.1)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (0, "done\n", "")
