"""Gradients that cancel in a lower dtype: what rounding leaves is not a mismatch, and what is wrong stays one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradcli
from gradcli.engine import evaluate_program
from gradcli.execution.autograd import functional
from gradcli.report.double_backward import DoubleBackwardDetails
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

SHAPES = {"x": (64, 2), "w": (2,), "b": (2,)}
NORMALISED = "F.batch_norm(x, None, None, w, b, training=True)"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_sum_that_cancels_is_no_mismatch(dtype: Any, seed: int) -> None:
    """The gradient by the weight is the sum of normalised entries, which is 0 but for rounding."""
    options: dict[str, Any] = {"shapes": SHAPES, "grad_output": "ones", "init": "randn", "formulas": False}
    report = evaluate_program(NORMALISED, Settings(dtype=dtype, seed=seed, **options))
    assert report["w"].verdict is Verdict.MATCH
    assert report.verdict is Verdict.MATCH


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_gradient_that_is_off_by_half_is_one(dtype: Any, plant: Any) -> None:
    plant("exp", lambda x: x.exp(), lambda gradient, _, result: gradient * result * 1.5)
    report = evaluate_program("exp(x).sum()", Settings(shapes={"x": (5,)}, init="randn", dtype=dtype, formulas=False))
    assert report["x"].verdict is Verdict.MISMATCH


def test_a_jacobian_that_is_off_in_the_fourth_digit_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    right = functional.jacobians

    def planted(*given: Any) -> tuple[dict[Any, Any], str]:
        found, method = right(*given)
        return {leaf: jacobian * 1.0003 for leaf, jacobian in found.items()}, method

    monkeypatch.setattr(functional, "jacobians", planted)
    settings = Settings(command="jacobian", shapes={"x": (3,)}, init="randn", dtype="float32", formulas=False)
    assert evaluate_program("exp(x)", settings).verdict is Verdict.MISMATCH


GROUPS = "torch.native_group_norm(x, w, b, 2, 4, 3, 2, 1e-5)[0].sum()"
SLOPES = "a, b = gradient(x, dim=(1, 0), spacing=[y, z]); a*b"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize(("init", "seed"), [("uniform", 0), ("randn", 1)])
def test_second_derivatives_that_cancel_exactly_are_no_mismatch(dtype: Any, init: Any, seed: int) -> None:
    """The sum of normalised entries is constant, and PyTorch's second derivatives of it are what rounding leaves."""
    shapes = {"x": (2, 4, 3), "w": (4,), "b": (4,)}
    settings = Settings(command="hessian", shapes=shapes, init=init, seed=seed, dtype=dtype, formulas=False)
    assert evaluate_program(GROUPS, settings).verdict is Verdict.MATCH


def test_a_row_of_second_derivatives_that_cancels_is_no_mismatch() -> None:
    """The weights of a difference quotient sum to 0, and so do those of its derivative by all entries at once."""
    settings = Settings(
        command="double-backward",
        shapes={"x": (3, 4), "y": (4,), "z": (3,)},
        init="randn",
        seed=11,
        dtype="float16",
        grad_output="random",
    )
    report = evaluate_program(SLOPES, settings)
    assert isinstance(report.details, DoubleBackwardDetails)
    second = report.details.lifecycle.with_create_graph.second["x"]
    assert second.gradient is not None
    assert second.gradient.abs().max() > 0.1
    assert second.verdict is Verdict.MATCH


@pytest.mark.parametrize(("dtype", "wrong"), [("bfloat16", 1.2), ("float16", 1.03), ("float32", 1.0001)])
def test_a_hessian_that_is_off_is_one(dtype: Any, wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    right = functional.hessians

    def planted(*given: Any) -> Any:
        found, refusal = right(*given)
        return {pair: block * wrong for pair, block in found.items()}, refusal

    monkeypatch.setattr(functional, "hessians", planted)
    settings = Settings(command="hessian", shapes={"x": (3,)}, init="randn", dtype=dtype, formulas=False)
    assert evaluate_program("(exp(x)*x).sum()", settings).verdict is Verdict.MISMATCH


def ill_conditioned(size: int, digits: float) -> torch.Tensor:
    """Return a matrix whose singular values span so many digits."""
    generator = torch.Generator().manual_seed(1)
    q, p = (torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64)).Q for _ in range(2))
    return (q * torch.logspace(0, -digits, size, dtype=torch.float64)) @ p


@pytest.mark.parametrize(("size", "digits"), [(6, 2), (6, 3), (32, 3), (128, 2)])
def test_what_the_last_bits_of_a_matrix_move_as_far_is_no_mismatch(size: int, digits: float) -> None:
    """PyTorch is as far off as its single precision and the matrix's condition have it: no algorithm is to blame.

    How far that is differs between processors: of the smallest matrix it may be within the tolerance.
    """
    w = torch.randn(size, size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    settings = Settings(dtype="float32", constants=("w",), formulas=False)
    report = evaluate_program("sum(w*pinv(x))", settings, {"x": ill_conditioned(size, digits), "w": w})
    if (size, digits) == (6, 2) and report.verdict is Verdict.MATCH:
        return
    assert report.verdict is Verdict.UNDECIDED
    assert report["x"].note is not None
    assert "too ill-conditioned" in report["x"].note


@pytest.mark.parametrize("size", [6, 128])
def test_a_wrong_factor_before_a_well_conditioned_matrix_is_one(size: int, plant: Any) -> None:
    plant("exp", lambda x: x.exp(), lambda gradient, _, result: gradient * result * 1.001)
    settings = Settings(dtype="float32", shapes={"x": (size, size)}, init="randn", formulas=False)
    report = evaluate_program(f"1e6*sum(inv(exp(x) + {4 * size}*eye({size})))", settings)
    assert report["x"].verdict is Verdict.MISMATCH


def scaled_under_autocast(scale: float) -> Report:
    """Return the check of a loss that is scaled up, as for training in half precision, under autocast."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))

    def loss(x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.float16):
            return nn.functional.cross_entropy(net(x), y) * scale

    inputs = torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 3])
    return gradcli.check(loss, inputs, dtype="float32", witnesses="symbolic")


def test_a_gradient_that_is_zero_has_the_noise_of_what_autocast_computes_in() -> None:
    report = scaled_under_autocast(2.0**16)
    bias = report["net.0.bias"]
    assert float(bias.symbolic.value.abs().max()) < 1e-9  # a bias before batch norm
    assert float(bias.gradient.abs().max()) > 1e-3
    assert report.verdict is Verdict.MATCH


def test_a_gradient_that_overflows_where_autocast_computes_is_too_large_for_that() -> None:
    bias = scaled_under_autocast(2.0**20)["net.4.bias"]  # below it NaN comes about, of calls that autocast converts for
    assert bias.gradient.dtype is torch.float32
    assert bias.gradient.isinf().any()
    assert bias.verdict is Verdict.UNDEFINED
    assert "too large for the dtype that it is computed in" in str(bias.note)


def column_norms(x: Tensor) -> Tensor:
    return (torch.linalg.svd(x, full_matrices=False)[0].pow(2) * torch.arange(3.0)).sum()


@pytest.mark.parametrize("seed", range(5))
def test_what_is_zero_in_every_entry_may_be_off_by_as_much_as_in_the_worst(seed: int) -> None:
    """The columns of U are unit vectors, whatever x is: a sum of their squares is constant."""
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))
    report = gradcli.check(column_norms, {"x": x}, dtype="float32", witnesses=("symbolic",))
    assert report.verdict is Verdict.MATCH
    assert "within rounding" in (report["x"].note or "")


def test_what_is_zero_and_off_by_more_than_that_is_a_mismatch() -> None:
    def code(x: Tensor) -> Tensor:
        y = x * 1
        y.register_hook(lambda gradient: gradient + 2e-5)
        return column_norms(y)

    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert gradcli.check(code, {"x": x}, dtype="float32", witnesses=("symbolic",)).verdict is Verdict.MISMATCH
