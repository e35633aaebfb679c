"""A record that is appended to a file of the op table is run, verified, listed and shown, with no other change."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gradcli"
FAMILY = Path("gradcli", "ops", "activations.py")

RECORD = """

ACTIVATIONS = (
    *ACTIVATIONS,
    FAMILY.pointwise(
        "softcap(input, cap=3.0)",
        "cap*tanh(input/cap)",
        "softcap(x, 2.0) | x=2x3",
        torch="softcap_module.softcap",
    ),
)
"""
# cap·tanh(x/cap), whose backward may be made wrong.
CALLABLE = """
import os
import torch


class SoftCap(torch.autograd.Function):
    @staticmethod
    def forward(context, value, cap):
        context.save_for_backward(value)
        context.cap = cap
        return cap * torch.tanh(value / cap)

    @staticmethod
    def backward(context, gradient):
        (value,) = context.saved_tensors
        slope = 1 - torch.tanh(value / context.cap) ** 2
        return float(os.environ.get("SOFTCAP_FACTOR", "1")) * gradient * slope, None


def softcap(value, cap=3.0):
    return SoftCap.apply(value, cap)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with gradcli as it is and the record in it, and beside it the module with the callable."""
    folder = tmp_path_factory.mktemp("tree")
    shutil.copytree(PACKAGE, folder / "gradcli", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "softcap_module.py").write_text(CALLABLE, encoding="utf-8")
    with (folder / FAMILY).open("a", encoding="utf-8") as file:
        file.write(RECORD)
    return folder


def gradcli(tree: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gradcli", *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "80", **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_an_added_op_is_run_and_verified(tree: Path) -> None:
    programs = ["softcap(x)", "F.softcap(x, cap=2.0)", "(x*y).softcap(1.5) + y"]
    done = gradcli(tree, "check", *programs, "--shape", "2x3", "--grad-output", "ones", "--json")
    assert done.returncode == 0, done.stderr
    suite = json.loads(done.stdout)
    assert [check["verdict"] for check in suite["checks"]] == ["match"] * len(programs)
    leaves = [check["tensors"][0] for check in suite["checks"]]
    assert all(leaf["witnesses"]["finite-difference"]["verdict"] == "match" for leaf in leaves)


def test_an_added_op_s_wrong_backward_is_found(tree: Path) -> None:
    done = gradcli(tree, "eval", "softcap(x)", "--value", "x=[0.5,1.5]", "--reduce", "sum", SOFTCAP_FACTOR="2")
    assert done.returncode == 1, done.stderr
    assert "times 2" in done.stdout


def test_an_added_op_is_listed(tree: Path) -> None:
    done = gradcli(tree, "ops", "--json")
    assert "softcap" in [op["name"] for op in json.loads(done.stdout)]


def test_an_added_op_is_shown_with_its_derivative(tree: Path) -> None:
    shown = gradcli(tree, "ops", "softcap").stdout
    assert "definition  cap*tanh(input/cap)" in shown
    assert "x: 1 - tanh(x/2)**2" in shown


def test_an_added_op_s_signature_is_known(tree: Path) -> None:
    done = gradcli(tree, "eval", "softcap(x, height=2)")
    assert done.returncode == 2
    assert "softcap() has no argument 'height'" in done.stderr
