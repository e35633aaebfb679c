"""What a check gets, what is kept for the next one, and what is not."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from gradcli.derivation import derivations as module
from gradcli.derivation.client import Worker
from gradcli.derivation.connection import Connection
from gradcli.derivation.derivations import Derivations
from gradcli.derivation.messages import Arbitration, DerivativeRequest, Derived
from gradcli.derivation.protocol import Answer
from gradcli.errors import InternalError
from gradcli.symbolic.warm import small_request

SINE = DerivativeRequest("sin(x)", (("x", "i"),), (), "i", ("x",))
EXPONENTIAL = DerivativeRequest("exp(x)", (("x", "i"),), (), "i", ("x",))
UNKNOWN = DerivativeRequest("nonsense(x)", (("x", "i"),), (), "i", ("x",))


@pytest.fixture
def derivations() -> Iterator[Derivations]:
    made = Derivations(Worker(), 60.0)
    yield made
    made.worker.stop()


def answer(derivations: Derivations, request: DerivativeRequest) -> Derived:
    derivations.request([request])
    return derivations.known[request]


def connection_of(derivations: Derivations) -> Connection:
    connection = derivations.worker._home().connection
    assert connection is not None
    return connection


def test_answers_come_in_order(derivations: Derivations) -> None:
    derivations.request([SINE, EXPONENTIAL, SINE])
    assert list(derivations.known) == [SINE, EXPONENTIAL]
    assert "cos" in [step.function for step in derivations.known[SINE].adjoints["x"].steps]
    assert "exp" in [step.function for step in derivations.known[EXPONENTIAL].adjoints["x"].steps]


def test_what_is_known_is_not_asked_again(derivations: Derivations) -> None:
    first = answer(derivations, SINE)
    derivations.worker.stop()
    assert answer(derivations, SINE) is first
    assert answer(derivations.for_check(60.0), SINE) is first
    assert not connection_of(derivations).usable


def test_formulas_are_written_once(derivations: Derivations) -> None:
    request = small_request(10.0)
    written = derivations.collect_formulas(derivations.post_formulas(request))
    assert written["a"].text == "b/4 + 1/4"
    derivations.worker.stop()
    assert derivations.collect_formulas(derivations.post_formulas(request)) is written
    assert not connection_of(derivations).usable


def test_formulas_with_more_time_are_written_again(derivations: Derivations) -> None:
    none = derivations.collect_formulas(derivations.post_formulas(small_request(1e-6)))
    assert none == {}
    assert derivations.collect_formulas(derivations.post_formulas(small_request(10.0)))


def test_formulas_survive_the_death_of_the_worker(derivations: Derivations) -> None:
    posted = derivations.post_formulas(small_request(10.0))
    connection_of(derivations).process.kill()
    assert derivations.collect_formulas(posted)["a"].text == "b/4 + 1/4"


def test_what_sympy_cannot_do_is_an_answer_that_is_kept(derivations: Derivations) -> None:
    assert "nonsense" in (answer(derivations, UNKNOWN).error or "")
    assert UNKNOWN in derivations.answers.derived
    before = connection_of(derivations)
    assert answer(derivations, SINE).error is None
    assert connection_of(derivations) is before


def test_a_derivation_that_takes_too_long_is_given_up_for_this_check_alone(derivations: Derivations) -> None:
    answer(derivations, EXPONENTIAL)
    process = connection_of(derivations).process
    os.kill(process.pid, signal.SIGSTOP)  # else it may be quick enough
    hurried = derivations.for_check(0.0)
    assert answer(hurried, SINE).error == "no derivative within 0 s"
    assert process.wait(5.0) is not None
    assert SINE not in derivations.answers.derived
    assert answer(hurried, SINE).error == "no derivative within 0 s"  # within the check it is not tried again
    assert answer(derivations.for_check(60.0), SINE).error is None


def test_a_worker_that_stands_still_costs_nothing(derivations: Derivations) -> None:
    answer(derivations, EXPONENTIAL)
    os.kill(connection_of(derivations).process.pid, signal.SIGSTOP)
    assert answer(derivations.for_check(60.0), SINE).error is None
    assert answer(derivations.for_check(60.0), EXPONENTIAL).error is None


@pytest.mark.parametrize("ask", ["request", "formulas", "arbitrate"])
def test_a_defect_is_no_missing_derivative(ask: str, derivations: Derivations, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = Answer(1, defect="NameError: name 'x' is not defined")
    monkeypatch.setattr(Worker, "collect", lambda *_: answered)
    arbitration = Arbitration("x**2", (), "x", ((("x", "3/2"),),), ("1/2",))
    asked = {
        "request": lambda: derivations.request([SINE]),
        "formulas": lambda: derivations.collect_formulas(derivations.post_formulas(small_request(10.0))),
        "arbitrate": lambda: derivations.arbitrate(arbitration),
    }
    with pytest.raises(InternalError, match="internal error: NameError: name 'x' is not defined"):
        asked[ask]()
    assert not derivations.answers.derived
    assert not derivations.answers.written


def test_too_little_memory_is_no_derivative_and_no_crash(derivations: Derivations) -> None:
    derivations.worker.memory = 40 << 20
    assert answer(derivations.for_check(60.0), SINE).error == "the symbolic worker died"
    derivations.worker.memory = 2 << 30
    assert answer(derivations.for_check(60.0), SINE).error is None


def test_numbers_of_different_types_are_different_parameters(derivations: Derivations) -> None:
    numbers = (True, 1, 1.0)
    requests = [DerivativeRequest("x*k", (("x", "i"),), (("k", number),), "i", ("x",)) for number in numbers]
    assert len(set(requests)) == len(numbers)
    derivations.request(requests)
    assert [derivations.known[request].error for request in requests] == [None] * len(numbers)


def test_arbitration_is_exact_or_none(derivations: Derivations) -> None:
    point = ((("x", "3/2"),),)
    found = derivations.arbitrate(Arbitration("x**2", (), "x", point, ("1/2",)))
    assert found is not None
    assert Fraction(found.text) == Fraction(3, 2)
    infinite = derivations.arbitrate(Arbitration("log(x)", (), "x", ((("x", "0"),),), ("1",)))
    assert infinite is not None
    assert infinite.extent == "infinite"
    assert derivations.arbitrate(Arbitration("sign(x)/x", (), "x", ((("x", "0"),),), ("1",))) is None


def test_the_answers_that_are_kept_are_bounded(derivations: Derivations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_DERIVED", 2)
    monkeypatch.setattr(module, "MOST_WRITTEN", 1)
    powers = [DerivativeRequest(f"x**{n}", (("x", "i"),), (), "i", ("x",)) for n in range(2, 7)]
    derivations.request(powers)
    assert len(derivations.answers.derived) <= 2
    assert all(derivations.known[power].error is None for power in powers)
    for seconds in (10.0, 11.0):
        derivations.collect_formulas(derivations.post_formulas(small_request(seconds)))
    assert len(derivations.answers.written) == 1


@pytest.mark.parametrize("name", ["sympy.py", "json.py", "gradcli.py"])
def test_a_file_in_the_current_folder_is_not_imported(
    name: str, derivations: Derivations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert answer(derivations, SINE).error is None
    assert not (tmp_path / "imported").exists()
