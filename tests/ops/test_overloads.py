"""Several signatures under one name: which of them a call means."""

from __future__ import annotations

import pytest
import torch

from gradcli.errors import GradcliError
from gradcli.execution.forward.run import run_program
from gradcli.inputs.programs import read
from gradcli.settings import Settings

X = torch.tensor([[0.5, -1.5, 2.0], [1.0, 3.0, -0.25]], dtype=torch.float64)


def run(program: str) -> tuple[str, torch.Tensor]:
    """Return the signature that the last call meant, and its first result."""
    settings = Settings()
    trace = run_program(read(program, settings), settings, {"x": X})
    call = trace.calls[-1]
    return call.op.signature, call.outputs[0].tensor.detach()


@pytest.mark.parametrize(
    ("program", "signature", "value"),
    [
        ("max(x)", "max(input)", X.max()),
        ("max(x, 1)", "max(input, dim: int, keepdim=False)", X.max(1).values),
        ("max(x, -x)", "max(input, other: Tensor)", torch.max(X, -X)),
        ("x.max(dim=0, keepdim=True)", "max(input, dim: int, keepdim=False)", X.max(0, keepdim=True).values),
        ("var(x, False)", "var(input, unbiased: bool)", X.var(False)),
        ("var(x, 0)", "var(input, dim: ints = None, *, correction=1, keepdim=False)", X.var(0)),
        ("var(x, 0, False)", "var(input, dim: ints, unbiased: bool = True, keepdim=False)", X.var(0, False)),
        ("x.where(x > 0, 2*x)", "Tensor.where(input, condition, other)", X.where(X > 0, 2 * X)),
        ("where(x > 0, x, 2*x)", "where(condition, input, other)", X.where(X > 0, 2 * X)),
        ("x.polygamma(1)", "Tensor.polygamma(input, n: int)", X.polygamma(1)),
        ("x.tile(2, 1)", "Tensor.tile(input, *dims)", X.tile(2, 1)),
        ("x.sort(stable=True)", "sort(input, *, stable, dim=-1, descending=False)", X.sort(stable=True).values),
        ("trapezoid(x, tensor([0., 1., 3.]))", "trapezoid(y, x: Tensor, *, dim=-1)", None),
    ],
)
def test_a_call_means_the_signature_it_fits(program: str, signature: str, value: torch.Tensor | None) -> None:
    found, result = run(program)
    assert found == signature
    assert value is None or torch.equal(result, value)


def test_a_method_is_no_function() -> None:
    with pytest.raises(GradcliError, match="boolean tensor"):
        run("torch.where(x, x > 0, 2*x)")


def test_an_error_shows_every_signature() -> None:
    with pytest.raises(GradcliError) as error:
        run("max(x, 1, True, 3)")
    assert error.value.hint is not None
    assert "max(input, dim: int, keepdim=False) or max(input, other: Tensor)" in error.value.hint


@pytest.mark.parametrize("program", ["sum(x, dtype=3)", "cumsum(x, 0, out=x)", "softmax(x, 0, dtype=1)"])
def test_an_argument_that_is_not_supported_is_an_error(program: str) -> None:
    with pytest.raises(GradcliError, match=r"has no argument|one of PyTorch's types"):
        run(program)


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ("x.softmax(axis=1)", X.softmax(1)),
        ("torch.log_softmax(x, axis=0)", X.log_softmax(0)),
        ("torch.unsqueeze(x, axis=0)", X[None]),
        ("torch.mul(x1=x, x2=x)", X * X),
        ("x.amax(axis=0, keepdims=True)", X.amax(0, keepdim=True)),
    ],
)
def test_numpys_names_of_arguments_reach_pytorch_as_its_own(program: str, value: torch.Tensor) -> None:
    assert torch.equal(run(program)[1], value)
