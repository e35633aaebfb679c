"""The code of a derivation takes the leaves, and the upstream gradient where that is not given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import gradcli
from gradcli.report.verdict import Verdict

X = torch.tensor([0.5, -1.5, 2.0], dtype=torch.float64)
UPSTREAM = [1.0, 2.0, -3.0]


def gradient_of(code: str) -> Any:
    space: dict[str, Any] = {}
    exec(code, space)  # noqa: S102 (gradcli's own code)
    return space["gradient"]


def by_autograd(vector: Any) -> torch.Tensor:
    leaf = X.clone().requires_grad_()
    return torch.autograd.grad(leaf**3, leaf, torch.as_tensor(vector, dtype=X.dtype))[0]


@pytest.mark.parametrize(("to", "x"), [("torch", X), ("numpy", X.numpy())])
def test_code_holds_an_upstream_gradient_that_is_given(to: str, x: Any) -> None:
    derivation = gradcli.derive("x**3", {"x": (3,)}, grad_output=UPSTREAM)
    assert "g: the upstream gradient" in str(derivation)
    np.testing.assert_allclose(gradient_of(derivation.code(to))(x), by_autograd(UPSTREAM).numpy())


@pytest.mark.parametrize("program", ["x**3", "sum(x**3)"])
def test_a_random_upstream_gradient_is_an_argument(program: str) -> None:
    derivation = gradcli.derive(program, {"x": (3,)}, grad_output="random")
    vector = torch.tensor(UPSTREAM, dtype=X.dtype) if program == "x**3" else torch.tensor(2.5, dtype=X.dtype)
    assert derivation.verdict is Verdict.MATCH
    assert derivation.upstream == "g"
    torch.testing.assert_close(gradient_of(derivation.code())(X, vector), by_autograd(vector.expand(3)))


def test_code_of_a_jacobian_has_no_upstream_gradient() -> None:
    derivation = gradcli.derive("x**3", {"x": (3,)}, grad_output=UPSTREAM, product="jacobian")
    assert derivation.upstream is None
    torch.testing.assert_close(gradient_of(derivation.code())(X), torch.diag(3 * X**2))


@pytest.mark.parametrize(
    ("program", "shape", "factor"),
    [
        ("cat([x, -x])*y", (6,), [0.5, -1.5, 2.0, -0.5, 1.5, -2.0]),
        ("stack([x, 2*x], dim=1)*y", (3, 2), [[0.5, 1.0], [-1.5, -3.0], [2.0, 4.0]]),
        ("tile(x, (2,))*y", (6,), [0.5, -1.5, 2.0, 0.5, -1.5, 2.0]),
        ("repeat_interleave(x, 2)*y", (6,), [0.5, 0.5, -1.5, -1.5, 2.0, 2.0]),
        ("sort(x).values*y", (3,), [-1.5, 0.5, 2.0]),
        ("sort(x, descending=True).values*y", (3,), [2.0, 0.5, -1.5]),
        ("masked_fill(x, x > 0, 7)*y", (3,), [7.0, -1.5, 7.0]),
    ],
)
def test_numpy_has_the_words_that_rearrange_a_factor(program: str, shape: Any, factor: Any) -> None:
    derivation = gradcli.derive(program, {"x": (3,), "y": shape}, wrt="y")
    assert derivation.verdict is Verdict.MATCH
    assert "jax" in derivation.codes
    upstream = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    found = gradient_of(derivation.code("numpy"))(X.numpy(), np.ones(shape), upstream)
    np.testing.assert_allclose(found, upstream * np.array(factor))
