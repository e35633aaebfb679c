"""What code is said to lose in single precision: it does, by what the derivative is there, and elsewhere nothing is."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import gradcli

LOSES, OVERFLOWS = "in single precision it loses digits where x is ", "in single precision it overflows where x is "
# The derivative there, by its series or its limit.
LOST = [
    ("erf(x)/x", f"{LOSES}±0.0001", 1e-4, -4e-4 / (3 * math.sqrt(math.pi))),
    ("x**3/(x**2 + 1)", f"{OVERFLOWS}±1e+20", 1e20, 1.0),
    ("log(exp(x) - 2)", f"{OVERFLOWS}100", 100.0, 1.0),
]
KEPT = [
    ("log(1 + x)/x", 1e-8, -0.5),
    ("x/(exp(x) - 1)", 1e-8, -0.5),
    ("(1 - cos(x))/x**2", 1e-2, -1e-2 / 12),
    ("sqrt(x**2 + 1) - x", 100.0, -0.5e-4),
    ("log(x**2 + y**2)", 1e20, 2e-20),
    ("exp(x) - 2 + exp(-x)", 1e-8, 2e-8),
    ("log(cosh(x))", 1e4, 1.0),
    ("tanh(x)", 30.0, 4 * math.exp(-60)),
    ("(1 - cos(x))/x", 1e-4, 0.5),
    ("log(1 + exp(x) + exp(2*x))", 100.0, 2.0),
    ("1/cosh(x)**2", 30.0, -8 * math.exp(-60)),
    ("exp(x)", 30.0, math.exp(30)),
]


def derivative(program: str, at: float) -> tuple[list[str], float]:
    """Return what is said of a derivative's digits, and what its code comes to in single precision."""
    leaves = {"x": (), **({"y": ()} if "y" in program else {})}
    found = gradcli.derive(program, leaves, wrt="x", stable=True)
    space: dict[str, Any] = {}
    exec(found.code("torch"), space)  # noqa: S102 (the code is what is tested)
    said = [words for words in found["x"].rewritten or () if words.startswith("in single")]
    return said, float(space["gradient"](torch.tensor(at), *([torch.tensor(1.0)] if "y" in program else [])))


@pytest.mark.parametrize(("program", "words", "at", "exact"), LOST)
def test_what_is_lost_is_said(program: str, words: str, at: float, exact: float) -> None:
    said, value = derivative(program, at)
    assert [one.startswith(words) for one in said] == [True]
    assert not math.isclose(value, exact, rel_tol=1e-3)


@pytest.mark.parametrize(("program", "at", "exact"), KEPT)
def test_nothing_is_said_where_digits_are_kept(program: str, at: float, exact: float) -> None:
    said, value = derivative(program, at)
    assert said == []
    assert math.isclose(value, exact, rel_tol=1e-4)


def test_what_is_ill_conditioned_is_no_fault_of_the_code() -> None:
    assert gradcli.derive("sin(x*y)", {"x": (), "y": ()}, wrt="x", stable=True)["x"].rewritten is None
