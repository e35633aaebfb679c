"""Eigenvectors and singular vectors in single precision: their signs and order are often not those of double."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings
from gradcli.witnesses import DIFFERENCES

EIGH, SVD = "sum(w*linalg.eigh(x + x.T).eigenvectors)", "sum(w*linalg.svd(x).U) + sum(w*linalg.svd(x).Vh)"
SIZE = 10


def matrix(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(SIZE, SIZE, generator=generator, dtype=torch.float64)


def turns(program: str, x: torch.Tensor) -> bool:
    """Return whether PyTorch finds another sign in single precision, which these tests are about."""
    x = x.float()

    def vectors(x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.eigh(x + x.T).eigenvectors if program == EIGH else torch.linalg.svd(x).U

    return bool(((vectors(x).double() * vectors(x.double())).sum(0) < 0).any())


def of(program: str, dtype: Any, x: torch.Tensor, command: str = "check") -> Any:
    witnesses = ("symbolic", DIFFERENCES) if command == "check" else ("symbolic",)
    settings = Settings(command=command, dtype=dtype, constants=("w",), formulas=False, witnesses=witnesses)  # type: ignore[arg-type]
    return evaluate_program(program, settings, {"x": x, "w": matrix(99)})


def is_ordered_otherwise(x: torch.Tensor) -> bool:
    """Return whether PyTorch finds eigenvalues in another order in single precision."""
    values = torch.linalg.eigvals(x)
    return bool((torch.linalg.eigvals(x.float()) - values).abs().max() > 0.1 * values.abs().max())


@pytest.mark.parametrize("program", ["linalg.eigvals(x)", "linalg.eig(x)[1].abs()"])
def test_the_order_and_the_phases_are_those_that_pytorch_found(program: str) -> None:
    points = [x for x in map(matrix, range(20)) if is_ordered_otherwise(x)]
    assert len(points) > 2
    for x in points[:2]:
        for dtype in ("float32", "float64"):
            report = of(f"sum(w*{program}.real)", dtype, x)
            assert {tensor.verdict for tensor in report.tensors if tensor.verdict} == {Verdict.MATCH}


@pytest.mark.parametrize("program", [EIGH, SVD])
def test_the_signs_are_those_that_pytorch_found(program: str) -> None:
    points = [x for x in map(matrix, range(20)) if turns(program, x)]
    assert len(points) > 2
    for x in points[:3]:
        assert of(program, "float32", x)["x"].verdict is Verdict.MATCH
        assert of(program, "float64", x)["x"].verdict is Verdict.MATCH


def test_differences_are_not_asked_of_another_function() -> None:
    x = next(x for x in map(matrix, range(20)) if turns(EIGH, x))
    assert not of(EIGH, "float32", x)["x"].witnesses
    assert of(EIGH, "float64", x)["x"].witnesses[DIFFERENCES].verdict is Verdict.MATCH


def test_a_gradient_of_the_wrong_sign_is_one(plant: Any) -> None:
    x = next(x for x in map(matrix, range(20)) if turns(EIGH, x))
    plant("sin", lambda x: x.sin(), lambda gradient, x, _: -gradient * x.cos())
    assert of(EIGH.replace("x + x.T", "sin(x) + sin(x).T"), "float32", x)["x"].verdict is Verdict.MISMATCH
