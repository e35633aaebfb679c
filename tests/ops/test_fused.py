"""PyTorch's own kernels of backward, as the table names them: each is the backward of its op."""

from __future__ import annotations

import math
import re

import mpmath
import pytest
import torch
from torch import Tensor

from gradcli.execution.forward.callables import function
from gradcli.ops.record import Op
from gradcli.ops.signature import defaults
from gradcli.ops.table import FUSED, OPS, find

WITH_KERNEL = [op for op in OPS if op.fused is not None]
# Parameters that have no default.
OTHERS = {"threshold": 0.1, "value": 20.0}
POINTS = (-25.0, -4.0, -2.5, -0.7, -0.2, 0.3, 0.8, 2.5, 5.0, 7.0, 25.0)


def kernel(op: Op, g: Tensor, x: Tensor, out: Tensor) -> Tensor:
    """Return what the record's call comes to."""
    assert op.fused is not None
    space = {**parameters(op), "g": g, "input": x, "out": out, op.fused.name: getattr(torch.ops.aten, op.fused.name)}
    found: Tensor = eval(op.fused.call, space)  # noqa: S307 (the table's own words)
    return found


def parameters(op: Op) -> dict[str, object]:
    required = {name: value for name, value in OTHERS.items() if re.search(rf"\b{name}\b(?!=)", op.signature)}
    return {**defaults(op.signature), **(required if op.name == "threshold" else {})}


@pytest.mark.parametrize("op", WITH_KERNEL, ids=[op.name for op in WITH_KERNEL])
def test_a_kernel_is_the_backward_of_its_op(op: Op) -> None:
    x = torch.tensor(POINTS, dtype=torch.float64, requires_grad=True)
    g = torch.linspace(1, 2, len(POINTS), dtype=torch.float64)
    out = function(op.torch)(x, *(OTHERS.values() if op.name == "threshold" else ()))
    (expected,) = torch.autograd.grad(out, x, g)
    torch.testing.assert_close(kernel(op, g, x.detach(), out.detach()), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("op", WITH_KERNEL, ids=[op.name for op in WITH_KERNEL])
def test_whether_a_kernel_can_be_differentiated_is_what_pytorch_says(op: Op) -> None:
    assert op.fused is not None
    x = torch.tensor(POINTS[3:8], dtype=torch.float64, requires_grad=True)
    g = torch.ones_like(x, requires_grad=True)
    out = function(op.torch)(x, *(OTHERS.values() if op.name == "threshold" else ()))
    total = kernel(op, g, x, out).sum()
    if op.fused.is_differentiable:
        again = torch.autograd.grad(total, (g, x), allow_unused=True)
        assert all(bool(one.isfinite().all()) for one in again if one is not None)
    else:
        with pytest.raises(RuntimeError, match="not implemented"):
            torch.autograd.grad(total, (g, x))


PUBLISHED = [(op, name) for op in OPS for name in op.published]
FORMULA = {"log": torch.log, "sqrt": math.sqrt, "pi": math.pi, "where": torch.where, "special": torch.special}
FORMULA |= {name: getattr(torch, name) for name in ("addcmul", "cos", "exp", "sin", "square")}


@pytest.mark.parametrize(("op", "name"), PUBLISHED, ids=[f"{op.name} {name}" for op, name in PUBLISHED])
def test_a_published_gradient_is_that_of_autograd(op: Op, name: str) -> None:
    one = torch.tensor([0.3, 0.8, 2.5, 5.0, 0.0, 0.0, 2.0], dtype=torch.float64)
    other = torch.tensor([0.7, -2.0, 0.0, 1.0, 0.0, 2.0, -0.5], dtype=torch.float64)
    one = one if op.name == "pow" else torch.tensor([-9.0, -0.5, 0.4, 3.0], dtype=torch.float64)
    one = one.abs() if op.name == "rsqrt" else one
    leaves = [value.requires_grad_() for value in (one, other)[: 2 if op.name == "pow" else 1]]
    given = dict(zip(("input", "exponent"), leaves, strict=False))
    out = function(op.torch)(*leaves)
    g = torch.linspace(1, 2, len(one), dtype=torch.float64)
    (expected,) = torch.autograd.grad(out, given[name], g)
    found = eval(op.published[name], {**FORMULA, **given, "g": g, "out": out})  # noqa: S307 (the table's own words)
    torch.testing.assert_close(found.detach(), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("x", [-30.0, -1e4, -1e8, 0.3, 5.0])
def test_the_stable_gradient_of_log_ndtr_keeps_its_digits(x: float) -> None:
    formula = find("special.log_ndtr").stable["input"]
    found = eval(formula, {**FORMULA, "g": 1.0, "input": torch.tensor(x, dtype=torch.float64)})  # noqa: S307 (its words)
    with mpmath.workdps(40):
        expected = mpmath.npdf(x) / mpmath.ncdf(x)
        assert abs(found.item() / expected - 1) < 1e-14


@pytest.mark.parametrize("x", [0.0, 1e-9, -1e-3, 0.0318, 0.0319, 0.1, -2.0])
def test_the_published_gradient_of_sinc_keeps_its_digits(x: float) -> None:
    point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    first = eval(find("sinc").published["input"], {**FORMULA, "g": 1.0, "input": point})  # noqa: S307 (the table's words)
    (second,) = torch.autograd.grad(first, point)
    with mpmath.workdps(40):
        for order, found in enumerate((first, second), 1):
            expected = mpmath.diff(mpmath.sincpi, x, order)
            assert abs(found.item() - expected) <= 1e-13 * abs(expected)


def test_kernels_of_one_name_are_differentiable_alike() -> None:
    for op in WITH_KERNEL:
        assert op.fused is not None
        assert FUSED[op.fused.name].is_differentiable is op.fused.is_differentiable
