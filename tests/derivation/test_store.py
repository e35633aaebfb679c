"""An answer that was kept is the answer to that question by that code, or is not used."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from gradcli.derivation import fingerprint as fingerprints
from gradcli.derivation import store as module
from gradcli.derivation.client import Worker
from gradcli.derivation.connection import Failure
from gradcli.derivation.derivations import Derivations
from gradcli.derivation.messages import Arbitration, DerivativeRequest, Derived
from gradcli.derivation.store import Store, clear, size_of
from gradcli.symbolic.warm import small_request

SINE = DerivativeRequest("sin(x)", (("x", "i"),), (), "i", ("x",))
UNKNOWN = DerivativeRequest("nonsense(x)", (("x", "i"),), (), "i", ("x",))
QUESTION, OTHER = {"formula": "x"}, {"formula": "y"}
ANSWER = {"value": None, "adjoints": {}, "system": None, "error": "sound"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache" / "derivations", "code")


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.stop()


def again(store: Store) -> Store:
    """Return the store as another process has it."""
    return Store(store.place, store.code)


def files(store: Store) -> list[Path]:
    assert store.place is not None
    return [path for path in store.place.rglob("*") if path.is_file()]


def kept(store: Store) -> Path:
    store.put("derive", QUESTION, ANSWER)
    (path,) = files(store)
    return path


def is_running(worker: Worker) -> bool:
    return worker._home().connection is not None


def test_what_was_derived_is_not_derived_again(store: Store, worker: Worker) -> None:
    first = Derivations(worker, 60.0, store=store)
    first.request([SINE])
    written = first.collect_formulas(first.post_formulas(small_request(60.0)))
    arbitration = Arbitration("x**2", (), "x", ((("x", "3/2"),),), ("1/2",))
    number = first.arbitrate(arbitration)
    idle = Worker()
    second = Derivations(idle, 60.0, store=again(store))
    second.request([SINE])
    assert second.known[SINE] == first.known[SINE]
    assert second.known[SINE].adjoints
    assert second.collect_formulas(second.post_formulas(small_request(60.0))) == written
    assert second.arbitrate(arbitration) == number
    assert not is_running(idle)


def test_a_run_that_needs_nothing_else_does_not_start_the_process(store: Store, worker: Worker) -> None:
    for wanted in (True, False):
        derivations = Derivations(worker if wanted else Worker(), 60.0, store=again(store))
        derivations.start("the run")
        assert is_running(derivations.worker) is wanted
        derivations.request([SINE])
        derivations.store.note("the run")
    derivations = Derivations(Worker(), 60.0, store=again(store))
    assert not derivations.store.sufficed_for("another run")


def test_a_run_whose_answers_are_not_all_kept_starts_it(store: Store, worker: Worker) -> None:
    derivations = Derivations(worker, 60.0, store=store)
    derivations.request([SINE, UNKNOWN])
    store.note("the run")
    assert not again(store).sufficed_for("the run")


def test_only_whole_answers_are_kept(store: Store, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    derivations = Derivations(worker, 60.0, store=store)
    derivations.request([UNKNOWN])
    assert derivations.known[UNKNOWN].error
    hurried = small_request(1e-6)
    assert derivations.collect_formulas(derivations.post_formulas(hurried)) == {}
    monkeypatch.setattr(Worker, "_awaited", lambda *_: Failure("no derivative within 0 s"))
    derivations.request([SINE])
    assert derivations.known[SINE].error
    assert files(store) == []


def test_formulas_do_not_depend_on_the_time_that_there_was(store: Store, worker: Worker) -> None:
    derivations = Derivations(worker, 60.0, store=store)
    written = derivations.collect_formulas(derivations.post_formulas(small_request(60.0)))
    idle = Worker()
    other = Derivations(idle, 60.0, store=again(store))
    assert written
    assert other.collect_formulas(other.post_formulas(replace(small_request(60.0), seconds=0.5))) == written
    assert not is_running(idle)


@pytest.mark.parametrize(
    "other",
    [
        replace(SINE, numbers=(("k", 1),)),
        replace(SINE, numbers=(("k", True),)),
        replace(SINE, numbers=(("k", 1.0),)),
        replace(SINE, part="real"),
        replace(SINE, formula="cos(x)"),
    ],
)
def test_another_question_has_another_answer(store: Store, other: DerivativeRequest) -> None:
    store.put("derive", SINE.to_data(), ANSWER)
    assert again(store).get("derive", SINE.to_data()) == ANSWER
    assert again(store).get("derive", other.to_data()) is None


def test_another_kind_and_other_code_have_other_answers(store: Store) -> None:
    store.put("derive", QUESTION, ANSWER)
    assert store.get("arbitrate", QUESTION) is None
    assert Store(store.place, "other code").get("derive", QUESTION) is None


LOADED = """
import sys
import gradcli.symbolic.derive.high_precision, gradcli.symbolic.warm, gradcli.symbolic.worker
print(*[module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "gradcli"], sep="\\n")
"""


def test_every_file_that_derives_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {str(path) for path in fingerprints._files()}
    loaded = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert set(loaded.stdout.split()) <= names
    file = tmp_path / "code.py"
    monkeypatch.setattr(fingerprints, "_files", lambda: [file])
    prints = []
    for text in ("a = 1", "a = 2"):
        file.write_text(text, encoding="utf-8")
        prints.append(fingerprints.fingerprint.__wrapped__())
    file.unlink()
    assert None not in prints
    assert prints[0] != prints[1]
    assert fingerprints.fingerprint.__wrapped__() is None


def test_a_file_under_anothers_name_is_not_used(store: Store) -> None:
    first = kept(store)
    store.put("derive", OTHER, {**ANSWER, "error": "other"})
    (second,) = set(files(store)) - {first}
    second.write_bytes(first.read_bytes())
    assert again(store).get("derive", OTHER) is None


@pytest.mark.parametrize(
    "old_and_new",
    [
        (b"sound", b"wrong"),
        (b"}", b"}\n"),
        (b"}", b""),
        (b"{", b"[" * 200_000),
        (b"\n", b""),
    ],
    ids=["flipped", "longer", "shorter", "deep", "no line"],
)
def test_a_file_that_is_not_whole_is_as_good_as_none(store: Store, old_and_new: tuple[bytes, bytes]) -> None:
    path = kept(store)
    path.write_bytes(path.read_bytes().replace(*old_and_new))
    assert again(store).get("derive", QUESTION) is None
    store.put("derive", QUESTION, ANSWER)
    assert again(store).get("derive", QUESTION) == ANSWER


@pytest.mark.parametrize("length", [0, 10, 64, 65, 100])
def test_a_file_that_was_cut_off_is_as_good_as_none(store: Store, length: int) -> None:
    path = kept(store)
    path.write_bytes(path.read_bytes()[:length])
    assert again(store).get("derive", QUESTION) is None


@pytest.mark.parametrize("answer", ["null", "[" * 200_000, "3", '{"adjoints": 3}'], ids=["null", "deep", "3", "dict"])
def test_a_whole_file_that_holds_no_answer_is_as_good_as_none(store: Store, answer: str) -> None:
    path = kept(store)
    asked = json.loads(path.read_bytes().partition(b"\n")[2])["asked"]
    path.write_bytes(hashed(f'{{"asked": {json.dumps(asked)}, "answer": {answer}}}'.encode()))
    assert again(store).get("derive", QUESTION) is None


def hashed(body: bytes) -> bytes:
    return sha256(body).hexdigest().encode() + b"\n" + body


def test_a_file_that_others_may_write_is_not_used(store: Store) -> None:
    path = kept(store)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o662)
    assert again(store).get("derive", QUESTION) is None


def test_a_file_of_another_user_is_not_used(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(store)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert again(store).get("derive", QUESTION) is None


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_not_used(store: Store, tmp_path: Path, kind: str) -> None:
    path = kept(store)
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    {"link": lambda: path.symlink_to(elsewhere), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()
    assert again(store).get("derive", QUESTION) is None


def test_a_full_disk_costs_only_time(store: Store, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(Path, "replace", full)
    derivations = Derivations(worker, 60.0, store=store)
    derivations.request([SINE])
    assert derivations.known[SINE].error is None
    assert files(store) == []


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    store = Store(tmp_path / "file" / "derivations", "code")
    store.put("derive", QUESTION, ANSWER)
    assert store.get("derive", QUESTION) is None
    store.note("the run")


def test_processes_that_write_at_once_lose_nothing(store: Store) -> None:
    program = (
        "import sys; from pathlib import Path; from gradcli.derivation.store import Store\n"
        "for n in range(200):\n"
        "    store = Store(Path(sys.argv[1]), 'code')\n"
        "    question, answer = {'n': n % 10}, {'value': None, 'adjoints': {}, 'system': None, 'error': str(n % 10)}\n"
        "    store.put('derive', question, answer)\n"
        "    assert store.get('derive', question) == answer\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", program, str(store.place)]) for _ in range(3)]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert len(files(store)) == 10


def test_the_folder_is_bounded_and_keeps_what_was_used_last(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES_OF_PART", 2000)
    monkeypatch.setattr(module, "NOTED_AFTER", 0.0)
    for n in range(300):
        store.put("derive", {"n": n}, {**ANSWER, "error": "x" * 300})
        assert store.get("derive", {"n": 0})
        for path in files(store):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 1.0))
        time.sleep(0.0002)
    sizes = [sum(path.stat().st_size for path in part.iterdir()) for part in (store.place or Path()).iterdir()]
    assert max(sizes) <= 2000
    assert min(sizes) > 1000
    monkeypatch.setattr(module, "MOST_FILES_OF_PART", 2)
    for n in range(300, 400):
        store.put("derive", {"n": n}, ANSWER)
    assert max(len(list(part.iterdir())) for part in (store.place or Path()).iterdir()) <= 2


def test_a_process_looks_at_all_that_is_kept_only_now_and_then(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []
    look = module._look
    monkeypatch.setattr(module, "_look", lambda part, size: (looks.append(part), look(part, size)))
    for n in range(300):
        store.put("derive", {"n": n}, ANSWER)
    assert len(looks) == len(set(looks)) == len(module.PARTS)


def test_an_answer_that_is_too_long_is_not_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 200)
    store.put("derive", QUESTION, {**ANSWER, "error": "x" * 300})
    assert files(store) == []


def test_nothing_but_our_files_is_ever_removed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept(store)
    others = [path.with_name("thesis.tex"), (store.place or Path()) / "notes.txt"]
    for other in others:
        other.write_text("mine", encoding="utf-8")
    monkeypatch.setattr(module, "MOST_BYTES_OF_PART", 1)
    for n in range(40):
        store.put("derive", {"n": n}, ANSWER)
    unfinished = path.with_name(f".{path.stem}.1.2")
    unfinished.write_text("", encoding="utf-8")
    assert store.place is not None
    assert clear(store.place) == 0
    assert sorted(files(store)) == sorted(others)
    assert size_of(store.place) == (0, 0)


def test_an_answer_reads_as_it_was(store: Store, worker: Worker) -> None:
    requests = [
        SINE,
        DerivativeRequest("x*k", (("x", "i"),), (("k", 0.1),), "i", ("x",)),
        DerivativeRequest("x*k", (("x", "i"),), (("k", 1e308 * 10),), "i", ("x",)),
        DerivativeRequest("input[i, k] * other[k, j]", (("input", ""), ("other", "")), (), "ij", ("input", "other")),
    ]
    derivations = Derivations(worker, 60.0, store=store)
    derivations.request(requests)
    for request in requests:
        found = again(store).get("derive", request.to_data())
        assert found is not None or derivations.known[request].error
        assert found is None or Derived.from_data(found) == derivations.known[request]
