"""Whole checks in one process: what one of them ran into is not the next one's trouble."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

import gradcli
from gradcli.deadline import DeadlineError
from gradcli.engine import LOADING, RUNNER, evaluate_program, import_torch, shared_derivations, stop_worker
from gradcli.limits import Limits
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

SLOW = "F.mish(X).sum() + F.gelu(X).sum() + torch.special.i1e(X).sum() + F.celu(X).sum()"
RIGHT = ["sin(x)*y", "expm1(x)", "tanh(x)", "cosh(x)", "x*y + log(z)", "atan2(x, y)", "erf(x)", "exp(x)*y"]
POINT = {"x": 0.7, "y": 1.3, "z": 2.1}


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    shared_derivations().answers.derived.clear()


def verdict_of(program: str) -> Verdict | None:
    names = [name for name in POINT if name in program.replace("exp", "")]
    return gradcli.evaluate(program, {name: POINT[name] for name in names}).verdict


@pytest.mark.parametrize("limit", [0.001, 0.01, 0.05, 0.1])
def test_after_a_time_limit_every_right_program_matches(limit: float) -> None:
    with suppress(DeadlineError):
        gradcli.evaluate(SLOW, {"X": [[0.1, 0.2], [0.3, 0.4]]}, timeout=limit)
    assert {program: verdict_of(program) for program in RIGHT} == dict.fromkeys(RIGHT, Verdict.MATCH)


@pytest.mark.parametrize("delay", [0.005, 0.02, 0.05])
def test_after_ctrl_c_every_right_program_matches(delay: float) -> None:
    timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
    with suppress(KeyboardInterrupt):
        timer.start()
        gradcli.evaluate(SLOW, {"X": [[0.1, 0.2], [0.3, 0.4]]})
        timer.join()
    assert {program: verdict_of(program) for program in RIGHT} == dict.fromkeys(RIGHT, Verdict.MATCH)


def test_two_threads_check_side_by_side() -> None:
    programs = [f"{program} + {number}*x" for number in range(2, 7) for program in RIGHT]
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(verdict_of, programs)) == [Verdict.MATCH] * len(programs)


def test_a_derivation_without_time_is_undecided_and_tried_again_in_the_next_check() -> None:
    verdict_of("exp(x)*y")  # starts the worker
    connection = shared_derivations().worker._home().connection
    assert connection is not None
    os.kill(connection.process.pid, signal.SIGSTOP)  # else it may be quick enough
    settings = Settings(limits=Limits(derivation_time=0.0))
    report = evaluate_program("sinh(x)", settings)
    assert report.verdict is Verdict.UNDECIDED
    assert "no derivative within 0 s" in (report["x"].note or "")
    assert evaluate_program("sinh(x)", replace(settings, limits=Limits())).verdict is Verdict.MATCH


def test_a_check_after_the_worker_was_stopped_starts_another() -> None:
    stop_worker()
    assert verdict_of("tanh(x)") is Verdict.MATCH


@pytest.mark.parametrize("order", [("x*1", "x*True"), ("x*True", "x*1"), ("x + False", "x + 0.0")])
def test_a_truth_value_is_a_number_in_any_order(order: tuple[str, ...]) -> None:
    assert [verdict_of(program) for program in order] == [Verdict.MATCH, Verdict.MATCH]


def test_loading_pytorch_has_a_limit_that_the_process_beside_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is too little memory, Python may look for a module for ever."""
    noted: list[tuple[float, float]] = []
    monkeypatch.setattr("gradcli.progress.limit", lambda end, seconds: noted.append((end - time.monotonic(), seconds)))
    import_torch()
    (left, seconds), after = noted
    assert 0 < left <= seconds == LOADING
    assert after == (math.inf, 0.0)


def test_only_what_loads_pytorch_looks_up_whether_the_process_beside_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    gradcli.check("x*x", {"x": 3.0})
    monkeypatch.setattr("gradcli.derivation.store.Store.sufficed_for", None)
    assert gradcli.check("x*x", {"x": 3.0}).verdict == "match"


def test_the_run_that_loads_pytorch_is_noted_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("GRADCLI_NO_CACHE", "")
    monkeypatch.delitem(sys.modules, RUNNER)
    for program in ("x*x", "x*x*x"):
        gradcli.check(program, {"x": 3.0})
    kept = [json.loads(path.read_bytes().partition(b"\n")[2])["asked"] for path in tmp_path.rglob("*.json")]
    (noted,) = [question for question in kept if json.loads(question)[1] == "run"]
    assert "'x*x'" in noted
