"""The chain rule as `trace` shows it, against what PyTorch's own nodes pass on and against torch.autograd.grad."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
import torch
from torch import Tensor

from gradcli.engine import evaluate_program
from gradcli.render import FORMATS
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.report.schema import report_schema
from gradcli.report.trace import Contribution, TraceDetails, TraceStep
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

X = [[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]]
B = [0.5, -2.0, 1.5]
PROGRAMS = {
    "x=a+c; y=c*d; x+y": {},
    "(X * b).sum()": {"X": X, "b": B},
    "mean((X @ b - 1)**2)": {"X": X, "b": B},
    "tanh(X @ X.T + c).sum()": {"X": X, "c": [[0.5], [1.0]]},
    "softmax(X, dim=-1)[0, 1] + X.exp().sum()": {"X": X},
    "s, i = sort(b); (s * silu(b)).sum()": {"b": B},
    "p, q = chunk(X, 2); (p * q * q).sum()": {"X": X},
    "where(b > 0, b, exp(b)).prod()": {"b": B},
    "stack((b, b + 1)).var()": {"b": B},
}


def trace(program: str, **settings: Any) -> Report:
    return evaluate_program(program, Settings(command="trace", **settings))


def steps(report: Report) -> tuple[TraceStep, ...]:
    assert isinstance(report.details, TraceDetails)
    return report.details.trace


def contributions(report: Report) -> dict[str, list[Contribution]]:
    found: dict[str, list[Contribution]] = {}
    for step in steps(report):
        for operand in step.operands:
            found.setdefault(operand.name, []).append(operand)
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_contributions_add_up_to_the_gradient_of_every_tensor(program: str) -> None:
    report = trace(program, values=PROGRAMS[program])
    found = contributions(report)
    assert report.verdict is Verdict.MATCH
    assert found
    for name, parts in found.items():
        total = torch.stack([part.contribution for part in parts]).sum(0)
        torch.testing.assert_close(total, report[name].gradient, rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(parts[-1].total, report[name].gradient, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("program", PROGRAMS)
def test_upstream_times_factor_summed_is_the_contribution(program: str) -> None:
    for step in steps(trace(program, values=PROGRAMS[program])):
        for operand in step.operands:
            if operand.factor is not None:
                product = step.results[0].gradient * operand.factor
                summed = product.sum_to_size(operand.shape)
                torch.testing.assert_close(summed, operand.contribution, rtol=1e-13, atol=1e-13)
                lengths = [length for axis, length in enumerate(product.shape) if axis not in operand.summed_axes]
                assert torch.Size(lengths).numel() == summed.numel()


def observed(output: Tensor) -> list[list[Tensor | None]]:
    """Return what each of PyTorch's own nodes passes on, in the order in which they run."""
    passed: list[list[Tensor | None]] = []
    waiting, seen = [output.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            if "AccumulateGrad" not in node.name():
                node.register_hook(lambda inputs, _: passed.append(list(inputs)))
            waiting += [following for following, _ in node.next_functions]
    output.backward()
    return passed


def test_contributions_are_what_pytorch_s_nodes_pass_on() -> None:
    a, b, c = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (X, B, 2.0))
    nodes = observed((torch.exp(a * b) / c).sum())
    report = trace("(exp(a * b) / c).sum()", values={"a": X, "b": B, "c": 2.0})
    found = [[operand.contribution for operand in step.operands] for step in steps(report)]
    torch.testing.assert_close(found, nodes, rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    ("program", "operand", "local", "product"),
    [
        ("x=w1+w2; y=w2*w3; x+y", "w2", "w3", "grad(y)*w3"),
        ("y = sin(x); y*2", "x", "cos(x)", "grad(y)*cos(x)"),
        ("y = 1/x; y*2", "x", "-1/x**2", "grad(y)*(-1/x**2)"),
        ("y = x*x; y*2", "x", "2*x", "grad(y)*2*x"),
        ("y = x - 3; y*2", "x", "1", "grad(y)"),
        ("y = A @ V; sum(y*y)", "A", None, "grad(y) @ V.T"),
        ("y = A * v; sum(y*y)", "v", None, "sum(A*grad(y), dim=0)"),
    ],
)
def test_local_derivatives_are_formulas(program: str, operand: str, local: str | None, product: str) -> None:
    shapes = {"A": (2, 3), "V": (3, 2), "v": (3,)}
    found = contributions(trace(program, shapes={name: shapes[name] for name in shapes if name in program}))[operand]
    assert (found[0].local, found[0].product) == (local, product)


def test_broadcast_axes_are_named() -> None:
    shapes = {"X": (4, 2, 3), "b": (2, 1), "A": (3, 5)}
    found = contributions(trace("((X * b) @ A).sum()", shapes=shapes))
    assert {name: part.summed_axes for name, (part,) in found.items() if part.summed_axes} == {"b": (0, 2), "A": (0,)}


def test_batch_axes_of_a_matrix_product_with_a_sum_are_named() -> None:
    shapes = {"C": (1, 2, 4), "A": (5, 2, 3), "B": (5, 3, 4)}
    found = contributions(trace("baddbmm(C, A, B).sum()", shapes=shapes))
    assert {name: part.summed_axes for name, (part,) in found.items() if part.summed_axes} == {"C": (0,)}


def test_what_no_gradient_passes_is_no_step() -> None:
    report = trace("u = a*a; k = (a > 1)*c; a*k", constants=("c",))
    assert [step.source for step in steps(report)] == ["a*k"]
    assert [operand.name for step in steps(report) for operand in step.operands] == ["a"]


def test_a_leaf_as_the_output_has_no_step() -> None:
    assert steps(trace("w")) == ()


def test_without_verification_there_are_numbers_and_no_formulas() -> None:
    (step,) = steps(trace("a*c", verify=False))
    assert [(operand.local, operand.factor.item()) for operand in step.operands] == [(None, 3.0), (None, 2.0)]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("name", ["table", "plain", "markdown"])
def test_every_layout_shows_every_node(program: str, name: str) -> None:
    report = trace(program, values=PROGRAMS[program])
    text = FORMATS[name].render(report, Style(width=80))
    assert all(f"{number}. " in text for number in range(1, len(steps(report)) + 1))
    assert name == "markdown" or max(map(len, text.splitlines())) <= 80
    jsonschema.validate(json.loads(json.dumps(report.to_dict(), allow_nan=False)), report_schema())


def test_the_sum_of_contributions_is_spelled_out() -> None:
    text = FORMATS["plain"].render(trace("x=w1+w2; y=w2*w3; x+y"), Style(width=80))
    assert re.search(r"w2\s+y, x\s+5 \+ 1 = 6", text)


def test_a_long_program_is_cut_and_says_so() -> None:
    program = "y = x\n" + "y = y*x\n" * 60 + "y"
    text = FORMATS["plain"].render(trace(program, values={"x": 1.01}), Style(width=80))
    assert "32 more nodes left out" in text
    assert "60. " in text
