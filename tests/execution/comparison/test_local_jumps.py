"""x*log(y) at y = 0 is 0 for x = 0 alone, and infinite for any other x: it jumps by x, and is constant by y."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.execution.comparison.jump_sizes import least_jump
from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.inputs.programs import read
from gradcli.settings import Settings

ELU, K = "F.elu(F.hardsigmoid(x))", "subgradient"
CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("xlogy(x, y)", {"x": 0.0, "y": 0.0}, "x", "undefined"),
    ("xlogy(x, y).sum()", {"x": [0.0, 1.0], "y": [0.0, 2.0]}, "x", "undefined"),
    ("special.xlog1py(x, y)", {"x": 0.0, "y": -1.0}, "x", "undefined"),
    ("xlogy(x, 0)", {"x": 0.0}, "x", "undefined"),
    ("xlogy(x, y)", {"x": 0.0, "y": 2.0}, "x", "match"),
    # infinite along all entries together, and along no single one
    ("amin(sqrt(relu(x)))", {"x": [0.0, 0.0]}, "x", "undefined"),
    ("median(sqrt(F.relu6(F.l1_loss(x, y, reduction='none'))))", {"x": [3.0, 0.0], "y": [3.0, 0.0]}, "x", "undefined"),
    # slopes of what rounding leaves of 0 grow as steps shrink
    ("F.l1_loss(F.hardsigmoid(x), F.elu(F.hardsigmoid(x)), reduction='none').sum()", {"x": [1e17, 0.859375]}, ELU, K),
    # at 1e160 every number is a whole one
    ("F.l1_loss(x, ceil(x), reduction='none')", {"x": 1e160}, "x", "undecided"),
    # what quotients are off by may be the jump
    ("F.l1_loss(floor(x), x*log(x), reduction='none').sum()", {"x": [1e8, 2.25, 2.5]}, "x", "undefined"),
    ("xlogy(x, y)", {"x": 0.0, "y": -1.0}, "y", "match"),
]


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize(("program", "values", "name", "wanted"), CASES)
def test_where_a_value_jumps_or_rises_without_bound_is_no_derivative(
    command: Any, program: str, values: dict[str, Any], name: str, wanted: str
) -> None:
    found = command(program, values)[name]
    assert found.verdict == wanted
    assert wanted != "undefined" or "no derivative" in str(found.note)


@pytest.mark.parametrize("program", ["xlogy(0*x, y)", "xlogy(0, y)"])
def test_by_the_operand_that_it_is_constant_by_a_derivative_exists(program: str) -> None:
    """PyTorch's gradient is 0/0."""
    found = gradcli.evaluate(program, {"y": 0.0} | ({"x": 1.0} if "x," in program else {}))["y"]
    assert found.verdict == "undefined"
    assert "the derivative exists, and is 0" in str(found.note)


@pytest.mark.parametrize("program", ["xlogy(x, x).sum()", "-F.kl_div(y, x, reduction='sum')"])
def test_of_x_log_x_none_exists_at_0(program: str) -> None:
    """Its slope grows without bound: it is log(x) + 1."""
    found = gradcli.evaluate(program, {"x": [0.0, 0.5]} | ({"y": [-1.0, -2.0]} if "kl" in program else {}))["x"]
    assert found.verdict == "undefined"
    assert "the derivative exists" not in str(found.note)


@pytest.mark.parametrize(
    ("program", "value", "size"),
    [("3*floor(x)", 2.0, 3.0), ("sign(x)", 0.0, 1.0), ("1e-3*floor(x) + 5*sign(x - 2)", 2.0, 1e-3)],
)
def test_the_least_jump_is_that_of_an_op_as_the_output_sees_it(program: str, value: float, size: float) -> None:
    settings = Settings(grad_output="ones")
    trace = run_program(read(program, settings), settings, {"x": value})
    gradients = dict(zip(trace.tensors, map(autograd(trace), trace.tensors), strict=True))
    (leaf,) = trace.leaves
    assert least_jump(trace, leaf, gradients) == pytest.approx(size, rel=1e-6)


def autograd(trace: Trace) -> Callable[[TracedTensor], Tensor | None]:
    """Return what gives the gradient of the output by a tensor; None where it depends on none."""

    def gradient(traced: TracedTensor) -> Tensor | None:
        output = trace.output.tensor
        if not (traced.tensor.requires_grad and output.requires_grad):
            return None
        found: tuple[Tensor | None, ...] = torch.autograd.grad(
            output, traced.tensor, torch.ones_like(output), retain_graph=True, allow_unused=True
        )
        return found[0]

    return gradient
