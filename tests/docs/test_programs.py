"""Every program in docs/programs verifies when it is run by the command that its comment gives."""

from __future__ import annotations

import json
import shlex
import subprocess
import sysconfig
from pathlib import Path

import pytest

PROGRAMS = sorted((Path(__file__).parents[2] / "docs" / "programs").glob("*.txt"))
GRADCLI = str(Path(sysconfig.get_path("scripts")) / "gradcli")


def command(program: Path) -> list[str]:
    line = next(line for line in program.read_text(encoding="utf-8").splitlines() if line.startswith("# gradcli "))
    return [GRADCLI, *shlex.split(line.partition(" < ")[0])[2:], "--format", "json"]


def test_there_are_programs() -> None:
    assert len(PROGRAMS) >= 6


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_program_verifies(program: Path) -> None:
    with program.open(encoding="utf-8") as text:
        done = subprocess.run(command(program), stdin=text, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert report["verdict"] == "match"
    assert all(tensor["verdict"] in {"match", None} for tensor in report["tensors"])
