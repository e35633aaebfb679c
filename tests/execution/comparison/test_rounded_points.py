"""Infinite gradients at points that rounding made, where mpmath's derivative is finite, and at exact points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from mpmath import isinf, mp, mpf

from gradcli.engine import evaluate_program
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


def found(program: str, command: str = "eval", tangent: float | None = None, **leaves: Any) -> Verdict:
    tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in leaves.items()}
    tangents: dict[str, Any] = {} if tangent is None else {"x": tangent}
    return evaluate_program(program, Settings(formulas=False, command=command, tangents=tangents), tensors).verdict


# A program of one number or of three, in PyTorch and in mpmath, and the numbers.
ROUNDED: list[tuple[str, Callable[..., mpf], list[float]]] = [
    ("sqrt(x*x)", lambda x: mp.sqrt(x * x), [1e-200]),
    ("(x**2)**0.5", lambda x: mp.sqrt(x**2), [1e-250]),
    ("asin(sin(x))", lambda x: mp.asin(mp.sin(x)), [1.5707963267948966]),
    ("acos(cos(x))", lambda x: mp.acos(mp.cos(x)), [1e-9]),
    ("sqrt(x + 1 - 1)", mp.sqrt, [1e-60]),
    ("sqrt(sqrt(x*x))", mp.sqrt, [1e-200]),
    ("sqrt(sum(x))", lambda x, y, z: mp.sqrt(x + y + z), [1.0, 1e-20, -1.0]),
]


@pytest.mark.parametrize(("program", "function", "at"), ROUNDED)
def test_an_infinity_at_a_point_that_rounding_made_is_no_match(
    program: str, function: Callable[..., mpf], at: list[float]
) -> None:
    with mp.workdps(400):
        order = tuple(int(place == 0) for place in range(len(at)))
        assert not isinf(mp.diff(function, tuple(map(mpf, at)), order, h=mpf(10) ** -300))
    assert found(program, x=at if len(at) > 1 else at[0]) is Verdict.UNDECIDED


# Programs whose value is exactly where a derivative is infinite, worked out by hand.
EXACT: list[tuple[str, dict[str, Any]]] = [
    ("sqrt(x - 0.1)", {"x": 0.1}),
    ("asin(x**3)", {"x": -1.0}),
    ("sqrt(sum(x))", {"x": [0.1, -0.1, 0.0]}),
    ("sqrt(sin(x) - sin(y))", {"x": 1.0, "y": 1.0}),
    ("sqrt(log(x) + log(y) - log(z))", {"x": 2.0, "y": 4.0, "z": 8.0}),
    ("sqrt(a @ x)", {"a": [1.0, 2.0, 5.0], "x": [1.0, 2.0, -1.0]}),
]


@pytest.mark.parametrize(("program", "leaves"), EXACT)
def test_an_infinity_where_rounding_moves_nothing_is_a_match(program: str, leaves: dict[str, Any]) -> None:
    assert found(program, **leaves) is Verdict.MATCH


@pytest.mark.parametrize(("command", "tangent"), [("jacobian", None), ("jvp", 1.0)])
def test_jacobians_know_points_that_rounding_made(command: str, tangent: float | None) -> None:
    assert found("sqrt(x*x)", command, tangent, x=1e-200) is Verdict.UNDECIDED
    assert found("sqrt(x)", command, tangent, x=0.0) is Verdict.MATCH
