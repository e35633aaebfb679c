"""Right Functions whose gradient is zero because its terms cancel: what is left is rounding, and breaks no law.

Why each is zero: probabilities add up to 1; the cross entropy of x + c and the normalisation of x + b do not depend on
a number that is added to every entry.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.report.custom import Check, CustomDetails


class Total(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.softmax(x, -1).sum(-1)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG004 (PyTorch's signature)
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        y = torch.softmax(ctx.saved_tensors[0], -1)
        upstream = g.unsqueeze(-1).expand_as(y)
        return y * (upstream - (upstream * y).sum(-1, keepdim=True))

    @staticmethod
    def jvp(ctx: Any, t: Tensor) -> Tensor:
        y = torch.softmax(ctx.saved_tensors[0], -1)
        along = (y * t).sum(-1)
        return 3 * along / 3 - along * y.sum(-1) / 0.1 * 0.1


class TotalAndAPart(Total):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return Total.backward(ctx, g) + 1e-9


class CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, c: Tensor, t: Tensor) -> Tensor:
        ctx.save_for_backward(x, c, t)
        z = x + c
        return torch.logsumexp(z, -1) - z.gather(-1, t[:, None])[:, 0]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, c, t = ctx.saved_tensors
        p = torch.softmax(x + c, -1)
        d = (p - torch.nn.functional.one_hot(t, x.shape[-1]).to(p.dtype)) * g[:, None]
        return d, d.sum().reshape(c.shape), None


class Normalised(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(x, b)
        d = x + b - (x + b).mean(0)
        return d / torch.sqrt((d * d).mean(0) + 1e-5)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, b = ctx.saved_tensors
        d = x + b - (x + b).mean(0)
        r = 1 / torch.sqrt((d * d).mean(0) + 1e-5)
        dz = r * (g - g.mean(0) - d * r * (g * d * r).mean(0))
        return dz, dz.sum(0)


class SoftMinimum(torch.autograd.Function):
    """Its backward reads the rounded minimum: off by 1e-10 for -1e6, and by a hundred times that in an exponent."""

    WIDTH = 0.01

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        r = -x / SoftMinimum.WIDTH
        most = r.amax(-1)
        y = -SoftMinimum.WIDTH * ((r - most[..., None]).exp().sum(-1).log() + most)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, g: Tensor) -> Tensor:
        x, y = ctx.saved_tensors
        return g[..., None] * torch.exp((y[..., None] - x) / SoftMinimum.WIDTH)


FUNCTIONS: dict[type, tuple[dict[str, Any], dict[str, tuple[int, ...]]]] = {
    Total: ({}, {"x": (2, 4)}),
    SoftMinimum: ({}, {"x": (2, 4)}),
    CrossEntropy: ({"t": torch.tensor([1, 3])}, {"x": (2, 4), "c": (1,)}),
    Normalised: ({}, {"x": (5, 3), "b": (3,)}),
}


def failing(function: type, given: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> list[str]:
    constants = list(given)
    report = gradcli.check_function(function, given, shapes=shapes, constants=constants)
    assert isinstance(report.details, CustomDetails)
    assert report.details.checks is not None
    return [check.name for check in report.details.checks if not check.verdict.passes or _denies_pytorch(check)]


def _denies_pytorch(check: Check) -> bool:
    """Return whether PyTorch's forward mode is said to be wrong, which leaves the verdict as it is."""
    return check.name == "adjoint identity" and check.notes != ()


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_rounding_of_terms_that_cancel_is_no_fault(function: type) -> None:
    assert failing(function, *FUNCTIONS[function]) == []


def test_a_part_that_is_not_rounding_is_found_beside_terms_that_cancel() -> None:
    assert "linear in grad_output" in failing(TotalAndAPart, {}, {"x": (2, 4)})


def test_modes_of_autograd_are_not_inconsistent_where_only_rounding_is_left() -> None:
    x, b = (
        torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) for shape in ((5, 3), 1)
    )
    report = gradcli.check("F.layer_norm(x + b, (3,))", {"x": x, "b": b}, witnesses="adjoint")
    said = {tensor.name: tensor.witnesses for tensor in report.tensors}["b"]
    assert said is not None
    assert [witness.verdict.value for witness in said.values()] == ["match"]


class Attends(torch.autograd.Function):
    """Attention whose backward takes a sum over the output for one over the products: far out both are huge."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        ctx.save_for_backward(q, k, v)
        return torch.softmax(q @ k.mT, -1) @ v

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        q, k, v = ctx.saved_tensors
        p = torch.softmax(q @ k.mT, -1)
        inner = p * (g @ v.mT - (g * (p @ v)).sum(-1, keepdim=True))
        return inner @ k, inner.mT @ q, p.mT @ g


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_rounding_of_large_products_is_no_wrong_gradient(dtype: Any) -> None:
    report = gradcli.check_function(Attends, shapes={"q": (3, 4), "k": (5, 4), "v": (5, 4)}, dtype=dtype)
    assert report.verdict == "match"
