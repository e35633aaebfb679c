"""`grad`: J^T v against torch.func, and every way to ask for a gradient that is not there."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import jacrev

from gradcli.engine import evaluate_program
from gradcli.errors import GradcliError
from gradcli.render import FORMATS
from gradcli.render.errors import format_error
from gradcli.render.style import Style
from gradcli.report.grad import GradDetails, VectorJacobianProduct
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

X = [[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]]


def grad(program: str, **settings: Any) -> Report:
    return evaluate_program(program, Settings(command="grad", **settings))


def product(report: Report) -> VectorJacobianProduct | None:
    assert isinstance(report.details, GradDetails)
    return report.details.vjp


def test_the_result_is_the_transposed_jacobian_times_v() -> None:
    v, w = torch.tensor([1.0, -2.0], dtype=torch.float64), torch.tensor([0.5, 2.0, -1.0], dtype=torch.float64)
    report = grad("tanh(X @ w)", values={"X": X, "w": w.tolist()}, grad_output=v.tolist())
    assert report.verdict is Verdict.MATCH
    vjp = product(report)
    assert vjp is not None

    def function(matrix: Tensor, vector: Tensor) -> Tensor:
        return torch.tanh(matrix @ vector)

    expected = jacrev(function, (0, 1))(torch.tensor(X, dtype=torch.float64), w)
    for name, jacobian in zip(("X", "w"), expected, strict=True):
        torch.testing.assert_close(vjp.tensors[name].jacobian, jacobian)
        torch.testing.assert_close(vjp.tensors[name].product, torch.tensordot(v, jacobian, 1))
        torch.testing.assert_close(vjp.tensors[name].product, report[name].gradient)


def test_it_differentiates_by_inner_tensors_and_leaves_no_grad() -> None:
    report = grad("y = w*w; y*3", wrt=("y", "w"))
    assert [(tensor.name, tensor.gradient.item(), tensor.grad) for tensor in report.tensors] == [
        ("y", 3.0, None),
        ("w", 12.0, None),
    ]
    assert [tensor.grad for tensor in grad("y = w*w; y*3").tensors] == [None]


def test_large_and_complex_jacobians_are_left_out() -> None:
    assert product(grad("X*2", shapes={"X": (5, 5)}, grad_output="ones")) is None
    assert product(grad("(z*z).real", dtype="complex128")) is None


def test_an_unused_tensor_is_none_where_that_is_allowed() -> None:
    report = grad("y = w2*2; w1*3", wrt=("w1", "w2"), allow_unused=True)
    assert [None if tensor.gradient is None else tensor.gradient.item() for tensor in report.tensors] == [3.0, None]


def test_v_stands_beside_the_rows_that_it_weighs() -> None:
    text = FORMATS["plain"].render(
        grad("w1*w2", shapes={None: (2,)}, grad_output=[1, 10], wrt=("w1",)), Style(width=80)
    )
    assert "w1      [3 0]   1   3\n          [0 3]  10  30\n" in text


NO_GRAD_FN = "element 0 of tensors does not require grad and does not have a grad_fn"
NOT_REQUIRED = "One of the differentiated Tensors does not require grad"
UNUSED = "The differentiated Tensor at index 0 appears to not have been used in the graph."
FLOATS = "Only Tensors of floating point and complex dtype can require gradients"
ERRORS: list[tuple[str, dict[str, Any], list[str], str | None]] = [
    ("w1*w2", {"shapes": {None: (2,)}}, ["shape 2", "scalar outputs", "--grad-output", "--reduce"], None),
    ("w1*w2", {"shapes": {None: (2,)}, "grad_output": [1, 2, 3]}, ["shape 3", "Mismatch in shape", "torch.Size"], None),
    ("y = w2*2; w1*3", {"wrt": ("w2",)}, ["'w2' is not used", UNUSED, "--allow-unused"], "w2"),
    ("y = w2*2; w1*3", {"wrt": ("y", "w2")}, ["'y', 'w2' are not used", UNUSED], "w2*2"),
    ("y = w2*2; w1*3", {}, ["'w2' is not used", UNUSED], "w2"),
    ("w1*c", {"wrt": ("c",), "constants": ("c",)}, ["'c'", NOT_REQUIRED, "leave out `--constant c`"], "c"),
    ("w1*n", {"wrt": ("n",), "values": {"n": True}}, ["'n'", NOT_REQUIRED, "type bool", FLOATS], "n"),
    ("k = w > 1; k*w", {"wrt": ("k",)}, ["'k'", NOT_REQUIRED, "'w > 1' cuts the gradient off"], "w > 1"),
    ("w1*w3", {"wrt": ("w2",)}, ["no tensor 'w2'", "w1, w3, w1*w3"], None),
    ("alpha*beta", {"wrt": ("alpah",)}, ["no tensor 'alpah'", "did you mean 'alpha'?"], None),
    ("w*2", {"constants": ("w",)}, ["'w*2'", NO_GRAD_FN, "leave out `--constant w`"], None),
    ("a*b", {"constants": ("a", "b")}, ["'a*b'", NO_GRAD_FN, "all leaves are constants"], None),
    ("d = detach(w*2); d*3", {}, ["'d*3'", NO_GRAD_FN, "'detach(w*2)' cuts the gradient off"], "detach(w*2)"),
    ("argmax(w)", {"shapes": {"w": (3,)}}, [NO_GRAD_FN, "the result of argmax is a constant"], "argmax(w)"),
]


@pytest.mark.parametrize(("program", "settings", "parts", "marked"), ERRORS)
def test_errors_name_the_tensor_quote_pytorch_and_say_the_remedy(
    program: str, settings: dict[str, Any], parts: list[str], marked: str | None
) -> None:
    with pytest.raises(GradcliError) as caught:
        grad(program, **settings)
    text = format_error(caught.value)
    assert [part for part in parts if part not in text] == []
    span = caught.value.span
    assert marked == (None if span is None else program[span.start : span.end])


LEAF = torch.ones(2, requires_grad=True)
CALLS = {
    "grad can be implicitly created only for scalar outputs": lambda: torch.autograd.grad(LEAF * 2, LEAF),
    "Mismatch in shape": lambda: torch.autograd.grad(LEAF * 2, LEAF, torch.ones(3)),
    UNUSED: lambda: torch.autograd.grad((LEAF * 2).sum(), torch.ones(2, requires_grad=True)),
    NOT_REQUIRED: lambda: torch.autograd.grad((LEAF * 2).sum(), torch.ones(2)),
    NO_GRAD_FN: lambda: torch.ones(2).sum().backward(),
    FLOATS: lambda: torch.ones(2, dtype=torch.int64, requires_grad=True),
}


@pytest.mark.parametrize("message", CALLS)
def test_what_is_quoted_is_what_pytorch_says(message: str) -> None:
    with pytest.raises((RuntimeError, ValueError)) as caught:
        CALLS[message]()
    assert message in str(caught.value)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("program", "verdict"),
    [
        # 1/(2√0), whatever is asked for beside it
        ("(sqrt(x)*y).sum()", "match"),
        ("sqrt(sqrt(x)).sum()*y", "match"),
        ("(floor(x)*y).sum()", "undefined"),
        ("(log(x)*y).sum()", "undefined"),
    ],
)
def test_what_a_gradient_rests_on_is_known_where_it_alone_is_asked_for(program: str, verdict: str, dtype: str) -> None:
    settings = Settings(values={"x": [0.0, 0.0], "y": 1.0}, dtype=dtype)
    asked = evaluate_program(program, dataclasses.replace(settings, command="grad", wrt=("x",)))
    assert asked["x"].verdict == evaluate_program(program, settings)["x"].verdict
    assert asked["x"].verdict == verdict


@pytest.mark.parametrize("command", ["eval", "jacobian", "hessian", "jvp"])
@pytest.mark.parametrize("program", ["relu(x)", "abs(x)*2", "clamp(x, 0, 1)"])
def test_a_leaf_that_is_nan_has_no_derivative_by_any_command(program: str, command: str) -> None:
    tangents = {"x": 1.0} if command == "jvp" else {}
    settings = Settings(values={"x": float("nan")}, command=command, tangents=tangents)
    assert evaluate_program(program, settings).verdict is Verdict.UNDEFINED
