"""How a sum of products becomes steps: nothing as large as an operand is made on the way, and nothing for nobody."""

from __future__ import annotations

import pytest

from gradcli.derivation.messages import DerivativeRequest
from gradcli.derivation.tensor_program import Step, TensorProgram
from gradcli.symbolic.derive.derive import derive
from gradcli.symbolic.derive.pruning import pruned


def steps(formula: str, axes: dict[str, str], out: str, wrt: str) -> tuple[Step, ...]:
    return derive(DerivativeRequest(formula, tuple(axes.items()), (), out, (wrt,))).adjoints[wrt].steps


@pytest.mark.parametrize(
    ("formula", "axes", "out", "wrt"),
    [
        ("input/other", {"input": "ij", "other": "i"}, "ij", "other"),  # softmax's quotient
        ("input*other", {"input": "ij", "other": "j"}, "ij", "other"),
        ("input*exp(other)", {"input": "ij", "other": ""}, "ij", "other"),
    ],
)
def test_a_factor_that_does_not_depend_on_a_sum_is_taken_out_of_it(
    formula: str, axes: dict[str, str], out: str, wrt: str
) -> None:
    made = [step for step in steps(formula, axes, out, wrt) if step.function != "relabel"]
    assert [step.function for step in made].count("einsum") == 1
    assert all(len(step.out) <= len(axes[wrt]) for step in made)


def test_a_step_that_nothing_reads_is_left_out() -> None:
    made = (Step("exp", (0,), ("i",), "i"), Step("neg", (0,), ("i",), "i"), Step("mul", (2, 2), ("i", "i"), "i"))
    found = pruned(TensorProgram(("x",), ("i",), (), made, 3, "i"))
    assert [step.function for step in found.steps] == ["neg", "mul"]
    assert (found.steps[1].inputs, found.result) == ((1, 1), 2)


def test_a_derivative_has_no_step_that_nothing_reads() -> None:
    found = derive(DerivativeRequest("input/other", (("input", "ij"), ("other", "ij")), (), "ij", ("input", "other")))
    for program in found.adjoints.values():
        assert pruned(program) == program
