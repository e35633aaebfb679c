"""The worker among threads, forks, interruptions and deaths: every answer is that to its own question."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from gradcli.derivation.client import Worker
from gradcli.derivation.connection import DIED, EXHAUSTED, UNTRIED, Failure, Outcome
from gradcli.derivation.derivations import Derivations
from gradcli.derivation.formulas import FormulaRequest
from gradcli.derivation.messages import DerivativeRequest, Derived
from gradcli.derivation.protocol import Answer
from gradcli.symbolic.derive.derive import derive
from gradcli.symbolic.warm import small_request

FOLDER = Path(__file__).parent
FUNCTIONS = ("sin", "cos", "exp", "tanh", "sinh", "cosh", "atan", "erf", "log", "sqrt")
REQUESTS = [
    DerivativeRequest(f"{name}(x)*k", (("x", "i"),), (("k", number),), "i", ("x",))
    for number in range(2, 32)
    for name in FUNCTIONS
]
# Only a right answer is one: the same that sympy gives without a worker.
RIGHT = {request: derive(request) for request in REQUESTS}
SLOW = DerivativeRequest("lgamma(x)**200*sin(exp(x))**200", (("x", "i"),), (), "i", ("x",), pulled_back_by=("x",) * 12)


class InterruptedByTestError(BaseException):
    """What Ctrl-C is elsewhere: it may be raised anywhere."""


@pytest.fixture
def derivations() -> Iterator[Derivations]:
    made = Derivations(Worker(), 60.0)
    yield made
    made.worker.stop()


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 (not for secrets)


def process_of(derivations: Derivations) -> subprocess.Popen[bytes]:
    connection = derivations.worker._home().connection
    assert connection is not None
    return connection.process


def wrong(derivations: Derivations) -> list[DerivativeRequest]:
    """Return the requests whose answer is another than the right one; there may be none."""
    known = {**derivations.answers.derived, **derivations.known}
    return [request for request, answer in known.items() if answer.error is None and answer != RIGHT[request]]


def unanswered(derivations: Derivations) -> list[DerivativeRequest]:
    return [request for request in REQUESTS if derivations.known[request] != RIGHT[request]]


@pytest.fixture
def _raising_alarm() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise InterruptedByTestError

    before = signal.signal(signal.SIGALRM, stop)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("_raising_alarm")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # an alarm within a finaliser
def test_after_interruptions_at_random_moments_every_answer_is_right(derivations: Derivations) -> None:
    moments, cut_short = seeded(0), 0
    derivations.request(REQUESTS[:1])
    for number in range(150):
        check = derivations.for_check(60.0)
        try:
            signal.setitimer(signal.ITIMER_REAL, moments.uniform(1e-5, 0.02))
            check.request(moments.sample(REQUESTS, 20))
            check.collect_formulas(check.post_formulas(small(number)))
            signal.setitimer(signal.ITIMER_REAL, 0)
        except InterruptedByTestError:
            cut_short += 1
        assert wrong(check) == []
    assert cut_short > 20
    last = derivations.for_check(60.0)
    last.request(REQUESTS)
    assert unanswered(last) == []


def small(number: int) -> FormulaRequest:
    return small_request(1.0 + number)


def test_after_time_limits_every_answer_is_right(derivations: Derivations) -> None:
    limits = seeded(1)
    for _ in range(4):
        check = derivations.for_check(limits.uniform(0.0, 0.004))
        check.request(limits.sample(REQUESTS, 5))
        assert wrong(check) == []
    last = derivations.for_check(60.0)
    last.request(REQUESTS)
    assert unanswered(last) == []


def test_while_the_process_is_killed_every_answer_is_right_or_missing(derivations: Derivations) -> None:
    moments, over = seeded(2), threading.Event()

    def kill() -> None:
        while not over.wait(moments.uniform(1.0, 3.0)):
            with suppress(AssertionError):
                process_of(derivations).kill()

    killer = threading.Thread(target=kill)
    killer.start()
    started = time.monotonic()
    while time.monotonic() - started < 10.0:
        check = Derivations(derivations.worker, 60.0)  # nothing is known: each round asks again
        check.request(moments.sample(REQUESTS, 100))
        assert wrong(check) == []
        assert {answer.error for answer in check.known.values()} <= {None, "the symbolic worker died"}
    over.set()
    killer.join()
    last = derivations.for_check(60.0)
    last.request(REQUESTS)
    assert unanswered(last) == []


def test_a_question_at_which_the_process_dies_is_asked_once_more(derivations: Derivations) -> None:
    derivations.request(REQUESTS[:1])
    first = process_of(derivations)
    first.kill()
    derivations.request(REQUESTS[:20])
    assert all(derivations.known[request] == RIGHT[request] for request in REQUESTS[:20])
    assert process_of(derivations) is not first


@pytest.mark.parametrize(
    ("outcomes", "last"),
    [
        ([UNTRIED, DIED, UNTRIED, Answer(1)], Answer(1)),
        ([DIED, UNTRIED, DIED, Answer(1)], DIED),
        ([EXHAUSTED, Answer(1)], Answer(1)),
        ([EXHAUSTED, EXHAUSTED, Answer(1)], EXHAUSTED),
        ([Failure("no derivative within 1 s"), Answer(1)], Failure("no derivative within 1 s")),
    ],
)
def test_a_question_is_asked_again_after_its_own_breakdown_once_and_after_others_always(
    outcomes: list[Outcome], last: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter(outcomes)

    class Scripted:
        def outcome(self, _: object) -> Outcome:
            return next(told)

    monkeypatch.setattr(Worker, "_deliver", lambda *_: (Scripted(), None))
    worker = Worker()
    assert worker.collect(worker.post("derive", {}, 1.0)) == last


def test_threads_each_get_their_own_answers(derivations: Derivations) -> None:
    def check(seed: int) -> list[DerivativeRequest]:
        own = Derivations(derivations.worker, 60.0)
        order = seeded(seed).sample(REQUESTS, len(REQUESTS))
        for start in range(0, len(order), 7):
            own.request(order[start : start + 7])
        return unanswered(own)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(check, range(4))) == [[]] * 4


def test_a_time_limit_in_one_thread_does_not_cost_another_its_answers(derivations: Derivations) -> None:
    def hurried() -> None:
        for request in REQUESTS[:5]:
            Derivations(derivations.worker, 0.0).request([request])

    with ThreadPoolExecutor(2) as threads:
        other = threads.submit(hurried)
        derivations.request(REQUESTS[100:])
        other.result()
    assert all(derivations.known[request] == RIGHT[request] for request in REQUESTS[100:])


def test_a_child_that_is_forked_off_has_its_own_process(derivations: Derivations) -> None:
    derivations.request(REQUESTS[:3])
    theirs, reading = process_of(derivations).pid, derivations.worker.post("derive", REQUESTS[3].to_data(), 60.0)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            derivations.request(REQUESTS[4:30])
            derivations.worker.collect(reading)
            same = process_of(derivations).pid == theirs
            code = int(same or any(derivations.known[request] != RIGHT[request] for request in REQUESTS[4:30]))
            derivations.worker.stop()
        finally:
            os._exit(code)
    derivations.request(REQUESTS[30:])
    derivations.request(REQUESTS)
    assert unanswered(derivations) == []
    assert Derived.from_data(derivations.worker.collect(reading).data) == RIGHT[REQUESTS[3]]  # type: ignore[union-attr]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert process_of(derivations).pid == theirs


def test_the_memory_limit_is_no_more_than_the_system_allows() -> None:
    most = 1 << 30
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({most}, {most}))\n"
        "from gradcli.derivation.client import Worker; from gradcli.derivation.derivations import Derivations\n"
        "from test_client import REQUESTS, RIGHT, process_of\n"
        "derivations = Derivations(Worker(), 60.0); derivations.request(REQUESTS[:1])\n"
        "assert derivations.known[REQUESTS[0]] == RIGHT[REQUESTS[0]]\n"
        "print(*resource.prlimit(process_of(derivations).pid, resource.RLIMIT_AS))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=FOLDER, capture_output=True, check=True, text=True)
    assert found.stdout.split() == [str(most), str(most)]


def test_the_worker_has_a_memory_limit(derivations: Derivations) -> None:
    derivations.worker.memory = 1 << 30
    derivations.request(REQUESTS[:1])
    assert derivations.known[REQUESTS[0]] == RIGHT[REQUESTS[0]]
    assert resource.prlimit(process_of(derivations).pid, resource.RLIMIT_AS) == (1 << 30, 1 << 30)


def test_the_process_ends_with_its_parent_although_it_is_busy() -> None:
    code = (
        "import os; from gradcli.derivation.client import Worker; import test_client as t\n"
        "worker = Worker(); worker.post('derive', t.SLOW.to_data(), 600.0)\n"
        "print(worker._home().connection.process.pid, flush=True); import time; time.sleep(4); os._exit(0)"
    )
    parent = subprocess.run([sys.executable, "-c", code], cwd=FOLDER, capture_output=True, check=True, text=True)
    worker = int(parent.stdout)
    for _ in range(50):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker outlived its parent")


def test_ctrl_c_at_the_terminal_does_not_reach_the_process(derivations: Derivations) -> None:
    derivations.request(REQUESTS[:1])
    process = process_of(derivations)
    process.send_signal(signal.SIGINT)
    derivations.request(REQUESTS[:10])
    assert process_of(derivations) is process


@pytest.mark.parametrize(
    ("variable", "value"),
    [*(("PYTHONIOENCODING", name) for name in ("utf-16", "ascii", "latin-1", "nonsense")), ("PYTHONWARNINGS", "error")],
)
def test_the_streams_and_warnings_of_the_environment_do_not_matter(
    variable: str, value: str, derivations: Derivations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    derivations.request(REQUESTS[:3])
    assert [derivations.known[request] for request in REQUESTS[:3]] == [RIGHT[request] for request in REQUESTS[:3]]
