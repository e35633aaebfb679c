"""Jacobians and Hessians of programs that compute with a gradient of their own, by hand."""

from __future__ import annotations

import torch

from gradcli.engine import evaluate_program
from gradcli.report.verdict import Verdict
from gradcli.settings import Command, Settings

PENALTY = "y = (x**3).sum(); g, = torch.autograd.grad(y, x, create_graph=True); z = (g**2).sum(); z.backward()"
X = torch.tensor([1.5, 2.0], dtype=torch.float64)


def test_a_program_s_own_gradient_is_differentiated_in_its_own_graph() -> None:
    found = []
    commands: tuple[Command, ...] = ("jacobian", "hessian")
    for command in commands:
        report = evaluate_program(PENALTY, Settings(command=command, values={"x": X.tolist()}))
        assert report.verdict is Verdict.MATCH
        found.append(report.to_dict())
    jacobian = next(one for one in found[0]["tensors"] if one["name"] == "x")["jacobian"]
    torch.testing.assert_close(torch.tensor(jacobian, dtype=torch.float64), 36 * X**3)  # of the sum of (3x²)²
    hessian = torch.tensor(found[1]["hessian"]["x"]["x"], dtype=torch.float64)
    torch.testing.assert_close(hessian, torch.diag(108 * X**2))
