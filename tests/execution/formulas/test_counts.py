"""Formulas of what a mask picks name how many entries that is: they hold for every count, not for that of a point."""

from __future__ import annotations

import pytest
import torch
from torch import where

import gradcli
from gradcli.report.verdict import Verdict

KNOWN = {"sum": torch.sum, "where": where, "softmax": torch.softmax, "norm": torch.linalg.norm, "sqrt": torch.sqrt}
KNOWN |= {"torch": torch, "F": torch.nn.functional, "prod": torch.prod, "reshape": torch.reshape}
VAR = "where(x > 0, 2*(x/(sum(x > 0) - 1) - sum(x[x > 0])/(sum(x > 0)*(sum(x > 0) - 1))), 0)"
CASES = [
    ("x[x > 0].mean()", (6,), "where(x > 0, 1, 0)/sum(x > 0)"),
    ("x[x > 0].var()", (6,), VAR),
    ("x[x > 0].numel()*x[:2].sum()*x[2:].sum()", (6,), None),
    ("x[x > -10].mean()", (5,), "where(x > -10, 1, 0)/sum(x > -10)"),
    ("x[x > 0].prod()/2", (6,), "where(x > 0, prod(x[x > 0])/x, 0)/2"),
    ("torch.std(x[x < 1])", (6,), None),
    ("X[X > 0].mean()", (3, 2), "where(X > 0, 1, 0)/sum(X > 0)"),
    ("x.view(2, 3)[x.view(2, 3) > 0].mean()", (6,), None),
]


@pytest.mark.parametrize(("program", "shape", "formula"), CASES)
def test_a_formula_holds_for_every_count(program: str, shape: tuple[int, ...], formula: str | None) -> None:
    name = "X" if "X" in program else "x"
    derivation = gradcli.derive(program, {name: shape})
    assert derivation.verdict is Verdict.MATCH
    if formula is not None:
        assert derivation[name].formula == formula
    code: dict[str, object] = {}
    exec(derivation.code(), code)  # noqa: S102 (what it prints)
    counts = set()
    for seed in range(6):
        value = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.2 * seed
        leaf = value.requires_grad_()
        output = eval(program, {**KNOWN, name: leaf})  # noqa: S307 (of this file)
        (gradient,) = torch.autograd.grad(output, leaf)
        if gradient.isfinite().all():
            counts.add(int((leaf > 0).sum()))
            torch.testing.assert_close(code["gradient"](leaf.detach()), gradient)  # type: ignore[operator]
    assert len(counts) > 1


def test_two_masks_are_counted_apart() -> None:
    found = gradcli.derive("x[x > 0].mean() - y[y > 1].mean()", {"x": (4,), "y": (4,)})
    assert found.verdict is Verdict.MATCH
    assert found["x"].formula == "where(x > 0, 1, 0)/sum(x > 0)"
    assert found["y"].formula == "-where(y > 1, 1, 0)/sum(y > 1)"


def test_a_mask_that_is_false_at_single_points_is_counted() -> None:
    found = gradcli.derive("x[m != 0].mean()", {"x": (4,), "m": (4,)}, wrt="x")
    assert (found.verdict, found["x"].formula) == (Verdict.MATCH, "where(m != 0, 1, 0)/sum(m != 0)")


def test_the_length_has_a_name_beside_a_count() -> None:
    found = gradcli.derive("X[X[:, 0] > 0].mean()", {"X": ("n", "m")})
    assert found.verdict is Verdict.MATCH
    assert found["X"].formula == "outer(where(X[:, 0] > 0, 1, 0), ones(m))/(m*sum(X[:, 0] > 0))"


def test_a_count_that_no_formula_names_is_undecided() -> None:
    found = gradcli.derive("x[x > 0].mean()**x[x > 0].numel()", {"x": (6,)})
    assert (found.verdict, found["x"].formula) == (Verdict.UNDECIDED, None)
    assert "for every count of the entries that a mask picks" in (found["x"].reason or "")
