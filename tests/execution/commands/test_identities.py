"""Published identities of matrix calculus: in matrix notation, equal at random points, and about as short."""

from __future__ import annotations

import io
import json
import tokenize
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from latex_values import check_latex, column, latex_value

import gradcli
from gradcli.escaping import latex_name
from gradcli.report.verdict import Verdict

FILE = Path(__file__).parent / "identities.json"
IDENTITIES = json.loads(FILE.read_text(encoding="utf-8"))["identities"]
# Of the published symbols, for all but a few.
LONGEST, SHARE = 1.5, 0.85


def shapes_of(text: str) -> dict[str, tuple[int, ...]]:
    pairs = (item.split("=") for item in text.split())
    return {name: () if shape == "scalar" else tuple(map(int, shape.split("x"))) for name, shape in pairs}


def definite(value: torch.Tensor) -> torch.Tensor:
    """Return a square matrix of positive quadratic form that is not symmetric; another value as it is."""
    size = value.shape[0] if value.ndim == 2 else 0
    if value.ndim == 0:
        return value.abs()
    if value.shape != (size, size):
        return value
    return value @ value.T + torch.eye(size, dtype=torch.float64) + torch.rand(size, size).double() / 9


def value(text: str, leaves: dict[str, torch.Tensor]) -> torch.Tensor:
    names: dict[str, Any] = {
        name: getattr(torch, name) for name in ("det", "inverse", "trace", "outer", "norm", "ones")
    }
    names |= {"inv": torch.inverse, "matrix_power": torch.matrix_power, "logdet": torch.logdet, "diag": torch.diag}
    names |= {"eye": lambda size: torch.eye(size, dtype=torch.float64), "sum": torch.sum, "reshape": torch.reshape}
    names |= {name: getattr(torch, name) for name in ("exp", "sqrt", "matrix_exp")}
    return torch.as_tensor(eval(text, names | leaves))  # noqa: S307 (of the file, and gradcli's own)


def symbols(text: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(bool(token.string.strip()) for token in tokens)


@cache
def derived(program: str, shapes: str) -> Any:
    return gradcli.derive(program, shapes_of(shapes), wrt="X")["X"]


@pytest.mark.parametrize(("number", "program", "shapes", "published"), IDENTITIES)
def test_an_identity_comes_out_in_matrix_notation(number: str, program: str, shapes: str, published: str) -> None:  # noqa: ARG001
    found = derived(program, shapes)
    assert (found.notation, found.checked.verdict) == ("matrix", Verdict.MATCH)
    torch.manual_seed(4)
    leaves = {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes_of(shapes).items()}
    if "log" in program or "sqrt" in program:
        leaves = {name: definite(value) for name, value in leaves.items()}
    formula = value(found.formula, leaves)
    assert not formula.ndim or formula.shape == leaves["X"].shape
    assert torch.allclose(formula, value(published, leaves).expand(leaves["X"].shape), rtol=1e-8, atol=1e-10)
    check_latex(found.latex)
    if "frechet" not in found.formula:
        read = latex_value(found.latex, {latex_name(name): one for name, one in leaves.items()})
        assert torch.allclose(read.expand(column(leaves["X"]).shape), column(formula.expand(leaves["X"].shape)))


def test_most_are_about_as_short_as_published() -> None:
    ratios = {
        program: symbols(derived(program, shapes).formula) / symbols(published)
        for _, program, shapes, published in IDENTITIES
    }
    long = {program: round(ratio, 2) for program, ratio in ratios.items() if ratio > LONGEST}
    assert len(long) <= (1 - SHARE) * len(ratios), long
