"""What a call of the Python API leaves of its caller's: everything as it was, in any thread."""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

import gradcli
from gradcli import turn
from gradcli.deadline import DeadlineError
from gradcli.report.verdict import Verdict
from gradcli.settings import DataType

RANDOM = """
import random
import torch

class Noisy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        torch.rand(3), random.random()
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        torch.rand(3), random.random()
        return 2 * x * g
"""


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return 2 * x * grad_output


class Slow(torch.autograd.Function):
    """Takes a long time in Python, and stops for no `except Exception`."""

    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with suppress(Exception):
                time.sleep(0.01)
        return x * x

    @staticmethod
    def backward(_: Any, grad_output: torch.Tensor) -> torch.Tensor:
        return grad_output


def custom(folder: Path) -> object:
    (folder / "noisy.py").write_text(RANDOM, encoding="utf-8")
    return gradcli.check_function(f"{folder}/noisy.py:Noisy", shapes={"x": (3,)}, timeout=60.0)


def failing(call: Callable[..., object], *arguments: object, **options: object) -> None:
    with pytest.raises(gradcli.GradcliError):
        call(*arguments, **options)


CALLS: dict[str, Callable[[Path], object]] = {
    "evaluate": lambda _: gradcli.evaluate("sin(x)*y", {"x": 1.0, "y": 2.0}, dtype="float32"),
    "check": lambda _: gradcli.check("tanh(x).sum()*y", {"x": [1.0, 2.0]}, points=2),
    "check_function": lambda _: gradcli.check_function(Square, shapes={"x": (3,)}, dtype="float16"),
    "a file": custom,
    "an error": lambda _: failing(gradcli.evaluate, "x @ x", {"x": [[1.0, 2.0, 3.0]]}),
    "a limit": lambda _: failing(gradcli.check_function, Slow, {"x": [1.0]}, timeout=0.1),
}


def state() -> dict[str, object]:
    import numpy as np

    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 (the state that others share)
    return {
        "torch's random numbers": torch.get_rng_state().tolist(),
        "python's": random.getstate(),
        "numpy's": (kind, bytes(keys), rest),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "recursion": sys.getrecursionlimit(),
        "warnings": ([*warnings.filters], warnings.showwarning),
        "path": [*sys.path],
        "collector": gc.isenabled(),
        "handlers": [signal.getsignal(number) for number in signal.valid_signals() if number < signal.SIGRTMIN],
        "timer": signal.getitimer(signal.ITIMER_REAL),
        "hook": sys.unraisablehook,
        "gradients": torch.is_grad_enabled(),
    }


@pytest.fixture
def _four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_four_threads")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("call", CALLS)
def test_everything_is_as_it_was(call: str, tmp_path: Path) -> None:
    CALLS[call](tmp_path)  # what is loaded is loaded
    before = state()
    CALLS[call](tmp_path)
    after = state()
    assert [name for name in before if before[name] != after[name]] == []


def test_the_depth_of_recursion_is_the_callers() -> None:
    """`torch.compile` raises it."""

    def raising(x: torch.Tensor) -> torch.Tensor:
        sys.setrecursionlimit(before + 1000)
        return x.sum()

    before = sys.getrecursionlimit()
    gradcli.evaluate(raising, {"x": torch.ones(2)})
    assert sys.getrecursionlimit() == before


def test_whether_distributions_validate_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """`torch.compile` turns it off."""
    monkeypatch.setattr(torch.distributions.Distribution, "_validate_args", True)

    def unchecked(x: torch.Tensor) -> torch.Tensor:
        torch.distributions.Distribution.set_default_validate_args(False)
        return x.sum()

    gradcli.evaluate(unchecked, {"x": torch.ones(2)})
    with pytest.raises(ValueError, match="scale"):
        torch.distributions.Normal(0.0, -1.0)


@pytest.fixture
def rung() -> Iterator[list[float]]:
    """Give the times at which a timer of the caller's goes off."""
    times: list[float] = []
    before = signal.signal(signal.SIGALRM, lambda *_: times.append(time.monotonic()))
    yield times
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_timer_of_the_callers_goes_off_during_a_check(rung: list[float]) -> None:
    gradcli.evaluate("x*x", {"x": 2.0})
    started = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
    with pytest.raises(DeadlineError):
        gradcli.check_function(Slow, {"x": [1.0]}, timeout=1.1)
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert len(rung) >= 3
    assert 0.2 <= rung[0] - started < 0.9


class CallersError(Exception):
    """What a caller's own alarm raises."""


@pytest.fixture
def _raising() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise CallersError

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("_raising")
def test_what_a_timer_of_the_callers_raises_reaches_the_caller() -> None:
    gradcli.evaluate("x*x", {"x": 2.0})
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    started = time.monotonic()
    with pytest.raises(CallersError):
        gradcli.check_function(Slow, {"x": [1.0]}, timeout=30.0)
    assert time.monotonic() - started < 20
    assert gradcli.evaluate("x*x", {"x": 2.0}).verdict is Verdict.MATCH


def test_the_limit_holds_in_another_thread_too() -> None:
    def limited() -> float:
        started = time.monotonic()
        with pytest.raises(DeadlineError, match=r"no verdict within 0\.3 s"):
            gradcli.check_function(Slow, {"x": [1.0]}, timeout=0.3)
        return time.monotonic() - started

    gradcli.evaluate("x*x", {"x": 2.0})
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(limited).result() < 20
        assert threads.submit(gradcli.evaluate, "x*x", {"x": 2.0}).result().verdict is Verdict.MATCH
        assert threads.submit(time.sleep, 1.5).result() is None  # nothing is raised afterwards


def test_waiting_for_another_thread_counts() -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with turn.turn(60.0):
            held.set()
            done.wait(60)

    with ThreadPoolExecutor(1) as threads:
        threads.submit(hold)
        held.wait(60)
        with pytest.raises(DeadlineError, match="another thread has been checking all that time"):
            gradcli.evaluate("x*x", {"x": 2.0}, timeout=0.2)
        done.set()
    assert gradcli.evaluate("x*x", {"x": 2.0}).verdict is Verdict.MATCH


def test_threads_that_check_in_different_dtypes_each_have_their_own() -> None:
    """`ones(3)` has the dtype of the run: with that of another thread's, the product would have a wider one."""
    dtypes = [dtype for dtype in get_args(DataType) if not dtype.startswith("complex")]
    before = torch.get_default_dtype()

    def gradient(dtype: DataType) -> tuple[str, Verdict | None]:
        report = gradcli.evaluate("(ones(3)*x).sum()", {"x": [1.0, 2.0, 3.0]}, dtype=dtype)
        return str(report.output.value.dtype).removeprefix("torch."), report.verdict

    with ThreadPoolExecutor(4) as threads:
        asked = dtypes * 12
        assert list(threads.map(gradient, asked)) == [(dtype, Verdict.MATCH) for dtype in asked]
    assert torch.get_default_dtype() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_that_is_forked_off_while_a_thread_checks_does_not_wait_for_it() -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with turn.turn(60.0):
            held.set()
            done.wait(60)

    with ThreadPoolExecutor(1) as threads:
        threads.submit(hold)
        held.wait(60)
        child = os.fork()
        if not child:
            os._exit(0 if turn._Turn.lock.acquire(timeout=5) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        done.set()


@pytest.mark.parametrize("inputs", [{3: 1.0}, "x", 3, [("x", 1.0)], object()])
@pytest.mark.parametrize("call", [gradcli.evaluate, gradcli.check])
def test_inputs_that_are_no_mapping_of_names_are_refused(call: Callable[..., object], inputs: object) -> None:
    for target, function in (("x*x", call), (Square, gradcli.check_function)):
        with pytest.raises(gradcli.GradcliError, match="the inputs are a mapping from names to values"):
            function(target, inputs)


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "5", None, 1e18, True])
def test_a_limit_that_is_none_is_refused(value: object) -> None:
    for target, function in (("x*x", gradcli.evaluate), ("x*x", gradcli.check), (Square, gradcli.check_function)):
        with pytest.raises(gradcli.GradcliError, match=r"timeout: it must be a finite number from 0\.001"):
            function(target, {"x": 2.0}, timeout=value)  # type: ignore[operator]


def test_an_empty_tensor_is_a_report() -> None:
    assert gradcli.check_function(Square, {"x": [[]]}).verdict is Verdict.MATCH
