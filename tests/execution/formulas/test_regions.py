"""Cases that ops have far from usual values: formulas and code have them, or say that they leave them out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (as PyTorch calls it)

import gradcli
from gradcli.engine import derive_program
from gradcli.errors import ExitCode
from gradcli.execution.formulas import shaped
from gradcli.execution.formulas.closed import Form, closed_forms
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

# Programs, and values of x on both sides of each constant.
VALUES = [0.25, -3.0, 1.75]
CASES = [
    ("F.softplus(x, threshold=5)", [VALUES, [6.0, 0.5, 30.0]]),
    ("F.softplus(x, beta=2, threshold=3)", [VALUES, [1.25, 1.625, 30.0]]),
    ("F.softplus(x)", [VALUES, [25.0, 3.0, 19.5]]),
    ("F.normalize(x, dim=0, eps=0.05)", [VALUES, [0.01, 0.02, -0.03], [0.0, 0.0, 0.0]]),
    ("F.normalize(x, dim=0, eps=5.0)", [VALUES, [4.0, 4.0, 1.0], [0.0, 0.0, 0.0]]),
    ("F.normalize(x, dim=0)", [VALUES, [1e-13, 3e-13, 0.0], [0.0, 0.0, 0.0]]),
    ("F.mish(x)", [VALUES, [25.0, 3.0, 19.5]]),
    ("where(x > 1000, x*x, x)", [VALUES, [2000.0, 3.0, -2000.0]]),
]


def _reference(program: str, x: Tensor, g: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    output = eval(program, {"F": F, "x": leaf, "where": torch.where})  # noqa: S307 (ours)
    (found,) = torch.autograd.grad(output, leaf, g)
    return found


@pytest.mark.parametrize(("program", "points"), CASES)
def test_code_is_autograds_on_both_sides_of_every_constant(program: str, points: Any) -> None:
    derivation = gradcli.derive(program, {"x": (3,)})
    assert derivation.verdict is Verdict.MATCH
    space: dict[str, Any] = {}
    exec(derivation.code("torch"), space)  # noqa: S102 (what is tested)
    g = torch.tensor([1.5, -0.5, 2.0], dtype=torch.float64)
    for values in points:
        x = torch.tensor(values, dtype=torch.float64)
        torch.testing.assert_close(space["gradient"](x, g), _reference(program, x, g), rtol=1e-12, atol=0)


def test_a_constant_that_is_given_is_in_the_formula_and_one_that_is_not_is_said() -> None:
    given = gradcli.derive("softplus(x, beta=2, threshold=3)", {"x": (3,)})
    assert (given.formula, given["x"].left_out) == ("where(x > 3/2, g, g*sigmoid(2*x))", None)
    usual = gradcli.derive("softplus(x)", {"x": (3,)})
    assert usual.formula == "g*sigmoid(x)"
    words = "where x > 20, softplus is x; the code has that case, and the formula leaves it out"
    assert usual["x"].left_out == (words,)
    assert words in " ".join(str(usual).split())


@pytest.mark.parametrize("eps", [5.0, 0.05])
def test_a_case_of_a_norm_is_one_choice(eps: float) -> None:
    found = gradcli.derive(f"normalize(x, dim=0, eps={eps})", {"x": (3,)}).formula
    assert found is not None
    assert found.count("where(norm(x) < ") == found.count("where") == 1


@pytest.mark.parametrize(
    ("program", "options"),
    [
        ("sum(softplus(x, beta=2, threshold=1))", {"product": "hvp"}),
        ("sum(softplus(x, threshold=1))", {"order": 2}),
        ("sum(softplus(x))", {"order": 2}),
    ],
)
def test_derivatives_of_other_orders_have_the_case(program: str, options: Any) -> None:
    assert gradcli.derive(program, {"x": (3,)}, **options).verdict is Verdict.MATCH


def test_a_formula_without_a_case_that_only_extreme_entries_enter_is_no_match(monkeypatch: pytest.MonkeyPatch) -> None:
    def dropped(*arguments: Any, **options: Any) -> dict[Any, Form]:
        found = closed_forms(*arguments, **options)
        text = "g*sigmoid(x)"
        return {target: Form(text, text, "", text) for target in found}

    monkeypatch.setattr(shaped, "closed_forms", dropped)
    assert gradcli.derive("softplus(x, threshold=5)", {"x": (3,)}).verdict is Verdict.MISMATCH


def test_what_errs_where_a_formula_is_not_autograds_is_named() -> None:
    # PyTorch multiplies by 1/6 in single precision.
    found = derive_program("hardsigmoid(x)*x", Settings("derive", shapes={"x": (3,)}, to="torch"))
    assert found.verdict is Verdict.MISMATCH
    assert found.exit_code is ExitCode.MISMATCH
    note = found["x"].checked.note
    assert note is not None
    assert "PyTorch rounds a constant to single precision" in note
    assert found.refused == "there is no code for torch: what it returns is not what autograd says"
    # Below eps it differentiates the norm that it has replaced: docs/findings.md has the case.
    short = gradcli.derive("cosine_similarity(x, y, dim=0, eps=5.0)", {"x": (3,), "y": (3,)})["x"]
    assert short.checked.verdict is Verdict.MISMATCH
    assert short.checked.note is not None
    assert "autograd's gradient is not the derivative of the definition" in short.checked.note


def test_code_of_a_cosine_is_finite_at_zero_vectors() -> None:
    space: dict[str, Any] = {}
    exec(gradcli.derive("cosine_similarity(x, y, dim=0)", {"x": (3,), "y": (3,)}).code("torch"), space)  # noqa: S102
    y = torch.tensor([1.0, 2.0, 2.0], dtype=torch.float64)
    found = space["gradient"](torch.zeros(3, dtype=torch.float64), y)
    torch.testing.assert_close(found[0], y / 3e-8)
    assert all(one.isfinite().all() for one in found)


def test_the_code_is_compared_where_a_formula_leaves_out_a_case_of_the_program() -> None:
    # Of lengths by name, some entries of X @ w are above 20, where softplus is linear: its second derivative is 0.
    derivation = gradcli.derive("sum(softplus(X @ w))", {"X": ("n", "d"), "w": ("d",)}, wrt="w", order=2)
    assert derivation.verdict is Verdict.MATCH
    assert derivation["w"].formula == "((1 - sigmoid(X @ w))*sigmoid(X @ w)*X.T) @ X"
