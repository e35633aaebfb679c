"""What cancellation hides: verdicts where PyTorch and the reference lose the same digits, beside Taylor series."""

from __future__ import annotations

from typing import Any

import pytest

import gradcli

# Each with its derivative at the point, by its series: what autograd makes of it has no digit right.
LOST = [
    ("(1 - cos(x))/x**2", {"x": 1e-8}, -1e-8 / 12),
    ("(1 - cos(x))/x**2", {"x": 1e-4}, -1e-4 / 12),
    ("where(x > 0, (1 - cos(x))/x**2, x)", {"x": 1e-8}, -1e-8 / 12),
    ("(exp(x) - 1 - x)/x**2", {"x": 1e-6}, 1 / 6),
    ("log(1 + x)/x", {"x": 1e-12}, -0.5),
    ("(x - sin(x))/x**3", {"x": 1e-5}, -1e-5 / 60),
    ("1/(x - sin(x))", {"x": 1e-6}, -18e24),
]


@pytest.mark.parametrize(("program", "values", "derivative"), LOST)
def test_agreement_on_lost_digits_decides_nothing(program: str, values: dict[str, Any], derivative: float) -> None:
    report = gradcli.check(program, values, claims={"x": str(derivative)})
    assert abs(float(report["x"].gradient) - derivative) > 1e-4 * abs(derivative)
    assert report["x"].verdict == "undecided"
    assert "lose the same digits" in str(report["x"].note)
    # nor is the right derivative wrong
    assert report["x"].claim.verdict != "mismatch"


def test_one_entry_without_digits_is_enough() -> None:
    program, values = "((1 - cos(x))/x**2).sum()", {"x": [0.5, 1e-8]}
    assert gradcli.check(program, values)["x"].verdict == "undecided"
    # the other entry has its digits
    assert gradcli.check(program, values, claims={"x": "[5, 1e8]"}).verdict == "mismatch"


@pytest.mark.parametrize(
    ("program", "values"),
    [
        # linear: no digit that is lost is read
        ("x*1e20 - x*1e20", {"x": 1.0}),
        ("x - sin(x)", {"x": 1e-5}),
        ("(x + y) - y", {"x": 1.0, "y": 1e17}),
        # a difference of numbers that nothing has rounded
        ("smooth_l1_loss(where(x > 0, x, -x), x, reduction='none')", {"x": 1e300}),
        ("huber_loss(x, leaky_relu(x, 0.25), reduction='none').mean()", {"x": [1e300, 0.5, 0.5]}),
        # these are computed otherwise
        ("log1p(x)/x*x", {"x": 1e-12}),
        ("expm1(x)", {"x": 1e-12}),
        ("var(x)", {"x": [1e9, 1e9 + 1, 1e9 + 2]}),
        ("1/(x - y)", {"x": 1 + 1e-9, "y": 1.0}),
    ],
)
def test_what_keeps_its_digits_is_decided(program: str, values: dict[str, Any]) -> None:
    report = gradcli.evaluate(program, values, grad_output="ones")
    assert {tensor.verdict for tensor in report.tensors} <= {"match", "subgradient"}


def test_another_rank_is_a_jump_and_no_loss_of_digits() -> None:
    values = {"a": [[1.0, 2], [3, 4], [5, 7.5], [1, 1]], "b": [[1.0, 3, 2], [0.5, 0.2, 0.1]], "x": 1e-12}
    report = gradcli.evaluate("pinv(a @ b).sum() + (exp(x) - 1)", values)
    assert {report[name].verdict for name in values} == {"match"}
    assert report["a @ b"].verdict == "undefined"
