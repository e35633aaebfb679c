"""Code at the point of a choice that keeps a quotient from 0/0."""

from __future__ import annotations

import pytest
import torch

import gradcli


@pytest.mark.parametrize("program", ["special.i1(x)", "special.i1e(x)"])
def test_a_function_has_second_derivatives_at_0(program: str) -> None:
    space: dict[str, object] = {"__name__": "derived"}
    exec(gradcli.derive(program, {"x": (3,)}).function(), space)  # noqa: S102 (the code is what is tested)
    functions = [one for one in space.values() if isinstance(one, type) and issubclass(one, torch.autograd.Function)]
    x = torch.tensor([0.0, 0.5, -2.0], dtype=torch.float64, requires_grad=True)
    second = []
    for apply in (functions[0].apply, getattr(torch, program[:-3], None) or getattr(torch.special, program[8:-3])):
        (first,) = torch.autograd.grad(apply(x).sum(), x, create_graph=True)
        second.append(torch.autograd.grad(first.sum(), x)[0])
    assert torch.allclose(*second)
