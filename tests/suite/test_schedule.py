"""Many checks at once: the same report wherever they run, whatever dies."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from dying import place_where

from gradcli.errors import ExitCode
from gradcli.report.suite import CheckReport
from gradcli.settings import Settings
from gradcli.suite import schedule
from gradcli.suite.check import SuiteCheck
from gradcli.suite.executors import dask_place, local_place
from gradcli.suite.schedule import outcomes
from gradcli.suite.server import start_method

SETTINGS = Settings(command="check", shapes={None: (3, 4)}, reduce="sum", witnesses=("symbolic",), formulas=False)
PROGRAMS = ["sin(x)*y", "softmax(x, dim=-1)*y", "x @ y.T", "logsumexp(x, dim=0)", "tanh(x+y)", "exp(-x**2)"]
SUITE = "\n".join(
    ['[defaults]\nshape = "3x4"\nreduce = "sum"\nwitnesses = ["symbolic", "taylor"]']
    + [f'[[check]]\nprogram = "{program}"' for program in PROGRAMS]
    + ['[[check]]\nname = "planted"\nprogram = "x*y"\nclaim = {x = "2*y"}', '[[check]]\nprogram = "sinn(x)"']
)


def checks(fatal: bool = False) -> list[SuiteCheck]:
    made = [SuiteCheck(program, program, SETTINGS) for program in PROGRAMS]
    return [*made[:2], SuiteCheck("fatal", "x*y", SETTINGS), *made[2:]] if fatal else made


def names(found: dict[int, CheckReport]) -> list[tuple[str, str]]:
    return [(found[number].name, found[number].outcome) for number in sorted(found)]


def run(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gradcli", "check", "suite.toml", *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240, **options
    )


def timeless(text: str) -> str:
    """Return a report as the bytes that it is, but for timings."""
    data = json.loads(text)
    for check in data["checks"]:
        assert check.pop("seconds") >= 0
    return json.dumps(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("suite")
    (made / "suite.toml").write_text(SUITE, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def one(folder: Path) -> str:
    done = run(folder, "--json")
    assert done.returncode == ExitCode.USAGE
    assert "suite.toml:21: unknown function 'sinn'" in done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    from distributed import LocalCluster

    # Processes, so that one can be killed, and no dashboard, so that no port is fixed.
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made:
        yield made.scheduler_address.replace("tcp://", "dask://")


def test_two_processes_write_the_same_bytes(folder: Path, one: str) -> None:
    data = json.loads(one)
    assert data["failures"] == ["sinn(x)", "planted"]
    assert data["counts"] == {"match": 6, "mismatch": 1, "error": 1}
    assert timeless(run(folder, "--json", "-j", "2").stdout) == timeless(one)


def test_lines_of_shards_join_to_the_whole(folder: Path, one: str) -> None:
    parts = [run(folder, "--format", "jsonl", "-j", "2", "--shard", f"{part}/2").stdout for part in (1, 2)]
    joined = [json.loads(line) for line in "".join(parts).splitlines()]
    for check in [*joined, *(whole := json.loads(one)["checks"])]:
        check.pop("seconds")
    assert joined == whole


@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_writes_the_same_bytes(folder: Path, one: str, cluster: str) -> None:
    assert timeless(run(folder, "--json", "--executor", cluster).stdout) == timeless(one)


@pytest.mark.filterwarnings("ignore")
def test_a_check_that_kills_a_dask_worker_once_is_carried_out_again(cluster: str, tmp_path: Path) -> None:
    found = dict(outcomes(checks(fatal=True), place_where(dask_place(cluster), "once", tmp_path)))
    assert set(dict(names(found)).values()) == {"match"}
    assert (tmp_path / "died").exists()


def test_a_killed_worker_changes_no_verdict(folder: Path, one: str) -> None:
    command = [sys.executable, "-m", "gradcli", "check", "suite.toml", "--json", "-j", "2"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        worker = next(_workers(process.pid))
        worker.send_signal(signal.SIGKILL)
        assert process.stdout is not None
        assert timeless(process.stdout.read()) == timeless(one)


def _workers(parent: int) -> Iterator[psutil.Process]:
    """Yield the worker processes of a run, as soon as there are any that have loaded torch."""
    for _ in range(1200):
        for process in psutil.Process(parent).children(recursive=True):
            if SERVER in _line(process) and SERVER in _line(process.parent()) and process.children():
                yield process
        time.sleep(0.05)


SERVER = "multiprocessing.forkserver"  # what workers are forked from, and their own command line too


def _line(process: psutil.Process | None) -> str:
    with suppress(psutil.Error):
        return "" if process is None else " ".join(process.cmdline())
    return ""


def test_a_check_that_ends_its_process_is_undecided_and_costs_no_other(tmp_path: Path) -> None:
    found = dict(outcomes(checks(fatal=True), place_where(local_place(2), "always", tmp_path)))
    expected = [(check.name, "undecided" if check.name == "fatal" else "match") for check in checks(fatal=True)]
    assert names(found) == expected
    assert found[2].code is ExitCode.UNDECIDED
    assert "died" in (found[2].reason or "")


def test_a_check_that_ends_its_process_once_is_carried_out_again(tmp_path: Path) -> None:
    found = dict(outcomes(checks(fatal=True), place_where(local_place(2), "once", tmp_path)))
    assert set(dict(names(found)).values()) == {"match"}
    assert (tmp_path / "died").exists()


def test_a_check_that_hangs_is_undecided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcli.suite.work.GRACE", 1.0)  # as in the worker, see dying.py
    hanging = SuiteCheck("fatal", "x*y", Settings(command="check", timeout=1.0))
    found = dict(outcomes([hanging], place_where(local_place(1), "hang", tmp_path)))
    assert names(found) == [("fatal", "undecided")]
    assert (found[0].reason or "").startswith("no verdict within 1 s: a call into PyTorch did not end")


def test_a_process_that_is_stopped_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "SECONDS_OF_SILENCE", 4.0)
    monkeypatch.setattr("gradcli.suite.work.GRACE", 1.0)
    waiting = [SuiteCheck(name, "x*y", Settings(command="check", timeout=5.0)) for name in ("fatal", "other")]
    before = spawned()  # a cluster's
    found = dict(outcomes(waiting, place_where(local_place(1), "stop", tmp_path)))
    assert names(found) == [("fatal", "match"), ("other", "match")]
    assert (tmp_path / "died").exists()
    assert spawned() == before


def spawned() -> set[int]:
    return {child.pid for child in multiprocessing.active_children() if child.pid is not None}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_with_its_workers_and_without_a_word(number: int, folder: Path, tmp_path: Path) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("this signal is ignored here, as under nohup")
    command = [sys.executable, "-m", "gradcli", "check", "suite.toml", "--json", "-j", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": {**os.environ, "TMPDIR": str(tmp_path)}}
    with subprocess.Popen(command, cwd=folder, text=True, start_new_session=True, **pipes) as process:
        next(_workers(process.pid))
        assert start_method() != "forkserver" or len([*tmp_path.glob("pymp-*")]) == 1
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == -number
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    assert not [*tmp_path.iterdir()]


def test_a_run_that_is_killed_leaves_no_word_of_semaphores(folder: Path) -> None:
    command = [sys.executable, "-m", "gradcli", "check", "suite.toml", "--json", "-j", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, text=True, start_new_session=True, **pipes) as process:
        worker = next(_workers(process.pid))
        server, run_ = worker.parents()[:2]
        assert SERVER in _line(server)
        children = psutil.Process(process.pid).children(recursive=True)
        run_.kill()
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (ExitCode.INTERNAL, "")
    assert "resource_tracker" not in errors
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


@pytest.mark.skipif(start_method() != "forkserver", reason="processes are not forked from another here")
def test_a_suite_that_is_refused_leaves_no_process_that_loads_pytorch(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text('[[check]]\nprogam = "x"\n')
    command = [sys.executable, "-m", "gradcli", "check", "suite.toml"]
    with Path(tmp_path, "errors").open("w", encoding="utf-8") as errors:  # not a pipe: the end of one is waited for
        process = subprocess.Popen(command, cwd=tmp_path, stderr=errors, start_new_session=True)
        assert process.wait(timeout=60) == ExitCode.USAGE
    assert "progam" in Path(tmp_path, "errors").read_text(encoding="utf-8")
    assert not list(_alive_in(process.pid))


BEFORE_OPTIONS = """
import os, sys
from multiprocessing import forkserver
from gradcli.cli import app, supervision

def begun():
    print("typer" in sys.modules, flush=True)
    os._exit(0)

forkserver.ensure_running = begun
supervision.supervise = lambda: None
sys.argv[1:] = ["check", "suite.toml"]
app.run_and_leave()
"""


@pytest.mark.skipif(start_method() != "forkserver", reason="processes are not forked from another here")
def test_pytorch_is_being_loaded_before_the_options_are_read() -> None:
    done = subprocess.run([sys.executable, "-c", BEFORE_OPTIONS], capture_output=True, check=True, timeout=60)
    assert done.stdout == b"False\n"


def _alive_in(session: int) -> Iterator[psutil.Process]:
    """Yield the processes of a session that have not ended."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if (
                os.getsid(process.pid) == session
                and process.status() != psutil.STATUS_ZOMBIE
                and SERVER in _line(process)
            ):
                yield process


def test_ctrl_c_reports_what_is_finished(folder: Path) -> None:
    command = [sys.executable, "-m", "gradcli", "check", "suite.toml", "--format", "jsonl"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert all(json.loads(line)["verdict"] for line in [first, *rest.splitlines()] if "sinn" not in line)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_only_what_failed_last_is_carried_out(folder: Path, one: str) -> None:
    again = json.loads(run(folder, "--last-failed", "--json").stdout)
    assert [check["name"] for check in again["checks"]] == ["planted", "sinn(x)"] == json.loads(one)["failures"][::-1]


def test_the_first_failure_ends_the_run(folder: Path) -> None:
    done = run(folder, "--fail-fast", "--format", "plain", "--only", "planted", "--only", "sin")
    assert "not run" in done.stdout
    assert done.returncode != 0


def test_no_module_of_the_current_folder_is_run(folder: Path, one: str) -> None:
    traps = [folder / f"{name}.py" for name in ("enum", "random", "torch", "sympy", "string")]
    for trap in traps:
        trap.write_text("raise SystemExit('a file of the current folder was run')", encoding="utf-8")
    command = [str(Path(sys.executable).parent / "gradcli"), "check", "suite.toml", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
    for trap in traps:
        trap.unlink()
    assert timeless(done.stdout) == timeless(one)
    assert "Traceback" not in done.stderr


def test_workers_that_nothing_answers_for_are_named(folder: Path) -> None:
    done = run(folder, "--executor", "nowhere")
    assert done.returncode == ExitCode.USAGE
    assert "dask://HOST:PORT" in done.stderr


def test_checks_of_a_program_are_carried_out_one_after_the_other() -> None:
    several = [SuiteCheck(str(number), program, SETTINGS) for number, program in enumerate("abcabdb")]
    assert schedule.alike_together(several) == [0, 3, 1, 4, 6, 2, 5]


def test_each_check_keeps_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def carried_out(_: object, checks: Sequence[SuiteCheck], __: object) -> Iterator[tuple[int, str]]:
        yield from reversed([(position, check.name) for position, check in enumerate(checks)])

    monkeypatch.setattr(schedule, "outcomes_of", carried_out)
    several = [SuiteCheck(str(number), program, SETTINGS) for number, program in enumerate("abcabdb")]
    found = list(outcomes(several, local_place(1)))
    assert sorted(found) == [(number, str(number)) for number in range(7)]  # type: ignore[comparison-overlap]


@pytest.mark.skipif(start_method() != "forkserver", reason="processes are not forked here")
def test_a_worker_begins_with_pytorch_loaded() -> None:
    with local_place(1).open(1) as executor:
        assert executor.submit(eval, "'torch' in __import__('sys').modules").result()


def test_where_a_socket_would_have_too_long_a_name_processes_are_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = f"/{'long' * 30}"
    monkeypatch.setattr(tempfile, "tempdir", folder)
    assert start_method() == "spawn"
    with socket.socket(socket.AF_UNIX) as listener, pytest.raises(OSError, match="too long"):
        listener.bind(f"{folder}/pymp-abcdefgh/listener-abcdefgh")


def mask(process: int, name: str) -> bool:
    """Return whether a process blocks (`SigBlk`) or ignores (`SigIgn`) Ctrl-C."""
    (line,) = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith(name)]
    return bool(int(line.split()[1], 16) >> (signal.SIGINT - 1) & 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no way to see the signals of others")
def test_a_worker_hears_no_ctrl_c_from_its_first_moment_on() -> None:
    before = spawned()  # a cluster's
    with local_place(1).open(1) as executor:
        executor.submit(os.getpid)
        (starting,) = spawned() - before
        assert mask(starting, "SigBlk") or mask(starting, "SigIgn")
        assert not mask(os.getpid(), "SigBlk")
        assert executor.submit(os.getpid).result() == starting
        assert mask(starting, "SigIgn")
        assert not mask(starting, "SigBlk")
    assert not mask(os.getpid(), "SigBlk")
