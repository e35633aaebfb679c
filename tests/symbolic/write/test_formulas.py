"""Formulas: the texts that are promised, and that every text says what autograd says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import pytest
from running import RANDOM, Run

from gradcli.derivation.formulas import formulas_to_data
from gradcli.execution.formulas.chain_rule import chain_rule
from gradcli.ops.record import Kind, Op
from gradcli.ops.table import OPS
from gradcli.symbolic.write.formulas import formulas
from gradcli.symbolic.write.time_limit import OutOfTimeError, time_limit

# PyTorch's own derivative multiplies by 1/6 rounded to float32; frexp's integers overflow in a power of 2.
INACCURATE = {"hardsigmoid", "hardswish", "frexp"}
EXAMPLES = [op.examples[0] for op in OPS if op.kind is not Kind.CONSTANT and op.examples and op.name not in INACCURATE]

TEXTS = [
    ("mean(w1 + w2 + w2*w3) | w1=2x2 w2=2x2 w3=2x2", {"w1": "1/4", "w2": "w3/4 + 1/4", "w3": "w2/4"}),
    ("trace(A @ X) | A=2x3 X=3x2", {"A": "X.T", "X": "A.T"}),
    ("trace(A @ X.T) | A=2x3 X=2x3", {"A": "X", "X": "A"}),
    ("trace(A) | A=3x3", {"A": "eye(3)"}),
    ("trace(A)*x | A=3x3 x=1", {"x": "trace(A)"}),
    ("mean(X @ W + b) | X=2x3 W=3x2 b=2", {"X": "sum(W, dim=1)/4", "W": "sum(X, dim=0)[:, None]/4", "b": "1/2"}),
    ("x @ A @ x | x=3 A=3x3", {"x": "x @ A + A @ x", "A": "x[:, None]*x"}),
    ("sum((A @ B)**2) | A=2x3 B=3x2", {"A": "2*A @ B @ B.T", "B": "2*A.T @ (A @ B)"}),
    ("log(sigmoid(x)).sum() | x=3", {"x": "sigmoid(-x)"}),
    ("logaddexp2(x, y).sum() | x=3 y=3", {"x": "sigmoid(log(2)*(x - y))", "y": "sigmoid(log(2)*(y - x))"}),
    ("sigmoid(x).sum() | x=3", {"x": "(1 - sigmoid(x))*sigmoid(x)"}),
    ("tanh(x).sum() | x=3", {"x": "1 - tanh(x)**2"}),
    ("relu(x).sum() | x=3", {"x": "where(x > 0, 1, 0)"}),
    ("abs(x).sum() | x=3", {"x": "sign(x)"}),
    ("where(x > 0, x**2, -x).sum() | x=3", {"x": "where(x > 0, 2*x, -1)"}),
    ("clamp(x, -0.5, 0.5).sum() | x=3", {"x": "where(logical_or(x > 1/2, x < -1/2), 0, 1)"}),
    ("logsumexp(x, dim=0) | x=4", {"x": "softmax(x, dim=-1)"}),
    ("var(X, dim=0).sum() | X=2x3", {"X": "2*X - sum(X, dim=0)"}),
    ("F.layer_norm(x, (4,)).sum() | x=3x4", {"x": "0"}),
    ("cumsum(x, dim=0).sum() | x=4", {"x": "[p]: 4 - p"}),
    ("sum(x[1:]*y) | x=4 y=3", {"x": "[p]: y[p - 1] if p >= 1 else 0", "y": "x[1:]"}),
    ("X[0, 1:] @ X[1:, 2] | X=3x3", {"X[0, 1:]": "X[1:, 2]"}),
    ("x*pi*y", {"x": "pi*y"}),
    ("I*E + S*N | I=scalar E=scalar S=scalar N=scalar", {"I": "E", "E": "I", "S": "N"}),
    ("y = x*2; y = y*y; y.sum() | x=2", {"x": "8*x", "y": "4*x", "y (2)": "1"}),
    ("0.3*x + x/3", {"x": "19/30"}),
    ("detach(x)*x", {"x": "detach(x)"}),
    ("x + 0*w", {"w": "0"}),
]

PROGRAMS = [
    "w1 + w2 + w2*w3 | w1=2x2 w2=2x2 w3=2x2",
    "X @ W + b | X=2x3 W=3x2 b=2",
    "tanh(X @ W) @ v | X=2x3 W=3x4 v=4",
    "softmax(Q @ K.T/2, dim=-1) @ V | Q=2x3 K=4x3 V=4x2",
    "A @ B @ C | A=2x3 B=3x4 C=4x2",
    "(A @ B).T @ C | A=2x3 B=3x4 C=2x5",
    "x @ A @ y | x=2 A=2x3 y=3",
    "A*B.T + c | A=2x3 B=3x2 c=2x1",
    "x.T @ x | x=2x3",
    "log_softmax(x, dim=0)[1] | x=3",
    "F.layer_norm(x, (4,)) | x=3x4",
    "x[::2].sum() + x[1]*y | x=5 y=1",
    "X[:, 1::2] | X=2x5",
    "X[None, :, 0] * y | X=3x2 y=2x3",
    "F.mse_loss(x @ w, y) | x=5x3 w=3 y=5",
    "flip(x, (0,)) @ y | x=3 y=3",
    "flip(x, (1,))[:, :2] | x=2x3",
    "diagonal(x) @ y | x=3x3 y=3",
    "diagonal(x, 1)**2 | x=3x4",
    "std(x)*y | x=2x3 y=2",
    "norm(x, dim=1) | x=2x3",
    "F.cross_entropy(x, softmax(t, dim=-1)) | x=2x3 t=2x3",
    "exp(x)/sum(exp(x)) | x=4",
    "sum(exp(x), dim=1) | x=2x3",
    'einsum("bij,bjk->bik", a, b) | a=2x2x3 b=2x3x2',
    'einsum("i,ij,j,ik->k", x, A, y, B) | x=2 A=2x3 y=3 B=2x4',
    "maximum(x, y).sum() | x=2x3 y=3",
    "relu(x)*relu(y) | x=3 y=3",
    "cumsum(x*y, dim=0) | x=4x2 y=2",
    "x.unsqueeze(0).expand(3, 2)*y | x=2 y=3x2",
    "x.permute(2, 0, 1) * y | x=2x3x4 y=4x2x3",
    "x.squeeze(1) @ y | x=2x1x3 y=3x2",
    "(x - mean(x, dim=1, keepdim=True))**2 | x=2x3",
    "y = exp(-x**2/2)/(2*pi)**0.5; z = y*log(y); z.sum() | x=3",
    "a, b = chunk(x, 2); a*sigmoid(b) | x=4x2",
    "sum(x, dim=(0, 2))*y | x=2x3x2 y=3",
    "x*x.sum() | x=1x3",
    "x**y + y**x | x=3 y=1",
    "s = sum(x); x/s/s | x=3",
    "amax(x, dim=1) * y | x=2x3 y=2",
]


@pytest.mark.parametrize(("example", "texts"), TEXTS, ids=[example for example, _ in TEXTS])
def test_a_formula_reads_as_promised(example: str, texts: dict[str, str]) -> None:
    found = Run(example).formulas()
    assert {name: found[name] for name in texts} == texts


RUNS = [(example, RANDOM) for example in PROGRAMS] + [
    (example, upstream) for example, _ in TEXTS for upstream in (1.0, -0.5, RANDOM)
]


@pytest.mark.parametrize(("example", "upstream"), RUNS)
def test_a_formula_says_what_autograd_says_on_other_values(example: str, upstream: float | str) -> None:
    run = Run(example, upstream)
    other = Run(example, upstream, seed=5)
    assert run.formulas()
    assert other.wrong(run.formulas()) == []


@pytest.mark.filterwarnings("ignore")  # PyTorch's, of ops that it calls deprecated
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_formulas_of_an_op_say_what_autograd_says(example: str) -> None:
    run = Run(example, RANDOM)
    other = Run(example, RANDOM, seed=5)
    assert other.wrong(run.formulas(1.0)) == []


def test_every_pointwise_op_with_a_short_definition_has_a_formula() -> None:
    pointwise = [op for op in OPS if op.kind is Kind.POINTWISE and op.examples and _is_short(op)]
    assert [op.name for op in pointwise if not _explains_leaves(op)] == []


def _is_short(op: Op) -> bool:
    """Tell whether an op is not an asymptotic expansion, nor built on one."""
    return len(op.definition) < 300 and "erfcx" not in op.definition


def _explains_leaves(op: Op) -> bool:
    run = Run(op.examples[0], RANDOM)
    if run.decomposition.is_complex:
        return True  # formulas are written of real values
    found = run.formulas()
    return all(leaf.name in found for leaf in run.trace.leaves if leaf.tensor.requires_grad)


def test_where_nothing_leads_to_the_leaves_the_last_step_is_shown() -> None:
    run = Run("y = A @ x; z = inv(y); sum(z**2) | A=2x2 x=2x2")
    found = run.formulas()
    assert found["z"] == "2*inv(y)" or found["z"] == "2*z"
    assert found["A"] == "grad(y) @ x.T"
    assert found["x"] == "A.T @ grad(y)"
    assert "y" not in found
    steps = chain_rule(run.decomposition, run.names)
    assert {run.names[traced]: formula.text for traced, formula in steps.items()}["y"] == "vjp(z, grad(z))"
    assert run.wrong(found) == []


@pytest.mark.parametrize("call", ["sqrt(y)", "log(y)", "1/y", "y**0.5", "digamma(y)", "exp(-1/y)"])
def test_where_sympy_divides_by_zero_the_last_step_is_shown(call: str) -> None:
    """sympy writes x - x as 0, and has no number for what follows."""
    found = Run(f"y = x - x; z = {call}; (z*0).sum() | x=2").formulas()
    assert found["y"].startswith(("grad(", "-grad("))
    assert not [text for text in found.values() if "nan" in text or "zoo" in text]


@pytest.mark.parametrize(("program", "formula"), [("erfinv(x/x)*w", "inf"), ("3*erfinv(x/x)*w*v", "inf*v")])
def test_an_infinite_factor_is_written_as_one(program: str, formula: str) -> None:
    assert Run(f"{program} | x=scalar w=scalar v=scalar").formulas()["w"] == formula


def test_latex_is_written_beside_the_text() -> None:
    run = Run("sum(w_1*exp(A @ x)/2) | A=2x3 x=3 w_1=2")
    assert run.request is not None
    found = formulas(replace(run.request, seconds=60.0))
    assert found["w_1"].latex == r"\frac{\exp\left(A x\right)}{2}"
    assert (
        found["A"].latex == r"\frac{w_{1}\mathrm{[:,\ None]} \cdot x \cdot \exp\left(A x\right)\mathrm{[:,\ None]}}{2}"
    )


def test_the_same_formulas_in_every_process() -> None:
    requests = [run.request for run in (Run(example, RANDOM) for example in PROGRAMS[::8]) if run.request is not None]
    requests = [replace(request, seconds=60.0) for request in requests]
    assert len(requests) == len(PROGRAMS[::8])
    code = (
        "import json, sys; from gradcli.derivation.formulas import FormulaRequest, formulas_to_data;"
        "from gradcli.symbolic.write.formulas import formulas;"
        "requests = [FormulaRequest.from_data(data) for data in json.load(sys.stdin)];"
        "json.dump([formulas_to_data(formulas(request)) for request in requests], sys.stdout)"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps([request.to_data() for request in requests]),
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(answers) == 1
    assert answers == {json.dumps([formulas_to_data(formulas(request)) for request in requests])}


def test_what_is_found_in_time_is_kept_and_the_rest_left_out() -> None:
    request = Run("F.cosine_similarity(tanh(x @ w), y, dim=1) | x=2x3 w=3x3 y=2x3").request
    assert request is not None
    found = formulas(replace(request, seconds=0.05))
    assert len(found) < len(request.wanted)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert Run("x*x").formulas() == {"x": "2*x", "x*x": "1"}


def long_work() -> None:
    """Work far longer than any limit here, and catch every error on the way."""
    for _ in range(10**8):
        with suppress(Exception):
            raise ValueError


def test_the_time_limit_ends_what_catches_every_error() -> None:
    with pytest.raises(OutOfTimeError), time_limit(0.01):
        long_work()


def test_the_time_limit_comes_again_if_it_was_caught_once() -> None:
    def work() -> None:
        with suppress(BaseException):  # sympy has such places
            long_work()
        long_work()

    with pytest.raises(OutOfTimeError), time_limit(0.01):
        work()


def test_a_time_limit_that_strikes_where_no_error_can_leave_comes_again_without_a_word() -> None:
    class Slow:
        def __del__(self) -> None:
            long_work()

    def work() -> None:
        Slow()
        long_work()

    with pytest.raises(OutOfTimeError), time_limit(0.01):
        work()


def test_a_long_formula_is_none() -> None:
    run = Run("y = x\nfor i in range(6):\n    y = sin(y)*y + y\ny.sum() | x=2")
    assert all(len(formula) <= 300 for formula in run.formulas().values())
