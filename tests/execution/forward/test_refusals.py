"""What PyTorch refuses by the type of the numbers: the hint of each names what runs it."""

from __future__ import annotations

from typing import Any

import pytest

from gradcli.engine import evaluate_program
from gradcli.errors import ExecutionError, ExitCode
from gradcli.execution.forward.domains import parse_example
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

LOWER = [
    "i1(x) | x=2",
    "torch.linalg.lu_factor(a)[0] | a=3x3",
    "torch.fft.rfft(x).abs() | x=5",
    "inv(a) | a=3x3",
    "torch.linalg.pinv(a) | a=2x3",
    "torch.linalg.lstsq(a, b)[0] | a=4x2 b=4x3",
    "quantile(x, 0.3) | x=5",
    "F.multi_margin_loss(x, tensor([2, 0])) | x=2x3",
    "torch.linalg.vander(x) | x=3",
]
COMPLEX = [
    "maximum(x, y) | x=2 y=2",
    "where(x > 0, x, y) | x=2 y=2",
    "sort(x).values | x=3",
    "silu(x) | x=2",
    "torch.fft.rfft(x).abs() | x=5",
    "torch.masked.amax(x, mask=tensor([True, False])) | x=2",
    "torch.linalg.svd(a, full_matrices=False)[0] | a=3x2",
    "F.pdist(x) | x=4x3",
]


def refused(example: str, dtype: Any, command: str = "eval") -> ExecutionError:
    with pytest.raises(ExecutionError) as raised:
        ran(example, dtype, command)
    assert raised.value.exit_code == ExitCode.USAGE
    return raised.value


def ran(example: str, dtype: Any, command: str = "eval") -> Verdict:
    program, shapes = parse_example(example)
    upstream = "ones" if command == "eval" else None
    options: dict[str, Any] = {"shapes": dict(shapes), "init": "uniform", "verify": False, "grad_output": upstream}
    tangents = dict.fromkeys(shapes, 1.0) if command == "jvp" else {}
    return evaluate_program(program, Settings(command=command, dtype=dtype, tangents=tangents, **options)).verdict  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("example", LOWER)
def test_a_lower_dtype_is_named_with_those_that_do(example: str, dtype: str) -> None:
    hint = refused(example, dtype).hint or ""
    assert "--dtype float32" in hint
    assert "--dtype float64" in hint
    assert {ran(example, "float32"), ran(example, "float64")} == {Verdict.UNVERIFIED}


@pytest.mark.parametrize("example", COMPLEX)
def test_complex_numbers_are_named_with_the_real_ones(example: str) -> None:
    assert "--dtype float64" in (refused(example, "complex64").hint or "")
    assert ran(example, "float64") is Verdict.UNVERIFIED


def test_a_jacobian_of_complex_numbers_is_of_the_user() -> None:
    assert "--dtype float64" in (refused("x*x | x=2", "complex64", "jacobian").hint or "")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("softmax(tensor([1, 2]), 0)*x", "softmax(tensor([1., 2.]), 0)*x"),
        ("mean(x > 0)*x", "mean((x > 0)*1.)*x"),
        ("tensor([1, 2]) @ x", "tensor([1., 2.]) @ x"),
        ("tensor([[1, 2]]) @ x", "tensor([[1., 2.]]) @ x"),
        ("F.pdist(tensor([[1, 2], [3, 4]]))*x", "F.pdist(tensor([[1., 2.], [3., 4.]]))*x"),
    ],
)
def test_integers_are_to_be_floats(wrong: str, right: str) -> None:
    assert "`1.`" in (refused(f"{wrong} | x=2", "float64").hint or "")
    assert ran(f"{right} | x=2", "float64") is Verdict.UNVERIFIED


@pytest.mark.parametrize("program", ["x @ x | x=2x3", "softmax(x, 3) | x=2", "cholesky(-eye(2))*x | x=2"])
def test_what_no_dtype_mends_is_not_the_dtype(program: str) -> None:
    for dtype in ("bfloat16", "float32", "complex64"):
        if dtype == "bfloat16" and "cholesky" in program:
            continue
        assert "dtype" not in (refused(program, dtype).hint or "")


def test_an_op_without_forward_mode_goes_backward() -> None:
    example = "torch.cdist(x, y, inf) | x=2x3 y=2x3"
    assert "gradcli jacobian" in (refused(example, "float64", "jvp").hint or "")
    assert ran(example, "float64", "jacobian") is Verdict.UNVERIFIED


def test_an_op_without_a_second_derivative_is_to_be_written_out() -> None:
    assert "ops that have one" in (refused("F.pdist(x, 1.0).sum() | x=3x2", "float64", "hessian").hint or "")
    assert ran("(x[0] - x[1]).abs().sum() | x=3x2", "float64", "hessian") is Verdict.UNVERIFIED
