"""The table of witnesses is the one place that names them: a witness is a module and a row."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from gradcli.execution.witnesses.question import witnesses
from gradcli.settings import Settings
from gradcli.witnesses import WITNESSES, WitnessName

PACKAGE = Path(__file__).parent.parent / "gradcli"
ROW = """
    WitnessRow("doubting", "doubts", "the doubts", "doubt", "doubt", "gradcli.execution.witnesses.doubting.Doubting"),
)
WITNESSES: """
# It finds every gradient wrong.
MODULE = """
from dataclasses import dataclass

from gradcli.report.report import WitnessReport
from gradcli.report.verdict import Verdict


@dataclass(frozen=True)
class Doubting:
    row: object

    def check(self, question, gradient, tolerance):
        return WitnessReport(Verdict.MISMATCH, order=1.0)
"""


def test_every_name_is_that_of_a_row() -> None:
    assert get_args(WitnessName) == ("symbolic", *WITNESSES)
    assert Settings().witnesses == ("symbolic", *(name for name, row in WITNESSES.items() if row.by_default))
    assert all(name == row.name for name, row in WITNESSES.items())


@pytest.mark.parametrize("name", WITNESSES)
def test_a_row_names_its_class(name: str) -> None:
    (witness,) = witnesses(("symbolic", name)).values()
    assert witness.row is WITNESSES[name]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with gradcli as it is, and one witness more."""
    package = tmp_path_factory.mktemp("tree") / "gradcli"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "execution" / "witnesses" / "doubting.py").write_text(MODULE, encoding="utf-8")
    table = package / "witnesses.py"
    table.write_text(table.read_text(encoding="utf-8").replace("\n)\nWITNESSES: ", ROW), encoding="utf-8")
    return package.parent


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "120"}
    command = [sys.executable, "-m", "gradcli", *arguments]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def test_an_added_witness_is_asked_and_shown(tree: Path) -> None:
    done = run(tree, "check", "x**2", "--witness", "doubting")
    assert done.returncode != 0
    assert "doubts" in done.stdout
    assert "the doubts is of order 1.00" in " ".join(done.stdout.split())
    report = json.loads(run(tree, "check", "x**2", "--json").stdout)
    assert report["tensors"][0]["witnesses"]["doubting"]["verdict"] == "mismatch"


def test_an_added_witness_is_in_the_help_and_in_suites(tree: Path) -> None:
    shown = " ".join(run(tree, "check", "--help").stdout.replace("│", " ").split())
    assert "symbolic, finite-difference, taylor, adjoint, second-order or doubting" in shown
    (tree / "suite.toml").write_text('[[check]]\nprogram = "x**2"\nwitnesses = ["doubting"]\n', encoding="utf-8")
    assert "the doubts is of order 1.00" in " ".join(run(tree, "check", "suite.toml").stdout.split())
