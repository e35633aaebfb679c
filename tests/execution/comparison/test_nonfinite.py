"""What made a NaN or an infinity is named, with its numbers, and the remedy that is offered does fix it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

import gradcli
from gradcli.engine import evaluate_program
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

UNDEFINED = Verdict.UNDEFINED
CASES: list[tuple[str, Any, Verdict, list[str]]] = [
    (
        "where(w > 0, sqrt(w), 0*w)",
        0.0,
        UNDEFINED,
        ["'sqrt(w)' makes the first NaN", "upstream gradient 0 * local derivative inf", "write where(w > 0, w, 1) in"],
    ),
    (
        "where(w <= 0, 0*w, 2*sqrt(w)).sum()",
        [1.0, 0.0],
        UNDEFINED,
        ["at [1]", "write where(w <= 0, 1, w) in place of w in 'sqrt(w)'"],
    ),
    ("w/w", 0.0, UNDEFINED, ["the value of 'w/w' is NaN here, for w = 0", "where(w != 0, w, 1)"]),
    ("log(w).sum()", [1.0, -1.0], UNDEFINED, ["NaN here at [1], for w = -1", "clamp(w, min=1e-12)"]),
    (
        "sqrt(w*w)",
        0.0,
        UNDEFINED,
        ["'w*w' makes the first NaN", "upstream gradient inf * local derivative 0", "comes from", "w*w + 1e-12"],
    ),
    ("exp(w)", 1000.0, UNDEFINED, ["'exp(w)' is infinite here, for w = 1000", "softmax and logsumexp"]),
    ("x = exp(w); x/(1 + x)", 1000.0, UNDEFINED, ["x = inf, 1 + x = inf", "not finite is 'exp(w)'"]),
    ("w**0.5 * 0", 0.0, UNDEFINED, ["'w**0.5' makes the first NaN", "clamp(w, min=1e-12)"]),
    ("acos(w) * 0", 1.0, UNDEFINED, ["0 * local derivative -inf", "clamp(w, -1 + 1e-7, 1 - 1e-7)"]),
    ("w*1e300*1e300", 2.0, UNDEFINED, ["'w*1e300*1e300' is infinite here, for w*1e300 = 2e+300"]),
    ("w*inf", 2.0, Verdict.MATCH, ["the derivative of 'w*inf' is infinite here"]),
    ("sqrt(norm(w))", [0.0, 0.0], UNDEFINED, ["'norm(w)' makes the first NaN", "sqrt(sum(w**2) + 1e-12)"]),
    ("tan(w) * inf", 0.0, UNDEFINED, ["the value of 'tan(w) * inf' is NaN here, for tan(w) = 0"]),
    ("sqrt(w)", 0.0, Verdict.MATCH, ["the derivative of 'sqrt(w)' is infinite here", "w + 1e-12"]),
]


def evaluate(program: str, value: Any) -> Report:
    return evaluate_program(program, Settings(values={"w": value}))


@pytest.mark.parametrize(("program", "value", "verdict", "parts"), CASES)
def test_the_note_names_the_node_the_numbers_and_the_remedy(
    program: str, value: Any, verdict: Verdict, parts: list[str]
) -> None:
    report = evaluate(program, value)
    assert report["w"].verdict is verdict
    assert [part for part in parts if part not in (report["w"].note or "")] == []


@pytest.mark.parametrize(
    ("program", "kinds", "where"),
    [
        ("sqrt(w)", ["undefined", "remedy"], "sqrt(w)"),
        ("0*log(w)", ["undefined", "undefined", "remedy", "undefined"], "0*log(w)"),
        ("floor(w) + w", ["undefined"], "floor(w)"),
        ("w*w", [], None),
    ],
)
def test_each_sentence_is_a_note_of_its_own(program: str, kinds: list[str], where: str | None) -> None:
    notes = evaluate(program, 0.0)["w"].notes
    assert [note.kind for note in notes] == kinds
    assert next((note.where for note in notes), None) == where


MENDED = [
    ("sqrt(w*w + 1e-12)", 0.0),
    ("log(clamp(w, min=1e-12))", -1.0),
    ("acos(clamp(w, -1 + 1e-7, 1 - 1e-7)) * 0", 1.0),
    ("log_softmax(w, 0).sum()", [0.0, 1000.0]),
]


@pytest.mark.parametrize(("program", "value"), MENDED)
def test_the_remedy_mends_it(program: str, value: Any) -> None:
    report = evaluate(program, value)
    assert report.verdict in {Verdict.MATCH, Verdict.SUBGRADIENT}
    assert bool(report["w"].gradient.isfinite().all())


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ("where(w > 0, sqrt(where(w > 0, w, 1)), 0*w)", 0.0),
        ("where(w <= 0, 0*w, 2*sqrt(where(w <= 0, 1, w))).sum()", [1.0, 0.0]),
    ],
)
def test_the_remedy_mends_the_gradient_where_there_is_no_derivative(program: str, value: Any) -> None:
    """The slope is 1/(2*sqrt(w)) to the right of 0, and 0 to the left."""
    report = evaluate(program, value)["w"]
    assert bool(report.gradient.isfinite().all())
    assert report.verdict is UNDEFINED
    assert "infinite to one side" in str(report.note)


def test_a_finite_gradient_has_no_such_note() -> None:
    assert evaluate("where(w > 0, sqrt(w), 0*w)", 4.0)["w"].note is None


def notes(program: str, **values: Any) -> str:
    report = evaluate_program(program, Settings(values=values, constants=tuple({"m"} & {*values})))
    assert report.verdict is UNDEFINED
    return "; ".join(tensor.note or "" for tensor in report.tensors)


@pytest.mark.parametrize(
    ("program", "remedy"),
    [
        ("where(m != 0, w/m, 0*w).sum()", "where(m != 0, m, 1) in place of m in 'w/m'"),
        ("q = w/m; where(m == 0, zeros_like(q), q).sum()", "where(m == 0, 1, m) in place of m in 'w/m'"),
    ],
)
def test_the_operand_that_makes_the_nan_is_the_one_to_replace(program: str, remedy: str) -> None:
    """Both have the derivative 1/2 at [1], and 0 at [0] where the other branch is taken."""
    assert f"write {remedy}" in notes(program, w=[0.0, 1.0], m=[0.0, 2.0])


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, of a spread of one entry
@pytest.mark.parametrize(
    ("program", "value"), [("w.std(dim=-1).sum()", [[2.0]]), ("w/0", 0.0), ("0*w + sqrt(-1 + 0*w)*inf", 1.0)]
)
def test_what_mends_nothing_is_not_offered(program: str, value: Any) -> None:
    text = notes(program, w=value)
    assert "NaN" in text
    assert "write" not in text


@pytest.mark.parametrize(("program", "value"), [("w**3", 1e110), ("norm(w)", [1e200, 1e200])])
def test_what_leaves_a_value_infinite_mends_nothing(program: str, value: Any) -> None:
    """1e330 is larger than any double, and so is the square of 1e200 under a root."""
    note = evaluate(program, value)["w"].note or ""
    assert "is infinite here" in note
    assert "write" not in note


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, of a spread of one entry
@pytest.mark.parametrize("program", ["std(w)", "var(w)"])
def test_the_spread_of_one_entry_is_divided_by_n(program: str) -> None:
    text = notes(program, w=[2.0])
    assert "divide by the number of entries n, not by n - 1, which is 0" in text
    found = re.search(r"write (.*?) in place of", text)
    assert found is not None
    assert evaluate(found[1], [2.0])["w"].gradient.tolist() == [0.0]


def test_a_row_that_is_masked_throughout_has_a_remedy_that_mends_it() -> None:
    report = evaluate("softmax(clamp(w.masked_fill(w > 0, -inf), -1e9, 1e9), dim=-1)[0].sum()", [1.0, 2.0])
    assert bool(report["w"].gradient.isfinite().all())
    assert "write clamp(w.masked_fill(w > 0, -inf), -1e9, 1e9)" in notes(
        "softmax(w.masked_fill(w > 0, -inf), dim=-1)[0].sum()", w=[1.0, 2.0]
    )


def test_the_derivative_that_exists_is_named() -> None:
    """sqrt(0*w) is 0 for all w, so that its derivative is 0."""
    assert "the derivative exists, and is 0" in notes("sqrt(0*w)", w=1.0)


@pytest.mark.parametrize(
    ("program", "words"), [("(w*1j*inf).real", "is NaN here"), ("log((w - w)*1j).imag", "is infinite here")]
)
def test_a_complex_value_that_is_not_finite_is_named(program: str, words: str) -> None:
    report = evaluate(program, 2.0)
    assert report["w"].verdict is UNDEFINED
    assert words in (report["w"].note or "")


def test_nothing_is_offered_where_what_overflows_does_so_by_a_cast_on_the_way() -> None:
    def code(x: torch.Tensor) -> torch.Tensor:  # the largest number of float16 is 65504
        return (x.half() * x.half()).float().sum()

    leaf = gradcli.check(code, {"x": torch.tensor([300.0, 1.0])}, dtype="float32")["x"]
    assert leaf.verdict is Verdict.UNDEFINED
    assert "infinite here at [0]" in str(leaf.note)
    assert "to fix it" not in str(leaf.note)


def test_what_pytorch_refuses_beside_the_point_is_no_failure() -> None:
    inputs = {"x": [1.0], "y": [1.0], "v": [0.0]}  # 0/0, and a variance below 0 is a ValueError
    report = gradcli.check("F.gaussian_nll_loss(x, y, v, eps=0.)", inputs)
    assert report.verdict is Verdict.UNDEFINED
