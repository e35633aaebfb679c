"""The last line claims what was shown: at this point, of the claims by name, a NaN or no derivative."""

from __future__ import annotations

from typing import Any

import pytest

from gradcli.engine import evaluate_program
from gradcli.render.view import view_of
from gradcli.settings import Settings

WRONG = (
    "a claim disagrees with the symbolic derivative (x), and the claim for 'y' is right and the claim for 'x' is wrong"
)


def words(command: Any, program: str, **options: Any) -> str:
    return view_of(evaluate_program(program, Settings(command=command, formulas=False, **options))).verdict_words


@pytest.mark.parametrize(
    ("command", "program", "options", "expected"),
    [
        ("eval", "x*y", {}, "autograd agrees with the derivative in every entry, at this point"),
        (
            "check",
            "x*y",
            {"claims": {"x": "y"}, "points": 2},
            "autograd agrees with the derivative in every entry, at each of the points, and the claim for 'x' is right",
        ),
        (
            "check",
            "x*y",
            {"claims": {"x": "2*y", "y": "x"}},
            WRONG,
        ),
        ("eval", "sqrt(0*x)", {}, "autograd's gradient is NaN (x)"),
        ("eval", "sign(x)", {"values": {"x": 0.0}}, "there is no derivative here (x)"),
        (
            "eval",
            "log(0*x)",
            {},
            "autograd's gradient is NaN (x) and there is no derivative here (0*x, log(0*x))",
        ),
    ],
)
def test_the_last_line(command: Any, program: str, options: dict[str, Any], expected: str) -> None:
    assert words(command, program, **options) == expected


def test_a_note_on_several_tensors_is_said_once() -> None:
    view = view_of(evaluate_program("x*exp(x)/exp(x)", Settings(values={"x": 800.0}, formulas=False)))
    assert len({note for _, note in view.notes}) == len(view.notes)
    assert any(", " in names for names, _ in view.notes)


def test_a_hessian_with_nan_is_not_called_symmetric() -> None:
    """Two entries of the Hessian are NaN in PyTorch; NaN equals nothing."""
    report = evaluate_program("logaddexp(a, b)", Settings(command="hessian", values={"a": 0.0, "b": 720.0}))
    assert report.details.symmetry.symmetric is False
    symmetry = next(grid for grid in view_of(report).grids if grid.title == "Symmetry")
    assert "symmetric, to the last bit" not in str(symmetry)
