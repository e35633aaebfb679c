"""Published identities of matrix calculus: in matrix notation, equal at random points, and about as short."""

from __future__ import annotations

import io
import json
import tokenize
from pathlib import Path
from typing import Any

import pytest
import torch

import gradcli
from gradcli.report.verdict import Verdict

FILE = Path(__file__).parent / "identities.json"
IDENTITIES = json.loads(FILE.read_text(encoding="utf-8"))["identities"]
# Of the published symbols, for all but a few.
LONGEST, SHARE = 1.5, 0.85


def shapes_of(text: str) -> dict[str, tuple[int, ...]]:
    pairs = (item.split("=") for item in text.split())
    return {name: tuple(map(int, shape.split("x"))) for name, shape in pairs}


def value(text: str, leaves: dict[str, torch.Tensor]) -> torch.Tensor:
    names: dict[str, Any] = {name: getattr(torch, name) for name in ("det", "inverse", "trace", "outer", "norm")}
    names |= {"inv": torch.inverse, "matrix_power": torch.matrix_power, "logdet": torch.logdet, "diag": torch.diag}
    names |= {"eye": lambda size: torch.eye(size, dtype=torch.float64), "sum": torch.sum}
    return torch.as_tensor(eval(text, names | leaves))  # noqa: S307 (of the file, and gradcli's own)


def symbols(text: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(bool(token.string.strip()) for token in tokens)


def derived(program: str, shapes: str) -> Any:
    return gradcli.derive(program, shapes_of(shapes), wrt="X")["X"]


@pytest.mark.parametrize(("number", "program", "shapes", "published"), IDENTITIES)
def test_an_identity_comes_out_in_matrix_notation(number: str, program: str, shapes: str, published: str) -> None:  # noqa: ARG001
    found = derived(program, shapes)
    assert (found.notation, found.checked.verdict) == ("matrix", Verdict.MATCH)
    torch.manual_seed(4)
    leaves = {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes_of(shapes).items()}
    if "log(det" in program or "logdet(A" in program:
        leaves["X"] = leaves["X"] @ leaves["X"].T + torch.eye(3, dtype=torch.float64) + torch.rand(3, 3).double() / 9
    formula = value(found.formula, leaves).expand(leaves["X"].shape)
    assert torch.allclose(formula, value(published, leaves).expand(leaves["X"].shape), rtol=1e-8, atol=1e-10)


def test_most_are_about_as_short_as_published() -> None:
    ratios = {
        program: symbols(derived(program, shapes).formula) / symbols(published)
        for _, program, shapes, published in IDENTITIES
    }
    long = {program: round(ratio, 2) for program, ratio in ratios.items() if ratio > LONGEST}
    assert len(long) <= (1 - SHARE) * len(ratios), long
