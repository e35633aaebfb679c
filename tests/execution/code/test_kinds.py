"""Code with tensors that do not hold all their entries as plain numbers: sparse ones, nested ones, others' classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradcli
from gradcli.engine import evaluate_code
from gradcli.errors import ExecutionError, ExitCode, UnfollowedError
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:Sparse C", "ignore:The PyTorch API of nested tensors")
ADJACENCY = torch.tensor([[0.5, 2.0, 0.0], [0.0, 0.0, -1.0], [3.0, 0.0, 0.0]], dtype=torch.float64)
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "coo": Tensor.to_sparse,
    "csr": Tensor.to_sparse_csr,
    "csc": Tensor.to_sparse_csc,
}


def leaf(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()


class Graph(nn.Module):
    """A layer whose rows an adjacency matrix mixes, which is a buffer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(2, 2).double()
        self.register_buffer("adjacency", ADJACENCY.float().to_sparse())

    def forward(self, x: Tensor) -> Tensor:
        return torch.sparse.mm(self.adjacency, self.layer(x)).square().sum()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_product_with_a_constant_sparse_matrix_is_that_with_its_dense_form(layout: str) -> None:
    matrix = LAYOUTS[layout](ADJACENCY)

    def product(x: Tensor) -> Tensor:
        return (matrix @ x).square().sum()

    report = gradcli.evaluate(product, {"x": leaf(3, 2)})
    assert report.verdict is Verdict.MATCH
    expected = 2 * ADJACENCY.T @ ADJACENCY @ leaf(3, 2).detach()
    torch.testing.assert_close(report["x"].symbolic.value, expected)


def test_a_sparse_buffer_is_a_constant_for_every_witness() -> None:
    report = gradcli.check(Graph(), {"x": leaf(3, 2)})
    assert report.verdict is Verdict.MATCH
    assert {"finite-difference", "taylor"} <= {*report["x"].witnesses}


def test_a_sparse_input_is_a_constant_in_the_precision_of_the_check() -> None:
    def product(x: Tensor, matrix: Tensor) -> Tensor:
        return torch.sparse.addmm(x, matrix, x, beta=2.0).square().sum()

    report = gradcli.evaluate(product, {"x": leaf(3, 2), "matrix": ADJACENCY.float().to_sparse()})
    assert report.verdict is Verdict.MATCH
    assert [tensor.name for tensor in report.tensors if tensor.kind == "leaf"] == ["x"]


def test_a_reduction_of_products_is_not_taken_for_their_sum() -> None:
    matrix = ADJACENCY.to_sparse_csr()

    def reduced(x: Tensor) -> Tensor:
        return torch.sparse.mm(matrix, x, "mean").sum()

    assert gradcli.evaluate(reduced, {"x": leaf(3, 2)}).verdict is Verdict.UNDECIDED


class Mixing(torch.autograd.Function):
    """A product with a sparse constant, whose gradient is doubled."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(matrix)
        return torch.sparse.mm(matrix, x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[None, Tensor]:
        return None, 2 * torch.mm(ctx.saved_tensors[0].t(), g)


def test_a_function_is_judged_by_its_forward_with_a_sparse_constant() -> None:
    report = gradcli.evaluate(lambda x: Mixing.apply(ADJACENCY.to_sparse(), x).sum(), {"x": leaf(3, 2)})
    assert report["x"].verdict is Verdict.MISMATCH
    torch.testing.assert_close(report["x"].symbolic.value, ADJACENCY.sum(0)[:, None].expand(3, 2))


def of_values(x: Tensor) -> Tensor:
    return torch.sparse.mm(torch.sparse_coo_tensor([[0, 1], [1, 0]], x[0], (2, 2)), x[:2]).sum()


def to_sparse(x: Tensor) -> Tensor:
    return (x.to_sparse() @ x.T).sum()


def to_csr(x: Tensor) -> Tensor:
    return (x.to_sparse_csr() @ ADJACENCY[:2]).sum()


def to_dense(x: Tensor) -> Tensor:
    return x.to_sparse().to_dense().square().sum()


def times_sparse(x: Tensor) -> Tensor:
    return torch.sparse.sum(ADJACENCY[:, :2].to_sparse() * x)


def sparse_output(x: Tensor) -> Tensor:
    return ADJACENCY[:, :2].to_sparse() * x


@pytest.mark.parametrize("code", [sparse_output, of_values, to_sparse, to_csr, to_dense, times_sparse])
def test_what_passes_through_a_sparse_tensor_that_requires_grad_is_undecided(code: Callable[..., Any]) -> None:
    report = gradcli.evaluate(code, {"x": leaf(3, 2)}, grad_output="ones")
    assert report.verdict is Verdict.UNDECIDED
    assert any("for a sparse_c" in note.words for tensor in report.tensors for note in tensor.notes)


class Sparse(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(ADJACENCY.to_sparse())

    def forward(self, x: Tensor) -> Tensor:
        return torch.sparse.mm(self.weight, x).sum()


def test_a_sparse_parameter_is_undecided_and_may_be_a_constant() -> None:
    with pytest.raises(UnfollowedError, match="the parameter 'weight' is a sparse_coo tensor"):
        gradcli.evaluate(Sparse(), {"x": leaf(3, 2)})
    assert gradcli.evaluate(Sparse(), {"x": leaf(3, 2)}, constants=["weight"]).verdict is Verdict.MATCH


def nested(x: Tensor) -> Tensor:
    return (torch.nested.as_nested_tensor([x, x[1:]], layout=torch.jagged) * 2).values().sum()


def on_meta(x: Tensor) -> Tensor:
    return x.sum() * x.to("meta").sum().ndim


@pytest.mark.parametrize("code", [nested, on_meta])
def test_a_tensor_without_a_dense_form_is_undecided_with_its_kind(code: Callable[..., Any]) -> None:
    with pytest.raises(UnfollowedError, match=r"(nested|meta) tensor") as raised:
        gradcli.evaluate(code, {"x": leaf(3, 2)})
    assert raised.value.exit_code is ExitCode.UNDECIDED


def test_what_fails_only_while_it_is_followed_is_no_error_of_the_code() -> None:
    def shy(x: Tensor) -> Tensor:
        if torch.overrides._get_current_function_mode_stack():
            raise TypeError("somebody follows")
        return x.sum()

    with pytest.raises(UnfollowedError, match=r"the code runs, and cannot be followed here.*somebody follows"):
        gradcli.evaluate(shy, {"x": leaf(3)})


def test_what_fails_alone_too_is_an_error_of_the_code() -> None:
    with pytest.raises(ExecutionError, match="raises RuntimeError: size mismatch"):
        gradcli.evaluate(lambda x: x @ torch.ones(7, dtype=x.dtype), {"x": leaf(3, 2)})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_graph_shows_what_saves_a_sparse_matrix(layout: str) -> None:
    matrix = LAYOUTS[layout](ADJACENCY)
    report = evaluate_code(lambda x: (matrix @ x).sin().sum(), Settings(command="graph"), [leaf(3, 2).detach()])
    assert report.verdict is Verdict.MATCH
