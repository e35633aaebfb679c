"""The commands keep what they derive, say where, and do without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from gradcli.cli.app import main
from gradcli.engine import shared_derivations

EVAL = ["eval", "x**2 * y", "-o", "/dev/null"]
SUITE = '[[check]]\nname = "one"\nprogram = "x*x"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("GRADCLI_NO_CACHE", raising=False)
    shared_derivations().answers.derived.clear()
    shared_derivations().answers.written.clear()
    return tmp_path / "gradcli" / "derivations"


def kept(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    capsys.readouterr()
    assert main(["cache", *arguments]) == 0
    return dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())


def test_it_is_shown_and_cleared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys) == {"path": str(folder), "entries": "0", "bytes": "0"}
    assert main(EVAL) == 0
    found = kept(folder)
    size = sum(path.stat().st_size for path in found)
    assert found
    assert shown(capsys) == {"path": str(folder), "entries": str(len(found)), "bytes": f"{size:,}"}
    assert shown(capsys, "--clear") == {"path": str(folder), "entries": "0", "bytes": "0"}
    assert not folder.exists()


def test_no_cache_keeps_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main([*EVAL, "--no-cache"]) == 0
    monkeypatch.setenv("GRADCLI_NO_CACHE", "1")
    shared_derivations().answers.derived.clear()
    assert main(EVAL) == 0
    assert not folder.exists()


def test_no_cache_reads_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(EVAL) == 0
    assert kept(folder)
    monkeypatch.setattr("gradcli.derivation.store._read", lambda *_: pytest.fail("it was read"))
    shared_derivations().answers.derived.clear()
    assert main([*EVAL, "--no-cache"]) == 0


def test_a_second_process_says_the_same_without_sympy(folder: Path) -> None:
    program = (
        "import sys\nfrom gradcli.cli.app import main\nfrom gradcli.engine import shared_derivations\n"
        "code = main(['eval', 'sum(softmax(X @ X.T, dim=-1))', '--shape', '2x2', '--json'])\n"
        "print(code, shared_derivations().worker._home().connection is None, file=sys.stderr)"
    )
    runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in "12"]
    assert [run.stderr.split() for run in runs] == [["0", "False"], ["0", "True"]]
    assert json.loads(runs[0].stdout) == json.loads(runs[1].stdout)
    assert json.loads(runs[0].stdout)["verdict"] == "match"
    assert kept(folder)


def test_a_suite_uses_it_in_its_processes(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(SUITE, encoding="utf-8")
    suite = ["check", str(tmp_path / "suite.toml"), "-o", "/dev/null"]
    assert main([*suite, "--no-cache"]) == 0
    assert not kept(folder)
    assert main(suite) == 0
    assert kept(folder)


def test_a_folder_of_any_name_is_shown_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", f"{tmp_path}/a\udcff\n::add-mask::\u202eb")
    assert shown(capsys)["path"] == rf"{tmp_path}/a\udcff\n::add-mask::\u202eb/gradcli/derivations"


FOREIGN = ["null", "[]", "{}", "5", '"x"', '{"program": null, "error": null}', "[" * 20_000 + "]" * 20_000]


@pytest.mark.parametrize("answer", FOREIGN, ids=range(len(FOREIGN)))
def test_a_whole_file_with_another_answer_costs_no_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    """It has its hash, as only who can write in the folder can make it."""
    assert main(EVAL) == 0
    for path in kept(folder):
        body = path.read_bytes().partition(b"\n")[2]
        asked, _, _ = body.partition(b', "answer": ')
        body = asked + b', "answer": ' + answer.encode() + b"}"
        path.write_bytes(sha256(body).hexdigest().encode() + b"\n" + body)
    shared_derivations().answers.derived.clear()
    shared_derivations().answers.written.clear()
    capsys.readouterr()
    assert main(["eval", "x**2 * y", "--format", "plain"]) == 0
    assert "match: autograd agrees" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["huge", "link", "pipe"])
def test_what_stands_in_the_place_of_a_file_costs_no_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert main(EVAL) == 0
    for path in kept(folder):
        if kind == "huge":
            os.truncate(path, 10 << 30)
            continue
        path.unlink()
        path.symlink_to("/dev/zero") if kind == "link" else os.mkfifo(path)
    shared_derivations().answers.derived.clear()
    shared_derivations().answers.written.clear()
    capsys.readouterr()
    assert main(["eval", "x**2 * y", "--format", "plain"]) == 0
    assert "match: autograd agrees" in capsys.readouterr().out
