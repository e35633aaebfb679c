from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradcli.derivation.client import Derivations, Worker
from gradcli.derivation.messages import DerivativeRequest, Derived
from gradcli.symbolic import warm

SINE = DerivativeRequest("sin(x)", (("x", "i"),), (), "i", ("x",))
EXPONENTIAL = DerivativeRequest("exp(x)", (("x", "i"),), (), "i", ("x",))
UNKNOWN = DerivativeRequest("nonsense(x)", (("x", "i"),), (), "i", ("x",))


@pytest.fixture
def derivations() -> Iterator[Derivations]:
    made = Derivations(Worker(seconds=60.0))
    yield made
    made.worker.stop()


def answer(derivations: Derivations, signature: DerivativeRequest) -> Derived:
    derivations.request([signature])
    return derivations.known[signature]


def test_answers_come_in_order(derivations: Derivations) -> None:
    derivations.request([SINE, EXPONENTIAL, SINE])
    assert list(derivations.known) == [SINE, EXPONENTIAL]
    assert "cos" in [step.function for step in derivations.known[SINE].adjoints["x"].steps]
    assert "exp" in [step.function for step in derivations.known[EXPONENTIAL].adjoints["x"].steps]


def test_what_is_known_is_not_asked_again(derivations: Derivations) -> None:
    first = answer(derivations, SINE)
    derivations.worker.stop()
    assert answer(derivations, SINE) is first
    assert derivations.worker._process is None


def test_formulas_are_written_once(derivations: Derivations) -> None:
    sketch = warm._sketch()
    written = derivations.collect_formulas(derivations.post_formulas(sketch, 10.0), 60.0)
    assert written["a"]["formula"] == "b/4 + 1/4"
    derivations.worker.stop()
    assert derivations.collect_formulas(derivations.post_formulas(sketch, 10.0), 60.0) is written
    assert derivations.worker._process is None


def test_formulas_that_never_came_are_asked_for_again(derivations: Derivations) -> None:
    sketch = warm._sketch()
    key = derivations.post_formulas(sketch, 10.0)
    derivations.worker.stop()
    assert derivations.collect_formulas(key, 60.0) == {}
    assert derivations.collect_formulas(derivations.post_formulas(sketch, 10.0), 60.0)


def test_a_derivation_that_fails_is_an_answer_and_the_worker_lives(derivations: Derivations) -> None:
    assert answer(derivations, UNKNOWN).error
    process = derivations.worker._process
    assert answer(derivations, SINE).error is None
    assert derivations.worker._process is process


def test_too_long_a_derivation_is_given_up_and_the_worker_replaced(derivations: Derivations) -> None:
    derivations.worker.seconds = 0.01  # sympy's import alone takes longer
    derivations.worker.start()
    process = derivations.worker._process
    assert process is not None
    assert "0.01 s" in (answer(derivations, SINE).error or "")
    assert process.poll() is not None
    derivations.worker.seconds = 60.0
    assert answer(derivations, EXPONENTIAL).error is None


def test_one_slow_derivation_leaves_the_others_their_turn(derivations: Derivations) -> None:
    answers = list(derivations.worker.ask([{"derive": SINE.to_data()}]))
    assert isinstance(answers[0], dict)
    process = derivations.worker._process
    assert process is not None
    process.kill()
    first, second = derivations.worker.ask([{"derive": SINE.to_data()}, {"derive": EXPONENTIAL.to_data()}])
    assert "died" in first
    assert isinstance(second, dict)


def test_the_worker_has_a_memory_limit(derivations: Derivations) -> None:
    derivations.worker.memory = 1 << 30
    assert answer(derivations, SINE).error is None
    process = derivations.worker._process
    assert process is not None
    assert resource.prlimit(process.pid, resource.RLIMIT_AS) == (1 << 30, 1 << 30)


def test_too_little_memory_is_no_derivative_and_no_crash(derivations: Derivations) -> None:
    derivations.worker.memory = 40 << 20
    assert answer(derivations, SINE).error
    derivations.worker.memory = 2 << 30
    derivations.worker.stop()
    assert answer(derivations, EXPONENTIAL).error is None


@pytest.mark.parametrize("name", ["sympy.py", "json.py", "gradcli.py"])
def test_a_file_in_the_current_folder_is_not_imported(
    name: str, derivations: Derivations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert answer(derivations, SINE).error is None
    assert not (tmp_path / "imported").exists()
