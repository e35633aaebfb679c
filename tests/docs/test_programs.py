"""Every program in docs/programs verifies by the command in its comment, and docs/programs.md shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from documented import ROOT, run

PROGRAMS = sorted((ROOT / "docs" / "programs").glob("*.txt"))


def command(program: Path) -> str:
    lines = program.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("# ") for line in lines if line.startswith("# gradcli "))


def test_there_are_programs() -> None:
    assert len(PROGRAMS) >= 6


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_program_verifies(program: Path) -> None:
    done = run(f"{command(program)} --json")
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert report["verdict"] == "match"
    assert all(tensor["verdict"] in {"match", None} for tensor in report["tensors"])


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_the_page_shows_the_program_and_the_end_of_its_output(program: Path) -> None:
    page = (ROOT / "docs" / "programs.md").read_text(encoding="utf-8")
    assert f"<!-- output of: cat {program.relative_to(ROOT)} -->" in page
    assert f"<!-- output of: {command(program)} | tail -n " in page
