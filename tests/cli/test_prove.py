"""`gradcli prove` as a user runs it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest
import warm_start

from gradcli.report.schema import proof_schema

FUNCTIONS = """
import torch
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g
class Wrong(Square):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return torch.where(x < 0, x * g, 2 * x * g)
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return warm_start.run("prove", *arguments, cwd=folder)


@pytest.mark.parametrize(
    ("target", "verdict", "code"), [("f.py:Square", "proved", 0), ("f.py:Wrong", "refuted", 1)], ids=["right", "wrong"]
)
def test_a_function_of_a_file(tmp_path: Path, target: str, verdict: str, code: int) -> None:
    (tmp_path / "f.py").write_text(FUNCTIONS, encoding="utf-8")
    done = run(tmp_path, target, "--shape", "2", "--json")
    data = json.loads(done.stdout)
    jsonschema.validate(data, proof_schema())
    assert (data["schema"], data["verdict"], done.returncode) == ("gradcli.proof/1", verdict, code)
    (gradient,) = data["gradients"]
    assert ("witness" in gradient) == (verdict == "refuted")


def test_a_kink_is_an_exception_and_a_failure_if_that_is_asked_for(tmp_path: Path) -> None:
    done = run(tmp_path, "relu(x)", "--strict")
    assert done.returncode == 1
    assert "except where x = 0: a kink" in " ".join(done.stdout.split())
    assert done.stdout.rstrip().splitlines()[-1].startswith("proved except: ")


@pytest.mark.parametrize(
    "options", [("x*x", "--no-verify"), ("x*x", "--dtype", "float32"), ("x*x", "--reference", "x")]
)
def test_what_is_no_proof_is_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = run(tmp_path, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")


def test_the_heading_has_the_type_and_the_version_and_the_program_with_its_leaves(tmp_path: Path) -> None:
    head, program, *_ = run(tmp_path, "x*y", "--shape", "x=2").stdout.splitlines()
    assert head.startswith("gradcli prove  float64, torch 2.")
    assert program == "  x*y  with x 2, y scalar"
