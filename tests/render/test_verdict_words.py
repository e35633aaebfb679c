"""The last line claims what was shown: at this point, of the claims by name, a NaN or no derivative."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gradcli.engine import evaluate_program
from gradcli.render.grid import Marked
from gradcli.render.suite_view import reasons
from gradcli.render.view import view_of
from gradcli.report.suite import check_report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

WRONG = "the claim for 'y' is right and the claim for 'x' is wrong, and autograd agrees with the derivative"


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
        (
            "check",
            "relu(x) - relu(-x)",  # x, and autograd gives 0 for each at its kink
            {"values": {"x": 0.0}},
            "autograd disagrees with the derivative of the whole program (x)",
        ),
        ("eval", "sqrt(0*x)", {}, "autograd's gradient is NaN (x)"),
        ("eval", "sign(x)", {"values": {"x": 0.0}}, "there is no derivative here (x)"),
        (
            "check",
            "x*x*y",
            {"values": {"x": 0.0, "y": 1.0}, "claims": {"x": "2*x*x*y/x", "y": "x*x"}},
            "the claim for 'y' is right and the claim for 'x' is NaN, and autograd agrees with the derivative",
        ),
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
    assert any(", " in names or " more" in names for names, _ in view.notes)


def test_a_hessian_with_nan_is_not_called_symmetric() -> None:
    """Two entries of the Hessian are NaN in PyTorch; NaN equals nothing."""
    report = evaluate_program("logaddexp(a, b)", Settings(command="hessian", values={"a": 0.0, "b": 720.0}))
    assert report.details.symmetry.symmetric is False
    symmetry = next(grid for grid in view_of(report).grids if grid.title == "Symmetry")
    assert "symmetric, to the last bit" not in str(symmetry)


def test_a_row_says_that_only_the_claim_is_wrong_and_the_verdict_stays() -> None:
    report = evaluate_program("x*y", Settings(command="check", claims={"x": "2*y"}, formulas=False))
    assert (report["x"].verdict, report["x"].dissenter) == ("mismatch", "claim")
    (row,) = (row for section in view_of(report).sections for row in section.rows)
    assert (row.name, row.verdict, row.verdict_text) == ("x", "mismatch", "the claim is wrong")
    gradients = next(grid for grid in view_of(report).grids if grid.title.startswith("Gradients"))
    assert all(cell[2] == "match" for cell in gradients.rows)


def test_a_suite_says_that_only_the_claim_is_wrong() -> None:
    report = evaluate_program("x*y", Settings(command="check", claims={"x": "2*y"}, formulas=False))
    (line,) = reasons(check_report(report, "product"))
    assert line.startswith("x: autograd is right, and the claim is wrong: claim 2*y: ")


def test_a_claim_beside_a_wrong_autograd_does_not_make_it_right() -> None:
    report = evaluate_program("x*y", Settings(command="check", claims={"x": "2*y"}, formulas=False, values={"x": 1.0}))
    x = replace(report["x"], dissenter=None)
    assert not x.only_claim_is_wrong
    assert x.autograd_verdict == "mismatch"


def test_the_names_beside_a_note_leave_it_room() -> None:
    view = view_of(evaluate_program("log(exp(x).sum())", Settings(values={"x": [1000.0, 1.0]}, formulas=False)))
    assert [name for name, _ in view.notes] == ["exp(x) and 2 more", "x"]


def test_what_several_notes_say_is_said_once() -> None:
    view = view_of(evaluate_program("sqrt(x)", Settings(values={"x": -1.0}, formulas=False)))
    (both, shared), (one, own) = view.notes
    assert (both, one) == ("x, sqrt(x)", "x")
    assert "keep it positive: write clamp(x, min=1e-12) in place of x" in shared
    assert own == "the gradient is NaN"


def test_a_symbolic_value_that_says_the_same_is_not_shown() -> None:
    (leaves, others) = view_of(evaluate_program("sqrt(x)", Settings(values={"x": -1.0}, formulas=False))).sections
    assert not leaves.shows_symbolic
    assert not others.shows_symbolic


def test_only_a_name_that_is_shown_whole_is_one_to_type() -> None:
    name = "a_name_that_is_longer_than_what_a_table_shows"
    (_, others) = view_of(evaluate_program(f"{name} = x*2; {name}*x", Settings(formulas=False))).sections
    assert "--retain-grad NAME" in others.below


def test_a_command_that_leaves_grad_alone_has_no_column_for_it() -> None:
    (leaves,) = view_of(evaluate_program("x*y", Settings(command="grad", formulas=False))).sections
    assert not leaves.shows_grad
    assert "leaves .grad alone" in leaves.below


def test_leaves_with_the_same_note_share_it() -> None:
    report = evaluate_program("x + y", Settings(command="double-backward", formulas=False))
    second = next(grid for grid in view_of(report).grids if grid.title.startswith("With create_graph"))
    (note,) = second.below
    assert note.startswith("x, y: the gradient does not depend on it")


def test_a_witness_at_a_kink_is_shown_in_a_narrow_column() -> None:
    report = evaluate_program("relu(x)", Settings(command="check", values={"x": 0.0}, formulas=False))
    gradients = next(grid for grid in view_of(report).grids if grid.title.startswith("Gradients"))
    marked = [Marked(Verdict.SUBGRADIENT, "5.0e-01"), Marked(Verdict.SUBGRADIENT, "1.00")]
    assert [*gradients.rows[0][4:6]] == marked


def test_what_disagrees_where_there_is_no_symbolic_derivative_is_named() -> None:
    """The equations that define Q and R do not determine Q of a singular matrix; PyTorch's Q has a derivative."""
    found = words(
        "check", "torch.linalg.qr(A)[0][0, 2]", values={"A": [[1.0, 4.0, 5.0], [3.0, 1.0, 4.0], [2.0, 7.0, 9.0]]}
    )
    assert found == "autograd disagrees with the numerical witnesses (A)"
