"""A leaf that PyTorch has no derivative by is a constant of the run, and the report says so."""

from __future__ import annotations

from typing import Any

import pytest

from gradcli.engine import evaluate_program
from gradcli.errors import ExecutionError, GradcliError
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

VALUES = {"x": [[1.0, 2.0], [3.0, 5.0]], "m": [0.5, 0.25], "v": [1.0, 2.0], "t": [[1.0, -1.0], [1.0, 1.0]]}
PROGRAMS = [
    ("F.batch_norm(x, m, v)", {"m": "running_mean", "v": "running_var"}),
    ("F.soft_margin_loss(x, t)", {"t": "target"}),
    ("F.nll_loss(log_softmax(x, 1), tensor([0, 1]), weight=v)", {"v": "weight"}),
]


def settings(*names: str, **options: Any) -> Settings:
    return Settings(values={name: VALUES[name] for name in names}, **options)


@pytest.mark.parametrize(("program", "constants"), PROGRAMS)
def test_such_a_leaf_is_a_constant_and_noted(program: str, constants: dict[str, str]) -> None:
    report = evaluate_program(program, settings("x", *constants, grad_output="ones"))
    assert report["x"].verdict is report.verdict is Verdict.MATCH
    for name, argument in constants.items():
        assert (report[name].requires_grad, report[name].gradient, report[name].verdict) == (False, None, None)
        assert f"'{argument}'" in (report[name].note or "")
    assert report["x"].note is None


def test_a_non_leaf_is_refused_in_the_words_of_pytorch() -> None:
    with pytest.raises(ExecutionError, match="not differentiable with respect to argument 'target'") as refused:
        evaluate_program("F.soft_margin_loss(x, t*t)", settings("x", "t"))
    assert refused.value.hint == "write `detach(t*t)`"


def test_a_leaf_whose_gradient_is_asked_for_is_refused() -> None:
    with pytest.raises(GradcliError, match="not differentiable with respect to argument 'target'"):
        evaluate_program("F.soft_margin_loss(x, t)", settings("x", "t", wrt=("t",)))
