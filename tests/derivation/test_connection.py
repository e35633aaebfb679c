"""A connection against processes that lie, stutter, stand still and die."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from gradcli.derivation.connection import DIED, EXHAUSTED, STOPPED, UNTRIED, Connection, Delivery, Failure, Outcome
from gradcli.derivation.protocol import Answer, Query

Opened = Callable[[str], Connection]
READY = "say(0)"
START = """
import json, os, sys, time
def say(number, data=None, **more):
    print(json.dumps({"number": number, "data": data, **more}), flush=True)
def hear():
    return json.loads(sys.stdin.readline())
"""
ECHO = "while True:\n    asked = hear(); say(asked['number'], asked['data'])"


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Open a connection to a process that runs a script."""
    connections = []

    def opened(script: str) -> Connection:
        connections.append(Connection([sys.executable, "-c", START + script]))
        connections[-1].begin()
        return connections[-1]

    yield opened
    for connection in connections:
        connection.close()


def post(connection: Connection, number: int, seconds: float = 20.0, **data: object) -> Delivery:
    return connection.post(Query(number, "derive", data), seconds)


def ask(connection: Connection, number: int, seconds: float = 20.0, **data: object) -> Outcome:
    return connection.outcome(post(connection, number, seconds, **data))


def test_each_question_has_its_own_answer_in_any_order_of_collecting(opened: Opened) -> None:
    connection = opened(f"{READY}\n{ECHO}")
    deliveries = [post(connection, number, x=number) for number in range(1, 6)]
    answers = [connection.outcome(delivery) for delivery in reversed(deliveries)]
    assert answers == [Answer(number, {"x": number}) for number in reversed(range(1, 6))]


def test_an_answer_to_another_question_is_dropped(opened: Opened) -> None:
    connection = opened(f"{READY}\nhear(); say(41, 'old'); say(3, 'older'); say(42, 'own')\n{ECHO}")
    assert ask(connection, 42) == Answer(42, "own")
    assert ask(connection, 43, x=1) == Answer(43, {"x": 1})


def test_an_answer_in_pieces_is_put_together(opened: Opened) -> None:
    script = """
hear()
text = json.dumps({"number": 1, "data": "in pieces"}) + "\\n"
for letter in text:
    sys.stdout.write(letter); sys.stdout.flush(); time.sleep(0.002)
"""
    connection = opened(f"{READY}\n{script}\n{ECHO}")
    assert ask(connection, 1) == Answer(1, "in pieces")
    assert ask(connection, 2) == Answer(2, {})


@pytest.mark.parametrize(
    "script",
    [
        "hear(); os._exit(0)",
        'hear(); sys.stdout.write(\'{"number": 1, "da\'); sys.stdout.flush(); os._exit(0)',
        "hear(); print('Traceback (most recent call last):', flush=True); time.sleep(60)",
        "hear(); print('[1]', flush=True); time.sleep(60)",
        "os.close(0); time.sleep(60)",
        "os._exit(0)",
    ],
    ids=["death", "death in an answer", "no JSON", "no answer", "no input", "no start"],
)
def test_a_process_that_breaks_down_is_of_no_more_use(opened: Opened, script: str) -> None:
    connection = opened(f"{'' if script == 'os._exit(0)' else READY}\n{script}")
    first, second = post(connection, 1, 2.0), post(connection, 2)
    late = {Failure("no derivative within 2 s", again=unread) for unread in (False, True)}
    assert connection.outcome(first) in {DIED, *late}
    assert connection.outcome(second) is UNTRIED
    assert not connection.usable
    assert connection.outcome(post(connection, 3)) is UNTRIED


def test_the_time_for_an_answer_begins_with_its_question(opened: Opened) -> None:
    connection = opened(f"time.sleep(0.5)\n{READY}\nhear(); time.sleep(0.5); say(1, 'slow')\n{ECHO}")
    deliveries = [post(connection, 1, 1.0), post(connection, 2, 0.4)]
    assert [connection.outcome(delivery) for delivery in deliveries] == [Answer(1, "slow"), Answer(2, {})]


def test_an_answer_that_is_late_ends_the_process(opened: Opened) -> None:
    connection = opened(f"{READY}\nhear()\nwhile True: pass")
    late, after = post(connection, 1, 0.5), post(connection, 2)
    assert connection.outcome(late) == Failure("no derivative within 0.5 s")
    assert connection.outcome(after) is UNTRIED
    assert connection.process.wait(5.0) is not None


def test_a_question_that_is_not_read_is_late_too(opened: Opened) -> None:
    connection = opened(f"{READY}\ntime.sleep(60)")
    assert ask(connection, 1, 0.2, text="x" * (1 << 20)) == Failure("no derivative within 0.2 s", again=True)


def test_a_process_that_did_not_compute_in_its_time_gets_another_chance(opened: Opened) -> None:
    connection = opened(f"{READY}\nhear(); time.sleep(60)")
    assert ask(connection, 1, 0.2) == Failure("no derivative within 0.2 s", again=True)


@pytest.mark.parametrize("moment", ["", READY])
def test_a_process_that_is_stopped_is_soon_given_up(moment: str, opened: Opened) -> None:
    connection = opened(f"{moment}\nimport signal; os.kill(os.getpid(), signal.SIGSTOP)\n{READY}\n{ECHO}")
    started = time.monotonic()
    assert ask(connection, 1, 60.0) == (STOPPED if moment else DIED)
    assert time.monotonic() - started < 20.0
    assert connection.process.wait(5.0) is not None


def test_a_process_that_is_stopped_for_a_moment_answers(opened: Opened) -> None:
    connection = opened(f"{READY}\n{ECHO}")
    assert ask(connection, 1) == Answer(1, {})
    connection.process.send_signal(signal.SIGSTOP)
    posted = post(connection, 2, 60.0)
    time.sleep(0.5)
    connection.process.send_signal(signal.SIGCONT)
    assert connection.outcome(posted) == Answer(2, {})


def test_a_defect_that_shows_at_the_start_is_the_answer(opened: Opened) -> None:
    connection = opened("time.sleep(0.3); say(0, defect='ImportError: no sympy')")
    found = ask(connection, 1)
    assert isinstance(found, Answer)
    assert found.defect == "ImportError: no sympy"
    assert connection.process.wait(5.0) is not None
    assert not connection.usable


def test_a_long_question_and_a_long_answer_arrive(opened: Opened) -> None:
    connection = opened(f"{READY}\n{ECHO}")
    text = "x" * (3 << 20)
    assert ask(connection, 1, text=text) == Answer(1, {"text": text})


def test_a_question_that_nobody_waits_for_is_soon_given_up(opened: Opened) -> None:
    connection = opened(f"{READY}\nhear(); time.sleep(60)")
    running = post(connection, 1, 60.0)
    time.sleep(0.2)
    running.cancelled = True
    started = time.monotonic()
    assert isinstance(connection.outcome(running), Failure)
    assert time.monotonic() - started < 10.0
    assert connection.process.wait(5.0) is not None


def test_an_answer_that_nobody_waits_for_does_no_harm(opened: Opened) -> None:
    connection = opened(f"{READY}\nhear(); time.sleep(0.3); say(1, 'unwanted')\n{ECHO}")
    unwanted, other = post(connection, 1, 60.0), post(connection, 2)
    time.sleep(0.1)
    unwanted.cancelled = True
    assert connection.outcome(other) == Answer(2, {})
    assert connection.usable


def test_a_question_that_is_given_up_before_its_turn_is_left_out(opened: Opened) -> None:
    connection = opened(f"time.sleep(0.3)\n{READY}\n{ECHO}")
    given_up, other = post(connection, 1), post(connection, 2)
    given_up.cancelled = True
    assert connection.outcome(other) == Answer(2, {})
    assert given_up.outcomes.empty()


def test_a_process_without_memory_is_left(opened: Opened) -> None:
    connection = opened(f"{READY}\nhear(); say(1, exhausted=True)\n{ECHO}")
    assert ask(connection, 1) is EXHAUSTED
    assert not connection.usable


def test_a_closed_connection_has_no_answers(opened: Opened) -> None:
    connection = opened(f"{READY}\n{ECHO}")
    connection.close()
    assert ask(connection, 1) in {UNTRIED, DIED}
    assert connection.process.returncode is not None


def test_beginning_twice_is_beginning_once(opened: Opened) -> None:
    connection = opened(f"{READY}\n{ECHO}")
    for _ in range(20):
        connection.begin()
    assert [ask(connection, number) for number in range(1, 50)] == [Answer(number, {}) for number in range(1, 50)]
