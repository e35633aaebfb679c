"""`jvp`, `jacobian` and `hessian` of code: they show what PyTorch computes of the code itself, rules and hooks too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradcli.engine import evaluate_code
from gradcli.errors import ExecutionError
from gradcli.report.report import Report
from gradcli.settings import Settings

X, Y = torch.tensor([2.0, 3.0], dtype=torch.float64), torch.tensor([5.0, -1.0], dtype=torch.float64)


def product(rule: Callable[..., Tensor] | None) -> type[torch.autograd.Function]:
    """Return a Function of two tensors, whose backward is right."""

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(x: Tensor, y: Tensor) -> Tensor:
            return x * y

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:  # noqa: ARG004 (PyTorch's own)
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
            x, y = ctx.saved_tensors
            return g * y, g * x

    if rule is not None:
        Product.jvp = staticmethod(lambda ctx, t, u: rule(*ctx.saved_tensors, t, u))  # type: ignore[method-assign,assignment]
    return Product


class Unready(torch.autograd.Function):
    """Without setup_context."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        x, y = ctx.saved_tensors
        return g * y, g * x


def looked_at(command: str, code: Any, inputs: Any, **settings: Any) -> Report:
    return evaluate_code(code, Settings(command=command, formulas=False, **settings), inputs)


RULES = {
    "right": lambda x, y, t, u: t * y + u * x,
    "factor": lambda x, y, t, u: 2 * t * y + u * x,
    "sign": lambda x, y, t, u: t * y - u * x,
    "dropped": lambda _, y, t, __: t * y,
}


@pytest.mark.parametrize("name", RULES)
def test_what_forward_mode_computes_of_code_is_the_jvp_of_its_functions(name: str) -> None:
    function = product(RULES[name])

    def f(x: Tensor, y: Tensor) -> Tensor:
        return function.apply(x.sin(), y).sum()

    tangents = torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([-1.0, 0.5], dtype=torch.float64)
    report = looked_at("jvp", f, [X, Y], tangents={"x": tangents[0].tolist(), "y": tangents[1].tolist()})
    torch.testing.assert_close(report.details.jvp.value, torch.func.jvp(f, (X, Y), tangents)[1])
    assert report.verdict == ("match" if name == "right" else "mismatch")
    assert ("forward mode runs the jvp of Product" in (report.details.jvp.note or "")) == (name != "right")


@pytest.mark.parametrize("function", [product(None), Unready])
def test_where_pytorch_refuses_forward_mode_of_code_it_is_quoted(function: type[torch.autograd.Function]) -> None:
    def f(x: Tensor, y: Tensor) -> Tensor:
        return function.apply(x, y).sum()

    with pytest.raises((RuntimeError, NotImplementedError)) as theirs:
        torch.func.jvp(f, (X, Y), (X, Y))
    with pytest.raises(ExecutionError) as ours:
        looked_at("jvp", f, [X, Y], tangents={"x": 1.0})
    assert str(theirs.value) in ours.value.message


def test_a_modules_parameters_move_and_its_buffers_are_written_to() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Tanh()).double()
    inputs = torch.randn(4, 2, dtype=torch.float64)
    weight = module[0].weight.detach().clone()
    buffers = {name: value.clone() for name, value in module.named_buffers()}

    def f(given: Tensor) -> Tensor:
        own = {name: value.clone() for name, value in buffers.items()}
        found: Tensor = torch.func.functional_call(module, {**own, "0.weight": given}, inputs)
        return found

    expected = torch.func.jvp(f, (weight,), (torch.ones_like(weight),))[1]
    report = looked_at("jvp", module, [inputs], tangents={"0.weight": 1.0})
    assert report.verdict == "match"
    torch.testing.assert_close(report.details.jvp.value, expected.detach())


def test_what_code_has_from_elsewhere_does_not_move() -> None:
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)

    def f(x: Tensor) -> Tensor:
        return (x * scale).sin().sum()

    assert looked_at("jvp", f, [X], tangents={"x": 1.0}).verdict == "match"


def test_another_output_under_the_transform_is_not_compared() -> None:
    runs = []

    def f(x: Tensor) -> Tensor:
        runs.append(x)
        return (x * (1.0 if x.requires_grad else 3.0)).sum()

    report = looked_at("jvp", f, [X], tangents={"x": 1.0})
    assert (report.verdict, report.details.jvp.note) == (
        "undecided",
        "under torch.func.jvp the code computes another output than it does by itself",
    )


def on_a_tensor(x: Tensor) -> Tensor:
    y = x.sin()
    y.register_hook(lambda g: 2 * g)
    return (y**2).sum()


def on_a_node(x: Tensor) -> Tensor:
    y = x.sin()
    y.grad_fn.register_hook(lambda found, _: (3 * found[0],))
    return (y**2).sum()


def on_what_is_saved(x: Tensor) -> Tensor:
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t / 2, lambda t: t):
        y = x.exp()
    return (y**2).sum()


@pytest.mark.parametrize("code", [on_a_tensor, on_a_node, on_what_is_saved])
def test_what_a_hook_makes_of_a_derivative_is_in_the_jacobian_and_the_hessian(code: Callable[[Tensor], Tensor]) -> None:
    leaf = X.clone().requires_grad_()
    (first,) = torch.autograd.grad(code(leaf), leaf, create_graph=True)
    second = torch.stack([torch.autograd.grad(one, leaf, retain_graph=True)[0] for one in first])
    jacobian, hessian = looked_at("jacobian", code, [X]), looked_at("hessian", code, [X])
    assert (jacobian.verdict, hessian.verdict) == ("mismatch", "mismatch")
    torch.testing.assert_close(jacobian["x"].jacobian, first.detach())
    torch.testing.assert_close(hessian.details.hessian["x"]["x"], second)


@pytest.mark.parametrize("command", ["jacobian", "hessian"])
def test_complex_leaves_are_refused_with_what_pytorch_wants(command: str) -> None:
    z = X.to(torch.complex128)[:1]
    with pytest.raises(ExecutionError, match="Expected all inputs to be real") as refused:
        looked_at(command, lambda z: z.abs().sum(), [z], dtype="complex128")
    assert "`torch.complex(a, b)`" in (refused.value.hint or "")


@torch.library.custom_op("gradcli_tests::cube", mutates_args=())
def cube(x: Tensor) -> Tensor:
    return x**3


cube.register_autograd(
    lambda ctx, g: 3 * ctx.saved_tensors[0] ** 2 * g,
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(inputs[0]),  # noqa: ARG005 (PyTorch's own)
)


def test_an_op_of_a_library_is_called_by_its_name() -> None:
    report = looked_at("eval", lambda x: cube(x).sum(), [X])
    assert report["x"].note == "gradcli_tests::cube() has no symbolic definition here"
    assert "gradcli_tests::cube(...)" in {tensor.name for tensor in report.tensors}
