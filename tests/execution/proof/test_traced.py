"""What is asked of PyTorch's tracer, which is half private: a new version must not break it in silence."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

from gradcli.execution.proof.circuit import UnprovableError
from gradcli.execution.proof.traced import product, traced

X = {"x": torch.tensor([1.5, -0.5], dtype=torch.float64)}
G = torch.tensor([2.0, 3.0], dtype=torch.float64)


def calls(function: Callable[[Tensor], Tensor]) -> set[str]:
    graph = traced(lambda leaves: function(leaves["x"]), X, ["x"], G)
    return {
        str(node.target).partition(".")[2].partition(".")[0] for node in graph.graph.nodes if node.op == "call_function"
    }


def test_a_kernel_is_decomposed() -> None:
    assert {"erf", "exp", "mul"} <= calls(torch.nn.functional.gelu)
    assert "gelu_backward" not in calls(torch.nn.functional.gelu)


def test_a_trace_gives_what_autograd_gives() -> None:
    def function(leaves: Mapping[str, Tensor]) -> Tensor:
        return torch.nn.functional.gelu(leaves["x"])

    (found,) = traced(function, X, ["x"], G)(X["x"], G)
    (wanted,) = product(function, X, ["x"], G)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 2 if x[0].item() > 0 else x,
        lambda x: x * 2 if x.sum() > 0 else x,
        lambda x: x * float(x.detach().numpy()[0]),
        lambda x: x * 2 if x.tolist()[0] > 0 else x,
    ],
    ids=["item", "truth", "numpy", "tolist"],
)
def test_code_that_looks_at_a_value_is_refused(function: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(UnprovableError, match="cannot be traced for all values"):
        traced(lambda leaves: function(leaves["x"]), X, ["x"], G)
