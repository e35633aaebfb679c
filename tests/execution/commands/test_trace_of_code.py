"""The chain rule of what cannot be run again by itself, against what torch.autograd gives where it is cut by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gradcli.engine import evaluate_code, evaluate_program
from gradcli.errors import NotSupportedError
from gradcli.execution.code.steps import gap
from gradcli.execution.forward.trace import TracedTensor
from gradcli.render import FORMATS
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.report.trace import TraceDetails, TraceStep
from gradcli.settings import Settings

INDICES = torch.tensor([[0, 1, 2], [1, 0, 2]])


def leaf(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).abs().add_(0.25).requires_grad_()


def traced(code: Callable[..., Tensor], *inputs: Tensor) -> tuple[Report, TraceDetails]:
    report = evaluate_code(code, Settings(command="trace", formulas=False), [one.detach() for one in inputs])
    assert isinstance(report.details, TraceDetails)
    return report, report.details


def step_of(details: TraceDetails, name: str) -> TraceStep:
    return next(step for step in details.trace if name in (step.source, step.results[0].name))


def passed(details: TraceDetails, name: str) -> dict[str, Tensor]:
    return {operand.name: operand.contribution for operand in step_of(details, name).operands}


def distances(x: Tensor, y: Tensor) -> Tensor:
    found: Tensor = torch.ops.aten._euclidean_dist(x, y)
    return found


def drawn(x: Tensor) -> Tensor:
    return torch._standard_gamma(x).sum() * 2


def far(x: Tensor) -> Tensor:
    y = x.sin()
    h = distances(x, y)
    return (h * h * h).sum() + y.sum()


def sparse(v: Tensor, b: Tensor) -> Tensor:
    m = torch.sparse_coo_tensor(INDICES, v, (3, 3), check_invariants=True)
    return torch.sparse.mm(m, b).sin().sum()


def penalty(x: Tensor) -> Tensor:
    y = torch.tanh(x**2).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    return (g**2).sum() + y


def functional(x: Tensor) -> Tensor:
    total: Tensor = torch.func.grad(lambda t: torch.tanh(t**2).sum())(x).pow(2).sum()
    return total


def entropy(x: Tensor) -> Tensor:
    y = nn.functional.cross_entropy(x[None] ** 2, torch.tensor([1]))
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    return (g**2).sum() + y


class Wrong(torch.autograd.Function):
    """x * y; its backward gives three times the gradient by x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        x, y = ctx.saved_tensors
        return 3 * g * y, g * x


def custom(x: Tensor, y: Tensor) -> Tensor:
    found: Tensor = Wrong.apply(x.sin(), y)
    return (found**2).sum()


def written(x: Tensor) -> Tensor:
    y = x * 2
    y[0] = x[1] ** 2
    y += x
    return (y**2).sum()


def shifted(x: Tensor) -> Tensor:
    y = x * 2
    with torch.no_grad():
        y.add_(3)
    return (y**2).sum()


def again(x: Tensor) -> Tensor:
    found: Tensor = checkpoint(lambda t: t.sin() * t, x**2, use_reentrant=True)
    return (found**2).sum()


def mapped(x: Tensor) -> Tensor:
    return torch.vmap(lambda row: row.sin() * row.sum())(x[None] * 2).sum()


ALL: dict[Callable[..., Tensor], Sequence[Tensor]] = {
    drawn: [leaf(3)],
    far: [leaf(3, 2)],
    sparse: [leaf(3), leaf(3, 2, seed=1)],
    penalty: [leaf(3)],
    functional: [leaf(3)],
    entropy: [leaf(3)],
    custom: [leaf(3), leaf(3, seed=1)],
    written: [leaf(3)],
    shifted: [leaf(3)],
    again: [leaf(3)],
    mapped: [leaf(3)],
}


@pytest.mark.parametrize("code", ALL, ids=lambda code: code.__name__)
def test_contributions_add_up_to_what_backward_gives(code: Callable[..., Tensor]) -> None:
    inputs = [one.detach().clone().requires_grad_() for one in ALL[code]]
    torch.manual_seed(0)
    code(*inputs).backward()
    expected = [one.grad for one in inputs]
    report, details = traced(code, *inputs)
    operands = [operand for step in details.trace for operand in step.operands]
    for one, gradient in zip((tensor for tensor in report.tensors if tensor.kind == "leaf"), expected, strict=True):
        total = sum(operand.contribution for operand in operands if operand.name == one.name)
        torch.testing.assert_close(total, gradient, rtol=1e-12, atol=1e-13)
    assert details.left_out == ()


def test_a_call_without_a_definition_passes_on_what_autograd_does() -> None:
    x = leaf(3, 2)
    near, other = x.detach().clone().requires_grad_(), x.detach().sin().requires_grad_()
    h = distances(near, other)
    expected = torch.autograd.grad(h, [near, other], 3 * h.detach() ** 2)
    found = passed(traced(far, x)[1], "h")
    torch.testing.assert_close([found["x"], found["y"]], list(expected), rtol=1e-13, atol=1e-14)


def test_a_sparse_tensor_passes_on_where_it_has_entries() -> None:
    v, b = leaf(3), leaf(3, 2, seed=1)
    m = torch.zeros(3, 3, dtype=torch.float64).index_put((INDICES[0], INDICES[1]), v.detach()).requires_grad_()
    by_m, by_b = torch.autograd.grad((m @ b).sin().sum(), [m, b])
    details = traced(sparse, v, b)[1]
    torch.testing.assert_close(passed(details, "mm(...)")["b"], by_b, rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(passed(details, "m")["v"], by_m[INDICES[0], INDICES[1]], rtol=1e-13, atol=1e-14)


def test_a_gradient_that_code_asks_for_is_a_step() -> None:
    x = leaf(3)
    t = torch.tanh(x.detach() ** 2)
    u = 2 * (2 * x.detach() * (1 - t**2))  # of g**2, at g = 2*x*(1 - t**2)
    found = passed(traced(penalty, x)[1], "g")
    torch.testing.assert_close(found["x"], u * 2 * (1 - t**2), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(found["tanh(x ** 2)"], u * 2 * x.detach() * (-2 * t), rtol=1e-12, atol=1e-14)


def test_a_gradient_that_a_program_asks_for_is_a_step() -> None:
    program = "y = (x**3).sum(); g, = torch.autograd.grad(y, x, create_graph=True); z = (g**2).sum(); z.backward()"
    report = evaluate_program(program, Settings(command="trace", values={"x": [1.5, 2.0]}))
    assert isinstance(report.details, TraceDetails)
    x = torch.tensor([1.5, 2.0], dtype=torch.float64)
    torch.testing.assert_close(passed(report.details, "g")["x"], 2 * (3 * x**2) * 6 * x)


def test_a_second_derivative_that_goes_through_the_inside_of_a_call_is_counted_there() -> None:
    details = traced(entropy, leaf(3))[1]
    assert step_of(details, "g").into == ("y",)
    text = FORMATS["plain"].render(traced(entropy, leaf(3))[0], Style())
    assert "into y" in text


def test_a_function_passes_on_what_its_own_backward_gives() -> None:
    x, y = leaf(3), leaf(3, seed=1)
    upstream = 2 * x.detach().sin() * y.detach()
    found = passed(traced(custom, x, y)[1], "Wrong.apply(...)")
    torch.testing.assert_close(found["sin(x)"], 3 * upstream * y.detach(), rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(found["y"], upstream * x.detach().sin(), rtol=1e-13, atol=1e-14)


def test_what_a_hook_adds_is_said_not_to_be_in_the_steps() -> None:
    def hooked(x: Tensor) -> Tensor:
        y = x * 2
        y.register_hook(lambda gradient: gradient * 3)
        return (y**2).sum()

    report, details = traced(hooked, leaf(3))
    (one,) = details.left_out
    y = 2 * leaf(3).detach()
    torch.testing.assert_close([one.total, one.gradient], [2 * y, 6 * y])
    assert one.name == "y"
    assert "Where that is not the gradient" in FORMATS["plain"].render(report, Style())
    assert json.loads(FORMATS["json"].render(report, Style()))["left_out"][0]["name"] == "y"


def test_what_has_no_definition_is_not_run_again() -> None:
    tensor = torch.ones(2, dtype=torch.float64)
    operand, result = TracedTensor(tensor, "x", "x"), TracedTensor(tensor * 3, None, "opaque(x)")
    with pytest.raises(NotSupportedError, match="nobody knows"):
        gap("nobody knows", [operand], result).run({operand: tensor})
