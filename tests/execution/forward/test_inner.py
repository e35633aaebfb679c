"""Gradients inside of programs: each beside torch.autograd's own second derivative."""

from __future__ import annotations

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.errors import GradcliError
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

POINT = torch.tensor([0.7, -1.2, 0.4], dtype=torch.float64)


def of_x(text: str, command: str = "eval") -> torch.Tensor:
    """Return the gradient by x that a report has, whose verdict passes."""
    report = evaluate_program(text, Settings(command=command, formulas=False), {"x": POINT})
    assert report.verdict is not None
    assert report.verdict.passes
    gradient: torch.Tensor = report["x"].gradient
    return gradient


@pytest.mark.parametrize("command", ["eval", "check"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("g, = torch.autograd.grad((x**3).sum(), x, create_graph=True); (g**2).sum().backward()", 36 * POINT**3),
        ("(x**3).sum().backward(create_graph=True); x.grad.sum().backward()", 6 * POINT),
        ("g, = torch.autograd.grad((x**3).sum(), x, create_graph=True); z = (g**2).sum(); print(z)", 36 * POINT**3),
        ("torch.func.grad(lambda z: (z**3).sum())(x).sum()", 6 * POINT),
        ("(torch.autograd.grad((x**3).sum(), x, create_graph=True)[0]**2).sum()", 36 * POINT**3),
        ("(x**3).sum().backward(create_graph=True); print(x.grad); x.grad.sum() + x.sum()", 6 * POINT + 1),
        (("g = torch.autograd.grad(x**4, x, torch.ones(3), create_graph=True)[0]\n"
         "h = torch.autograd.grad(g.sum(), x, create_graph=True)[0]\nh.sum().backward()"), 24 * POINT),
        ("torch.func.grad(lambda y: torch.func.grad(lambda z: (z**3).sum())(y).sum())(x).sum().backward()", None),
        ("g = grad((x**2).sum(), x, create_graph=True)[0]; (g * g.detach()).sum().backward()", 4 * POINT),
    ],
)  # fmt: skip
def test_a_gradient_is_differentiated_again(text: str, expected: torch.Tensor | None, command: str) -> None:
    expected = torch.full((3,), 6.0, dtype=torch.float64) if expected is None else expected
    assert torch.allclose(of_x(text, command), expected, rtol=1e-12)


def test_a_penalty_is_what_torch_autograd_makes_of_it() -> None:
    x = POINT.clone().requires_grad_()
    (slope,) = torch.autograd.grad(torch.tanh(x).prod(), x, create_graph=True)
    (expected,) = torch.autograd.grad((slope.norm() - 1) ** 2, x)
    text = "g = torch.autograd.grad(torch.tanh(x).prod(), x, create_graph=True)[0]\n((g.norm() - 1) ** 2).backward()"
    assert torch.allclose(of_x(text), expected, rtol=1e-12)


def test_no_formula_leaves_out_what_comes_through_the_gradient() -> None:
    text = "g = torch.autograd.grad((w*x).prod(), x, create_graph=True)[0]\n(torch.sigmoid(g)*x).sum().backward()"
    report = evaluate_program(text, Settings(), {"x": POINT, "w": [1.0, 2.0, 3.0]})
    assert report["w"].gradient.abs().max() > 0
    assert report["w"].symbolic is not None
    assert report["w"].symbolic.formula is None


def test_what_lies_between_is_not_shown() -> None:
    text = "y = tanh(x); g = torch.autograd.grad(y.sum(), x, create_graph=True)[0]; z = g*g; z.sum().backward()"
    report = evaluate_program(text, Settings(formulas=False), {"x": POINT})
    names = [tensor.name for tensor in report.tensors]
    assert "z" in names
    assert "y" not in names


@pytest.mark.parametrize(
    ("text", "expected", "left_out"),
    [
        ("gx, gb = grad(((x*3 + b)**2).sum(), [x, b], create_graph=True); (gx**2 + gb**2).sum().backward()",
         (9 + 1) * 4 * 2 * 3 * (3 * POINT + 1), "gb"),
        ("gx, gb = grad(((x + b)**3).sum(), [x, b], create_graph=True); (gx*gb).sum().backward()",
         2 * 3 * 6 * (POINT + 1) ** 3, "gb"),
        ("v = x*2; g, = grad(x + b, [x], v, create_graph=True); (g**2 + v**3).sum().backward()",
         8 * POINT + 24 * POINT**2, "g"),
        ("h = exp(x); gx, gh = grad((h*b).sum(), [x, h], create_graph=True); (gx**2 + h*gh).sum().backward()",
         2 * (2 * POINT).exp() + POINT.exp(), "h"),
    ],
)  # fmt: skip
def test_what_other_gradients_are_made_of_is_not_shown(text: str, expected: torch.Tensor, left_out: str) -> None:
    report = evaluate_program(text.replace("grad(", "torch.autograd.grad("), Settings(), {"x": POINT, "b": [1.0] * 3})
    assert report.verdict is Verdict.MATCH
    assert torch.allclose(report["x"].gradient, expected, rtol=1e-12)
    assert left_out not in {tensor.name for tensor in report.tensors}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("g = torch.autograd.grad(x, x, create_graph=True)[0]; g.sum().backward()", "grad can be implicitly created"),
        ("g = torch.autograd.grad(2., x, create_graph=True)[0]; g.sum().backward()", "only tensors"),
        ("y = w*1; g = torch.autograd.grad(y, x, create_graph=True)[0]; (x*g).sum().backward()", "not have been used"),
    ],
)
def test_what_pytorch_refuses_is_refused(text: str, message: str) -> None:
    with pytest.raises(GradcliError, match=message):
        evaluate_program(text, Settings(formulas=False), {"x": POINT})
