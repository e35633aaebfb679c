"""The line that says how far a long check is: on a terminal alone, and gone when anything else is printed."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradcli.suite.status import ERASE, PATIENCE, Status, is_wanted

SLOW = """import time
import torch
print("loaded")
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(2))
    def forward(self, x):
        time.sleep(0.05)
        return (self.w * x).sin().sum()
if __name__ == "__main__":
    time.sleep(1)
    Net()(torch.ones(2)).backward()
"""


def run(command: list[str], folder: Path, *, interrupted: bool = False, **environment: str) -> tuple[int, str, str]:
    """Run gradcli with a terminal as its standard error; return its exit code, what is there, and its output."""
    (folder / "slow.py").write_text(SLOW, encoding="utf-8")
    ours, theirs = pty.openpty()
    environ = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "TERM"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "gradcli", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=folder,
        env={**environ, "TERM": "xterm", **environment},
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
            if interrupted and b" s" in shown:
                process.send_signal(signal.SIGINT)
                interrupted = False
    except OSError:  # a terminal that nobody has open any more
        pass
    os.close(ours)
    with process:
        output = process.stdout.read().decode() if process.stdout else ""
    return process.returncode, shown.decode(), output


def left(shown: str) -> str:
    """Return what a terminal shows in the end: a line is what was written after it was erased last."""
    lines = shown.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition(ERASE)[2] for line in lines)


@pytest.mark.parametrize(
    ("command", "stage"),
    [
        (["check", "slow.py:Net", "--shape", "x=2"], "asking the witnesses about w, 2 of"),
        (["run", "slow.py"], "running slow.py"),
    ],
)
def test_a_long_check_says_how_far_it_is_and_leaves_nothing_behind(
    command: list[str], stage: str, tmp_path: Path
) -> None:
    code, shown, output = run(command, tmp_path)
    assert code == 0
    assert stage in shown
    assert left(shown).strip() == "loaded"
    assert "match" in output
    assert ERASE not in output


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_it_is_not_there_where_a_line_cannot_or_shall_not_change(environment: dict[str, str], tmp_path: Path) -> None:
    code, shown, _ = run(["check", "slow.py:Net", "--shape", "x=2"], tmp_path, **environment)
    assert code == 0
    assert shown.replace("\r\n", "\n") == "loaded\n"


def test_an_interrupt_takes_it_away(tmp_path: Path) -> None:
    code, shown, _ = run(["check", "slow.py:Net", "--shape", "x=2"], tmp_path, interrupted=True)
    assert code == 130
    assert " s" in shown
    assert " s" not in left(shown)


def test_what_is_piped_has_none() -> None:
    assert not is_wanted()  # pytest has the streams


def test_what_else_is_printed_stands_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    status = Status(is_on=True)
    status.begin("early")
    assert not capsys.readouterr().err
    time.sleep(PATIENCE)
    status.begin("a\x1b[31m")
    with status.apart():
        sys.stderr.write("printed\n")
    status.erase()
    assert capsys.readouterr().err == f"{ERASE}a\\x1b[31m, 1 s{ERASE}printed\n"
