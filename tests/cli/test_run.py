"""`gradcli run` as a user runs it: the script as Python would run it, its report, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sysconfig
import time
from pathlib import Path
from typing import Any

import pytest
import warm_start

GRADCLI = str(Path(sysconfig.get_path("scripts")) / "gradcli")
TWO = """
import sys, torch
print("argv", sys.argv, __name__)
w = torch.tensor([1.0, 2.0], requires_grad=True)
for power in (2, 3):
    (w ** power).sum().backward()
"""


def run(folder: Path, text: str, *words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(text, encoding="utf-8")
    return warm_start.run("run", *before, "script.py", *words, cwd=folder)


def report_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_each_backward_is_a_check_named_by_its_line_and_number(tmp_path: Path) -> None:
    done = run(tmp_path, TWO, "--epochs", "3", "-x", before=("--json",))
    first, second = report_of(done)["checks"]
    assert done.returncode == 0
    assert "argv ['script.py', '--epochs', '3', '-x'] __main__" in done.stderr
    assert [first["name"], second["name"]] == ["script.py:6 #1", "script.py:6 #2"]
    assert second["source"] == {"file": "script.py", "line": 6}
    assert (second["call"], second["number"]) == ("Tensor.backward", 2)
    gradients = [check["tensors"][0] for check in (first, second)]
    assert [tensor["gradient"] for tensor in gradients] == [[2.0, 4.0], [3.0, 12.0]]
    assert [tensor["grad"] for tensor in gradients] == [[2.0, 4.0], [5.0, 16.0]]
    assert first["dtype"] == "float32"


@pytest.mark.parametrize(("which", "numbers"), [("2", [2]), ("last", [2]), ("all", [1, 2]), ("1,2", [1, 2])])
def test_backward_picks(tmp_path: Path, which: str, numbers: list[int]) -> None:
    done = run(tmp_path, TWO, before=("--json", "--backward", which))
    assert done.returncode == 0
    assert [check["number"] for check in report_of(done)["checks"]] == numbers


def test_a_backward_that_never_comes_is_an_error_after_the_report(tmp_path: Path) -> None:
    done = run(tmp_path, TWO, before=("--json", "--backward", "1,9"))
    assert done.returncode == 2
    assert report_of(done)["counts"] == {"match": 1}
    assert "calls backward 2 times, and --backward asks for 9" in done.stderr


@pytest.mark.parametrize("form", ["plain", "junit", "github", "jsonl", "markdown"])
def test_the_formats_of_suites(tmp_path: Path, form: str) -> None:
    wrong = TWO + "h = w * 3\nh.register_hook(lambda g: g * 2)\nh.sum().backward()\n"
    done = run(tmp_path, wrong, before=("--format", form))
    assert done.returncode == 1
    assert "script.py:9 #3" in done.stdout.replace("%3A", ":")
    assert "registered at script.py:8" in done.stdout.replace("&#x27;", "'").replace("\n", " ").replace("\\", "")


LEAVING = """
import atexit, threading, time
kept = open("open.txt", "w")
kept.write("written")
atexit.register(lambda: open("exit.txt", "w").write("left"))
threading.Thread(target=lambda: (time.sleep(0.3), open("thread.txt", "w").write("joined"))).start()
"""


def test_a_script_leaves_as_python_does(tmp_path: Path) -> None:
    done = run(tmp_path, TWO + LEAVING + "raise SystemExit(0)\n", before=("--json",))
    assert done.returncode == 0
    found = [(tmp_path / name).read_text() for name in ("open.txt", "exit.txt", "thread.txt")]
    assert found == ["written", "left", "joined"]


def test_siblings_are_imported_and_named(tmp_path: Path) -> None:
    (tmp_path / "losses.py").write_text("def loss(t):\n    return t.sin().sum()\n", encoding="utf-8")
    text = "import torch\nfrom losses import loss\nw = torch.ones(2, requires_grad=True)\nloss(w).backward()\n"
    done = run(tmp_path, text, before=("--json",))
    assert [tensor["name"] for tensor in report_of(done)["checks"][0]["tensors"]] == ["w", "sin(w)", "sum(sin(w))"]


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("raise SystemExit(3)", 2, "exits with status 3 (script.py:7)"),
        ("import os; os._exit(0)", 2, "the script ended the process"),
        ("{}['k']", 2, "raises KeyError: 'k' (script.py:7)"),
        ("raise SystemExit", 0, ""),
    ],
)
def test_how_a_script_may_end(tmp_path: Path, end: str, code: int, said: str) -> None:
    done = run(tmp_path, TWO + end + "\n", before=("--json",))
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert report_of(done)["counts"] == {"match": 2}


def test_a_script_that_never_ends_has_its_time_and_a_report(tmp_path: Path) -> None:
    started = time.monotonic()
    done = run(tmp_path, TWO + "while True: pass\n", before=("--json", "--timeout", "8"))
    assert done.returncode == 3
    assert time.monotonic() - started < 30  # as a script that has ended may take to leave
    assert report_of(done)["counts"] == {"match": 2}
    assert "no verdict within 8 s" in done.stderr


def test_no_script_no_python_and_no_such_calls(tmp_path: Path) -> None:
    broken = run(tmp_path, "x = (\n")
    assert broken.returncode == 2
    assert "script.py:1: '(' was never closed" in broken.stderr
    missing = subprocess.run([GRADCLI, "run", "scrip.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert missing.returncode == 2
    assert "did you mean 'script.py'?" in missing.stderr
    wrong = run(tmp_path, TWO, before=("--backward", "0"))
    assert wrong.returncode == 2
    assert "--backward: '0' does not say which" in wrong.stderr


def test_nothing_is_compared_without_a_witness(tmp_path: Path) -> None:
    done = run(tmp_path, TWO, before=("--json", "--no-verify"))
    assert done.returncode == 0
    assert report_of(done)["counts"] == {"unverified": 2}
