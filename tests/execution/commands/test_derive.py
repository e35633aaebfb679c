"""Derivations: published formulas, code that says what autograd says, and nothing shown that was not compared."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
import torch
from latex_values import check_latex

import gradcli
from gradcli.engine import derive_program
from gradcli.errors import ExitCode, GradcliError, NotSupportedError
from gradcli.execution.commands import derive as command
from gradcli.execution.formulas import checks, derivation_steps, for_lengths
from gradcli.execution.formulas.closed import closed_forms
from gradcli.execution.reference import decomposition
from gradcli.report.schema import derivation_schema
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

X, W, A = {"X": (4, 3)}, {"W": (3, 2)}, {"A": (3, 3)}
# By hand.
FORMULAS = [
    ("trace(A @ X)", {"A": (2, 3), "X": (3, 2)}, "X", 1, "A.T"),
    ("x @ A @ x", {"x": (3,), **A}, "x", 2, "A + A.T"),
    ("x @ inv(A) @ x", {"x": (3,), **A}, "x", 2, "inv(A) + inv(A).T"),
    ("logdet(A)", A, "A", 2, "-(inv(A)[:, :, None, None]*inv(A).T).permute(2, 0, 1, 3)"),
    ("sum(x**3)", {"x": (3,)}, "x", 2, "6*diag(x)"),
    ("sum(log(x))", {"x": (3,)}, "x", 2, "-diag(1/x**2)"),
    ("sum(abs(A @ x))", {**A, "x": (3,)}, "x", 2, "0"),
    ("sum(abs(x)**3)", {"x": (3,)}, "x", 2, "6*diag(abs(x))"),
    ("sum(x*relu(x))", {"x": (3,)}, "x", 2, "diag(where(x > 0, 2, 0))"),
    ("log(sum(exp(x)))", {"x": (3,)}, "x", 2, "softmax(x, dim=-1)[:, None]*(eye(3) - softmax(x, dim=-1))"),
    ("sum(sigmoid(x))", {"x": (3,)}, "x", 2, "diag((1 - sigmoid(x))*(1 - 2*sigmoid(x))*sigmoid(x))"),
    (
        "sum(log(1 + exp(-y*(X @ w))))",
        {**X, "w": (3,), "y": (4,)},
        "w",
        2,
        "((1 - sigmoid(y*(X @ w)))*sigmoid(y*(X @ w))*y**2*X.T) @ X",
    ),
    ("x @ A @ y", {"x": (2,), "A": (2, 3), "y": (3,)}, "x,y", 2, "A"),
    ("mean(w1+w2+w2*w3)", {"w1": (2, 2), "w2": (2, 2), "w3": (2, 2)}, "w2", 1, "w3/4 + 1/4"),
    ("X @ W", {**X, **W}, "W", 1, "X.T @ g"),
    ("log(w)*v", {}, "w", 1, "v/w"),
    ("g*x + sum(x)", {"x": (2,), "g": (2,)}, "x", 1, "g*grad_output + sum(grad_output)"),
    ("prod(x)", {"x": (3,)}, "x", 1, "prod(x)/x"),
    ("F.smooth_l1_loss(x, y)", {"x": (3,), "y": (3,)}, "x", 1, "clamp(x - y, -1, 1)/3"),
    ("F.gaussian_nll_loss(m, y, v)", dict.fromkeys("myv", (3,)), "m", 1, "(m - y)/(3*clamp_min(v, 1e-06))"),
    ("F.soft_margin_loss(x, y)", {"x": (3,), "y": (3,)}, "x", 1, "-y*sigmoid(-x*y)/3"),
    ("sum(clamp(x, -1, 1)*y)", {"x": (3,), "y": (3,)}, "x", 1, "where(abs(x) > 1, 0, y)"),
    ("where((x > 0) | (x < -1), x, 0)", {"x": (3,)}, "x", 1, "where(logical_or(x > 0, x < -1), g, 0)"),
    ("log(prod(X))", X, "X", 1, "1/X"),
    ("prod(X, dim=1)", X, "X", 1, "(prod(X, dim=1)*g)[:, None]/X"),
    ("cumsum(x, dim=0)", {"x": (4,)}, "x", 1, "[p]: sum(g[i] for i in range(p, 4))"),
    ("norm(x, p=1)*x", {"x": (3,)}, "x", 1, "sign(x)*(x @ g) + g*sum(abs(x))"),
    ("triu(A)", A, "A", 1, "triu(g)"),
    ("tril(A, -1)*B", {"A": (2, 3, 4), "B": (2, 3, 4)}, "A", 1, "tril(B*g, -1)"),
    ("triu(tril(A, 1), -1) @ x", {"A": (4, 4), "x": (4,)}, "A", 1, "triu(tril(outer(g, x), 1), -1)"),
    ("x @ triu(A, 1) @ y", {"x": (3,), "y": (3,), **A}, "x", 1, "triu(A, 1) @ y"),
    ("sum(tril(A)**2)", A, "A", 1, "2*tril(A)"),
    ("sum(tril(A, 1))", A, "A", 1, "[p, q]: 1 if q <= p + 1 else 0"),
    ("sum(triu(A)**2)", A, "A", 2, "[p, q, r, s]: 2 if p <= q and p == r and q == s else 0"),
    ("sum(tril(A, 40))", {"A": (50, 50)}, "A", 1, "[p, q]: 1 if q <= p + 40 else 0"),
    ("frac(x*y)*x", {"x": (3,), "y": (3,)}, "x", 1, "g*(2*x*y - trunc(x*y))"),
    ("fmod(x, y)", {"x": (3,), "y": (3,)}, "y", 1, "-trunc(x/y)*g"),
    ("remainder(x, y)", {"x": (3,), "y": (3,)}, "y", 1, "-g*floor(x/y)"),
    ("sum(fmod(x, y)**2)", {"x": (3,), "y": (3,)}, "y", 2, "2*diag(trunc(x/y)**2)"),
    ("cov(x)", {"x": (5,)}, "x", 1, "(x - mean(x))/2"),
    ("sinc(x).sum()", {"x": (3,)}, "x", 1, "(cos(pi*x) - sin(pi*x)/(pi*x))/x"),
    (
        "sum(where(abs(x - y) < 1, 0.5*(x - y)**2, abs(x - y) - 0.5))",
        {"x": (3,), "y": (3,)},
        "x",
        1,
        "clamp(x - y, -1, 1)",
    ),
    ("sum(maximum(c*(y - x), (c - 1)*(y - x)))", {"x": (3,), "y": (3,), "c": ()}, "x", 1, "where(y > x, -c, 1 - c)"),
    ("-logsigmoid(x - y).sum()", {"x": (3,), "y": (3,)}, "x", 1, "-sigmoid(y - x)"),
    ("norm(X, dim=1).sum()", X, "X", 1, "X/norm(X, dim=1)[:, None]"),
    (
        "cross_entropy(X @ Y.T/t, arange(4))",
        {**X, "Y": (4, 3), "t": ()},
        "X",
        1,
        "(softmax(X @ Y.T/t, dim=-1) - eye(4)) @ Y/(4*t)",
    ),
]


@pytest.mark.parametrize(("program", "inputs", "wrt", "order", "formula"), FORMULAS)
def test_a_formula_is_as_published(program: str, inputs: Any, wrt: str, order: int, formula: str) -> None:
    found = gradcli.derive(program, inputs, wrt=wrt.split(","), order=order)[wrt]
    assert (found.formula, found.checked.verdict, found.order) == (formula, Verdict.MATCH, order)


# As papers and textbooks have them: the upstream gradient is g, and the labels of one_hot have 5 classes.
LABELS = torch.tensor([0, 2, 1, 4])
KNOWN = [
    ("F.cross_entropy(z, y)", {"z": (4, 5), "y": LABELS}, "z", "(softmax(z, dim=-1) - one_hot(y, 5))/4"),
    (
        "F.cross_entropy(X @ W, y)",
        {"X": (4, 3), "W": (3, 5), "y": LABELS},
        "W",
        "X.T @ (softmax(X @ W, dim=-1) - one_hot(y, 5))/4",
    ),
    (
        "F.cross_entropy(z, tensor([0, 2, 1, 4]))",
        {"z": (4, 5)},
        "z",
        "(softmax(z, dim=-1) - one_hot(tensor([0, 2, 1, 4]), 5))/4",
    ),
    ("X[tensor([0, 3, 1])] @ w", {"X": (4, 3), "w": (3,)}, "w", "g @ X[tensor([0, 3, 1])]"),
    ("X[1:3, ::2] @ w", {"X": (4, 3), "w": (2,)}, "w", "g @ X[1:3, ::2]"),
    (
        "F.nll_loss(log_softmax(z, dim=1), y, reduction='sum')",
        {"z": (4, 5), "y": LABELS},
        "z",
        "softmax(z, dim=-1) - one_hot(y, 5)",
    ),
    (
        "F.binary_cross_entropy_with_logits(X @ w, y)",
        {"X": (4, 3), "w": (3,), "y": (4,)},
        "w",
        "(sigmoid(X @ w) - y) @ X/4",
    ),
    (
        "sum((X @ w - y)**2) + c*sum(w**2)",
        {"X": (4, 3), "w": (3,), "y": (4,), "c": ()},
        "w",
        "2*((X @ w - y) @ X + c*w)",
    ),
    ("F.embedding(y, w)", {"y": LABELS, "w": (5, 2)}, "w", "one_hot(y, 5).T @ g"),
    (
        "F.scaled_dot_product_attention(Q, K, V)",
        {"Q": (3, 4), "K": (5, 4), "V": (5, 2)},
        "V",
        "softmax(Q @ K.T/2, dim=-1).T @ g",
    ),
    (
        "F.scaled_dot_product_attention(Q, K, V)",
        {"Q": (2, 3, 12), "K": (2, 5, 12), "V": (2, 5, 2)},
        "V",
        "einsum('ijk,ijl->ikl', softmax(einsum('ijk,ilk->ijl', Q, K)/(2*sqrt(3)), dim=-1), g)",
    ),
    ("0.7071067811865476*x**2 + 1.23456789e-3*x*y", {"x": (3,), "y": (3,)}, "x", "g*(sqrt(2)*x + 0.00123456789*y)"),
    ("torch.special.i0e(x)", {"x": (3,)}, "x", "g*(special.i1e(x) - special.i0e(x)*sign(x))"),
    (
        "sum(relu(norm(a - p, dim=1) - c))",
        {"a": (3, 4), "p": (3, 4), "c": ()},
        "p",
        "where((c - norm(a - p, dim=1) < 0)[:, None], (p - a)/norm(a - p, dim=1)[:, None], 0)",
    ),
    ("trace(inv(A + c*eye(3)))", {**A, "c": ()}, "c", "-trace(inv(c*eye(3) + A) @ inv(c*eye(3) + A))"),
    (
        "norm(tanh(A @ x) - y)**2/2",
        {**A, "x": (3,), "y": (3,)},
        "A",
        "outer((1 - tanh(A @ x)**2)*(tanh(A @ x) - y), x)",
    ),
    ("sum(kron(A, B)**2)", {**A, "B": (2, 4)}, "B", "2*sum(A**2)*B"),
    ("F.mse_loss(x, y)", {"x": (3, 2), "y": (3, 2)}, "x", "(x - y)/3"),
    ("sigmoid(a @ x)", {"a": (3,), "x": (3,)}, "x", "a*(1 - sigmoid(a @ x))*sigmoid(a @ x)"),
    ("sum(log(1 + exp(A @ x)))", {**A, "x": (3,)}, "x", "sigmoid(A @ x) @ A"),
    ("sum(log(1 + exp(x**2)))", {"x": (3,)}, "x", "2*x*sigmoid(x**2)"),
    ("1/(1 + exp(x))", {"x": (3,)}, "x", "g*(sigmoid(x) - 1)*sigmoid(x)"),
    (
        "F.cross_entropy(X + b, y)",
        {**X, "b": (3,), "y": [0, 2, 1, 1]},
        "b",
        "mean(softmax(X + b, dim=-1) - one_hot(y, 3), dim=0)",
    ),
    (
        "-sum(Y*log(softmax(X @ W, dim=1)))",
        {**X, **W, "Y": (4, 2)},
        "W",
        "X.T @ (softmax(X @ W, dim=-1)*sum(Y, dim=1)[:, None] - Y)",
    ),
    (
        "-sum(softmax(x, dim=0)*log_softmax(x, dim=0))",
        {"x": (3,)},
        "x",
        "softmax(x, dim=-1)*(softmax(x, dim=-1) @ x - x)",
    ),
    ("sum(relu(y - X @ w)**2)", {**X, "w": (3,), "y": (4,)}, "w", "-2*relu(y - X @ w) @ X"),
    ("sum(abs(x)**3)", {"x": (3,)}, "x", "3*x*abs(x)"),
    ("logdet(c*A)", {**A, "c": ()}, "A", "inv(A).T"),
    ("logdet(c*eye(3))", {"c": ()}, "c", "3/c"),
    ("y @ inv(diag(x)) @ y", {"x": (3,), "y": (3,)}, "x", "-(y/x)**2"),
    ("trace(A @ inv(diag(x)))", {**A, "x": (3,)}, "x", "-diagonal(A)/x**2"),
    ("(X @ w - y) @ diag(v) @ (X @ w - y)", {**X, "w": (3,), "y": (4,), "v": (4,)}, "w", "2*(v*(X @ w - y)) @ X"),
    (
        "exp(-torch.cdist(X, W)**2/2)",
        {**X, "W": (5, 3)},
        "X",
        "(g*{0}) @ W - X*sum(g*{0}, dim=1)[:, None]".format("exp(-sum((X[:, None, :] - W)**2, dim=2)/2)"),
    ),
    (
        "sum(A*sum((X[:, None] - W[None])**2, dim=-1))",
        {**X, "W": (2, 3), "A": (4, 2)},
        "W",
        "2*(W*sum(A, dim=0)[:, None] - A.T @ X)",
    ),
    ("sum(1/sqrt(X))", {**X}, "X", "-1/(2*X**(3/2))"),
    ("sum(log(cosh(x - y)))", {"x": (3,), "y": (3,)}, "x", "tanh(x - y)"),
    ("F.cosine_similarity(x, y, dim=0)", {"x": (3,), "y": (3,)}, "x", "(y - x*(x @ y)/(x @ x))/(norm(x)*norm(y))"),
    (
        "-0.5*(x - m) @ inv(S) @ (x - m)",
        {"x": (3,), "m": (3,), "S": (3, 3)},
        "x",
        "-(inv(S) + inv(S).T) @ (x - m)/2",
    ),
    (
        "relu(norm(a - p)**2 - norm(a - n)**2 + 1)",
        {"a": (3,), "p": (3,), "n": (3,)},
        "n",
        "2*where((a - p) @ (a - p) - (a - n) @ (a - n) > -1, a - n, 0)",
    ),
    ("X.reshape(12) * y", {**X, "y": (12,)}, "X", "reshape(y*g, (4, 3))"),
    ("cat((x, y), dim=1) @ W", {"x": (2, 3), "y": (2, 2), "W": (5, 2)}, "y", "g @ W[3:].T"),
    ("F.pad(x, (1, 2))*y", {"x": (2, 3), "y": (2, 6)}, "x", "y[:, 1:4]*g[:, 1:4]"),
    ("diag(x) @ A", {"x": (3,), **A}, "x", "sum(A*g, dim=1)"),
    ("flatten(X @ W, 0, 1) @ v", {**X, **W, "v": (8,)}, "W", "X.T @ reshape(v, (4, 2))"),
    ("torch.linalg.solve(A, b)", {**A, "b": (3,)}, "b", "g @ inv(A)"),
    (
        "-mean(y*log(sigmoid(X @ w)) + (1-y)*log(1-sigmoid(X @ w)))",
        {"X": ("n", "d"), "w": ("d",), "y": ("n",)},
        "w",
        "(sigmoid(X @ w) - y) @ X/n",
    ),
    (
        "sum((X @ w - y)**2) + c*(w @ w)",
        {"X": ("n", "d"), "w": ("d",), "y": ("n",), "c": ()},
        "w",
        "2*((X @ w - y) @ X + c*w)",
    ),
    (
        "relu(norm(a - p) - norm(a - n) + 1)",
        {"a": (3,), "p": (3,), "n": (3,)},
        "p",
        "where(norm(a - p) - norm(a - n) > -1, (p - a)/norm(a - p), 0)",
    ),
    (
        "-sum((x - m)**2)/(2*s**2) - x.shape[0]*log(s)",
        {"x": ("n",), "m": (), "s": ()},
        "s",
        "(x - m) @ (x - m)/s**3 - n/s",
    ),
    ("x/sqrt(mean(x**2))", {"x": ("n",)}, "x", "sqrt(n)*(g - x*(x @ g)/(x @ x))/norm(x)"),
    (
        "(F.silu(X @ W)*(X @ V)) @ U",
        {"X": ("n", "d"), "W": ("d", "h"), "V": ("d", "h"), "U": ("h", "d")},
        "U",
        "(sigmoid(X @ W)*(X @ W)*(X @ V)).T @ g",
    ),
    (
        "softmax(Q @ K.T/sqrt(d), dim=-1) @ V",
        {"Q": ("n", "k"), "K": ("m", "k"), "V": ("m", "v"), "d": ()},
        "V",
        "softmax(Q @ K.T/sqrt(d), dim=-1).T @ g",
    ),
    (
        "mean(relu(1 - y*(X @ w)))",
        {"X": ("n", "d"), "w": ("d",), "y": ("n",)},
        "w",
        "-where(y*(X @ w) < 1, y, 0) @ X/n",
    ),
    (
        "norm(relu(X @ W) @ V - Y)**2",
        {"X": (4, 3), "W": (3, 5), "V": (5, 2), "Y": (4, 2)},
        "W",
        "2*X.T @ where(X @ W > 0, (relu(X @ W) @ V - Y) @ V.T, 0)",
    ),
    (
        "norm(tanh(X @ W) @ V - Y)**2",
        {"X": (4, 3), "W": (3, 5), "V": (5, 2), "Y": (4, 2)},
        "V",
        "2*tanh(X @ W).T @ (tanh(X @ W) @ V - Y)",
    ),
    ("norm(w)**2/2 + sum(relu(w))", {"w": ("n",)}, "w", "w + where(w > 0, 1, 0)"),
    (
        "sum(F.softplus(-y*(X @ w)))",
        {"X": ("n", "d"), "w": ("d",), "y": ("n",)},
        "w",
        "-(y*sigmoid(-y*(X @ w))) @ X",
    ),
    ("F.binary_cross_entropy(sigmoid(z), y)", {"z": ("n",), "y": ("n",)}, "z", "(sigmoid(z) - y)/n"),
    ("F.normalize(x, dim=0)", {"x": (4,)}, "x", "(g - x*(x @ g)/(x @ x))/norm(x)"),
    (
        "F.mse_loss(X @ W + b, Y)",
        {"X": ("n", "d"), "W": ("d", "k"), "b": ("k",), "Y": ("n", "k")},
        "W",
        "2*X.T @ (X @ W + b - Y)/(n*k)",
    ),
    (
        "F.cross_entropy(z, y, label_smoothing=0.1)",
        {"z": (4, 5), "y": LABELS},
        "z",
        "softmax(z, dim=-1)/4 - 9*one_hot(y, 5)/40 - 0.005",
    ),
    ("roll(x, 1, 0)*y", {"x": (4,), "y": (4,)}, "x", "take(y*g, [1, 2, 3, 0])"),
    ("x.repeat(2)", {"x": (2,)}, "x", "summed_into(g, [0, 1, 0, 1], (2,))"),
    ("sin(2*pi*x)", {"x": ()}, "x", "2*pi*cos(2*pi*x)"),
    ("exp(-x**2/2)/math.sqrt(2*pi)", {"x": ()}, "x", "-x*exp(-x**2/2)/sqrt(2*pi)"),
    ("F.gelu(x)", {"x": (3,)}, "x", "g*(sqrt(2/pi)*x*exp(-x**2/2) + erf(x/sqrt(2)) + 1)/2"),
    ("x[0]*x[1]*x[2]", {"x": (3,)}, "x", "[p]: x[1]*x[2] if p == 0 else (x[0]*x[2] if p == 1 else x[0]*x[1])"),
    ("var(x)", {"x": (5,)}, "x", "(x - mean(x))/2"),
    ("F.huber_loss(x, y)", {"x": (3,), "y": (3,)}, "y", "clamp(y - x, -1, 1)/3"),
    ("F.hardtanh(x)", {"x": (3,)}, "x", "where(abs(x) >= 1, 0, g)"),
    ("F.hardswish(x)", {"x": (3,)}, "x", "where(x <= -3, 0, where(x >= 3, g, g*(x/3 + 1/2)))"),
    ("sum(where(v < 1e-6, 0*v, log(v)))", {"v": (3,)}, "v", "where(v < 1e-06, 0, 1/v)"),
    (
        "logsumexp(logsumexp(a[:, None] + T, dim=0) + b, dim=0)",
        {"a": ("k",), "T": ("k", "k"), "b": ("k",)},
        "b",
        "softmax(logsumexp(a[:, None] + T, dim=-2) + b, dim=-1)",
    ),
    ("sum(logsumexp(X, dim=1)**2)/2", {"X": (4, 3)}, "X", "softmax(X, dim=-1)*logsumexp(X, dim=-1)[:, None]"),
    ("-mean(log(sigmoid(b*(p - q))))", {"p": ("n",), "q": ("n",), "b": ()}, "p", "-b*sigmoid(b*(q - p))/n"),
    (
        "mean((tanh(X) @ W + b - Y)**2)",
        {"X": (4, 3), "W": (3, 2), "b": (2,), "Y": (4, 2)},
        "b",
        "mean(tanh(X) @ W + b - Y, dim=0)",
    ),
    ("(m @ w)/sqrt(w @ S @ w)", {"m": ("n",), "w": ("n",), "S": ("n", "n")}, "m", "w/sqrt(w @ S @ w)"),
    (
        "sum((v + 1)/2*log(1 + (y - X @ w)**2/(v*s**2)))",
        {"v": (), "y": ("n",), "X": ("n", "d"), "w": ("d",), "s": ()},
        "w",
        "-((v + 1)*(y - X @ w)/((y - X @ w)**2 + v*s**2)) @ X",
    ),
    ("-sum(y*sigmoid(x)**c)", {"x": ("n",), "y": ("n",), "c": ()}, "x", "c*y*(sigmoid(x) - 1)*sigmoid(x)**c"),
    ("-sum(log(b - A @ x))", {"A": ("m", "n"), "x": ("n",), "b": ("m",)}, "x", "(1/(b - A @ x)) @ A"),
]


CHOLESKY = "L = torch.linalg.cholesky(K); y @ cholesky_solve(y[:, None], L)[:, 0]/2 + sum(log(diag(L)))"


@pytest.mark.parametrize(
    ("program", "shapes", "wrt", "formula"),
    [
        (CHOLESKY, {"y": ("n",), "K": ("n", "n")}, "y", "inv(K) @ y"),
        ("sum(log(diag(torch.linalg.cholesky(K))))", {"K": ("n", "n")}, "K", "inv(K)/2"),
    ],
)
def test_a_gaussian_process_has_the_inverse_of_its_kernel(program: str, shapes: Any, wrt: str, formula: str) -> None:
    found = gradcli.derive(program, shapes, wrt=wrt)
    assert (found.formula, found.verdict) == (formula, Verdict.MATCH)


@pytest.mark.parametrize(("program", "inputs", "wrt", "formula"), KNOWN)
def test_a_gradient_that_everyone_knows_reads_as_they_know_it(
    program: str, inputs: Any, wrt: str, formula: str
) -> None:
    found = gradcli.derive(program, inputs, wrt=wrt)[wrt]
    assert (found.formula, found.checked.verdict) == (formula, Verdict.MATCH)
    check_latex(found.latex)


def test_a_clipped_objective_has_a_formula_by_both() -> None:
    found = gradcli.derive("minimum(r*a, clamp(r, 0.8, 1.2)*a).sum()", {"r": (3,), "a": (3,)})
    assert [one.checked.verdict for one in found.derivatives] == [Verdict.MATCH] * 2
    assert "clamp(r, 0.8, 1.2)" in (found["a"].formula or "")


SHAPED = [
    ("x @ k", {"x": (1, 2), "k": (2, 3)}, "x", "g @ k.T"),
    ("x @ k", {"x": (1, 2), "k": (2, 1)}, "x", "k.T"),
    ("x @ A @ x.T", {"x": (1, 3), **A}, "x", "x @ (A.T + A)"),
    ("sum(A @ x)", {"A": ("n", "m"), "x": ("m",)}, "A", "outer(ones(n), x)"),
    ("x.mean(dim=1)", {"x": (3, 4)}, "x", "outer(g, ones(4))/4"),
    ("x*y", {"x": (1, 3), "y": (2, 3)}, "x", "sum(y*g, dim=0)[None, :]"),
    ("softmax(q @ K.T, dim=-1) @ V", {"q": (1, 4), "K": (3, 4), "V": (3, 2)}, "V", "softmax(q @ K.T, dim=-1).T @ g"),
    ("sum(x*y, dim=1)", {"x": (2, 3, 4), "y": (4,)}, "x", "broadcast_to((y*g)[:, None, :], (2, 3, 4))"),
]


@pytest.mark.parametrize(("program", "inputs", "wrt", "formula"), SHAPED)
def test_a_formula_has_the_shape_of_its_variable(program: str, inputs: Any, wrt: str, formula: str) -> None:
    found = gradcli.derive(program, inputs, wrt=wrt)[wrt]
    assert (found.formula, found.checked.verdict) == (formula, Verdict.MATCH)
    sizes = {"n": 4, "m": 3, "b": 2}
    torch.manual_seed(5)
    space: dict[str, Any] = {**vars(torch), **sizes}
    for name, shape in inputs.items():
        own = tuple(sizes.get(size, size) for size in shape)
        space[name] = torch.randn(own, dtype=torch.float64, requires_grad=True)
    output = eval(program, space)  # noqa: S307 (of this file)
    space["g"] = torch.randn_like(output) if output.numel() > 1 else torch.ones_like(output)
    (expected,) = torch.autograd.grad(output, space[wrt], space["g"])
    value = eval(formula, space)  # noqa: S307 (the formula is what is tested)
    assert value.shape == expected.shape
    assert torch.allclose(value, expected)


def test_a_formula_of_another_shape_is_no_match(monkeypatch: pytest.MonkeyPatch) -> None:
    def unshaped(point: Any, wanted: Any, _: Any, asked: Any, **__: Any) -> Any:
        return closed_forms(point, wanted, asked)

    monkeypatch.setattr(for_lengths, "shown_forms", unshaped)
    assert gradcli.derive("sum(A @ x)", {"A": (2, 3), "x": (3,)}, wrt="A").verdict is Verdict.MISMATCH


@pytest.mark.parametrize(
    ("program", "inputs", "exception"),
    [
        ("norm(x)", {"x": (3,)}, "0 where x @ x == 0"),
        ("norm(x)**2", {"x": (3,)}, None),
        ("norm(A @ x - y)**2", {**A, "x": (3,), "y": (3,)}, None),
        ("norm(x)**2 + norm(x - y)", {"x": (3,), "y": (3,)}, "another value where (x - y) @ (x - y) == 0"),
    ],
)
def test_an_exception_is_one(program: str, inputs: Any, exception: str | None) -> None:
    assert gradcli.derive(program, inputs, wrt="x")["x"].exception == exception


@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        ("-sum(log(b - A @ x))", {"b": (4,), "A": (4, 3), "x": (3,)}),
        ("sqrt(x @ x - 100)", {"x": (3,)}),
        ("sqrt(r**2 - x @ x)", {"x": (4,)}),
    ],
)
def test_a_point_is_found_where_few_have_finite_gradients(program: str, inputs: Any) -> None:
    assert gradcli.derive(program, inputs, wrt="x").verdict is Verdict.MATCH


@pytest.mark.parametrize("program", ["prod(x)", "prod(X, dim=0)"])
@pytest.mark.parametrize("to", ["torch", "numpy"])
def test_a_product_has_a_gradient_at_zeros_too_and_it_is_said(program: str, to: str) -> None:
    given = {"x": [0.0, 2.0, 3.0]} if "x" in program else {"X": [[0.0, 0.0, 5.0], [6.0, 0.0, 0.0]]}
    derivation = gradcli.derive(program, {name: torch.tensor(value).shape for name, value in given.items()})
    space: dict[str, Any] = {}
    exec(derivation.code(to), space)  # noqa: S102 (what is tested)
    (value,) = given.values()
    tensor = torch.tensor(value, dtype=torch.float64)
    arguments = [tensor, torch.ones(3, dtype=torch.float64)][: 1 if tensor.ndim == 1 else 2]
    found = space["gradient"](*(one if to == "torch" else one.numpy() for one in arguments))
    leaf = tensor.requires_grad_()
    (reference,) = torch.autograd.grad(torch.prod(leaf, *range(tensor.ndim - 1)).sum(), leaf)
    assert found.tolist() == reference.tolist()
    assert "a product divided by an entry is that of the other entries where" in str(derivation)


def test_a_number_stands_for_every_entry_and_it_is_said() -> None:
    shown = str(gradcli.derive("mean(x)", {"x": (4,)}))
    assert "a number stands for every entry" in " ".join(shown.split())
    assert "stands for" not in str(gradcli.derive("sum(x**2)", {"x": (4,)}))


STABLE = [
    ("log(exp(x) + exp(y))*x", {"x": (3,), "y": (3,)}, "g*(x*sigmoid(x - y) + logaddexp(x, y))"),
    ("tanh(x)", {"x": (3,)}, "g*(4*sigmoid(2*x)*sigmoid(-2*x))"),
]


@pytest.mark.parametrize(("program", "inputs", "formula"), STABLE)
def test_what_overflows_or_loses_digits_is_rewritten_and_said(program: str, inputs: Any, formula: str) -> None:
    found = gradcli.derive(program, inputs, wrt="x", stable=True)
    one = found["x"]
    assert (one.formula, one.checked.verdict) == (formula, Verdict.MATCH)
    assert one.rewritten
    assert "it is written as" in " ".join(str(found).split())
    space: dict[str, Any] = {}
    exec(found.code("torch"), space)  # noqa: S102 (the code is what is tested)
    leaves = [torch.full(shape, 800.0, dtype=torch.float64) for shape in inputs.values()]
    upstream = [torch.ones(3, dtype=torch.float64)] if formula.startswith("g*") else []
    assert bool(space["gradient"](*leaves, *upstream).isfinite().all())


def test_a_power_of_two_leaves_has_second_derivatives_without_a_pole_at_0() -> None:
    found = gradcli.derive("x**y", {"x": (), "y": ()}, order=2)
    assert found["x"].formula == "y*x**(y - 2)*(y - 1)"
    assert found.verdict is Verdict.MATCH
    space: dict[str, Any] = {}
    exec(gradcli.derive("x**y", {"x": (3,), "y": (3,)}, wrt="x").code("torch"), space)  # noqa: S102 (what is tested)
    zero, y = torch.zeros(3, dtype=torch.float64), torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    assert space["gradient"](zero, y, torch.ones(3, dtype=torch.float64)).tolist() == [1, 0, 0]


def test_powers_of_two_are_exponentials_that_do_not_overflow() -> None:
    found = gradcli.derive("logaddexp2(x, y)", {"x": (3,), "y": (3,)}, wrt="x")
    assert found["x"].formula == "g*sigmoid(log(2)*(x - y))"
    space: dict[str, Any] = {}
    exec(found.code("torch"), space)  # noqa: S102 (the code is what is tested)
    x = torch.full((3,), 2000.0, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([1999.0, 2000.0, 2001.0], dtype=torch.float64)
    (expected,) = torch.autograd.grad(torch.logaddexp2(x, y).sum(), x)
    torch.testing.assert_close(space["gradient"](x, y, torch.ones(3, dtype=torch.float64)), expected)


def test_a_tangent_goes_through_a_condition_on_a_norm() -> None:
    inputs = {"X": (4, 3), "w": (3,), "y": (4,)}
    assert gradcli.derive("norm(relu(X @ w) - y)", inputs, product="jvp").verdict is Verdict.MATCH


def test_nothing_is_rewritten_unless_it_is_asked_for() -> None:
    one = gradcli.derive("tanh(x)", {"x": (3,)})["x"]
    assert (one.formula, one.rewritten) == ("g*(1 - tanh(x)**2)", None)


def test_a_layer_norm_names_its_parts() -> None:
    found = gradcli.derive("F.layer_norm(x, (4,), w)", {"x": (3, 4), "w": (4,)})
    assert found.where.parts == {"s": "x - mean(x, dim=1)[:, None]", "t": "mean(s**2, dim=1) + 1e-05"}
    assert found.where.formulas["w"] == "(1/sqrt(t)) @ (g*s)"
    assert "torch.rsqrt(t) @ (g * s)" in found.code()
    assert "where s = x - mean(x, dim=1)[:, None]" in str(found)
    assert "    s = x - torch.mean(x, dim=1)[:, None]\n" in found.code("torch")


PROGRAMS = [
    ("softmax(X @ W, dim=-1)", {**X, **W}),
    ("log_softmax(X, dim=1)*Y", {**X, "Y": (4, 3)}),
    ("F.layer_norm(X, (3,))", X),
    ("cumsum(x, dim=0)*y", {"x": (4,), "y": (4,)}),
    ("relu(X @ W).sum()", {**X, **W}),
    ("mean((X @ w - y)**2)", {**X, "w": (3,), "y": (4,)}),
    ("x[1:]*y + flip(y, (0,))", {"x": (4,), "y": (3,)}),
    ("torch.outer(x, y)", {"x": (2,), "y": (3,)}),
    ("F.unfold(x, 2)*y", {"x": (1, 1, 3, 3), "y": (1, 4, 4)}),
    ("sum(x*y)", {"x": (1, 3), "y": (2, 1)}),
    ("logsumexp(x, dim=0)", {"x": (4,)}),
    ("detach(x)*x", {"x": (3,)}),
    ("stack([x*2, exp(y)]) * Z", {"x": (3,), "y": (3,), "Z": (2, 3)}),
    ("sin(reshape(X*Y, (2, 6))) @ v", {**X, "Y": (4, 3), "v": (6,)}),
    ("torch.linalg.inv(X.T @ X) @ W", {**X, **W}),
    ("F.scaled_dot_product_attention(q, k, v)", {"q": (2, 3), "k": (4, 3), "v": (4, 2)}),
    ("x/norm(x, dim=1, keepdim=True)", {"x": (2, 3)}),
    ("y = x*2; y = y*y; y.sum()", {"x": (2,)}),
    ("tensor([1.5, 2.5])*x[:2]", {"x": (4,)}),
]


@pytest.mark.parametrize(("program", "inputs"), PROGRAMS)
def test_code_is_the_gradient_at_other_values(program: str, inputs: Any) -> None:
    derivation = gradcli.derive(program, inputs)
    torch.manual_seed(11)
    leaves = {
        name: torch.randn(shape, dtype=torch.float64, requires_grad=True) for name, shape in derivation.leaves.items()
    }
    space: dict[str, Any] = {}
    exec("import torch.nn.functional as F\nfrom torch import *\nimport torch", space)  # noqa: S102 (for the program)
    *before, last = program.split("; ")
    exec("\n".join([*before, f"result = {last}"]), space | leaves, space)  # noqa: S102 (ours)
    output = space["result"]
    upstream = [torch.randn_like(output)] if output.ndim else []
    expected = torch.autograd.grad(output, [*leaves.values()], *upstream)
    written: dict[str, Any] = {}
    exec(derivation.code("torch"), written)  # noqa: S102 (what is tested)
    found = written["gradient"](*leaves.values(), *upstream)
    found = found if isinstance(found, tuple) else (found,)
    for value, reference in zip(found, expected, strict=True):
        assert value.shape == reference.shape
        assert torch.allclose(value, reference, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "program",
    ["sum(exp(A @ x))", "logsumexp(A @ x, dim=0)", "sum(sigmoid(x)*x)", "sum(x)**3/(1 + x @ x)", "sum(relu(x)**2*x)"],
)
def test_a_second_derivative_is_autograds(program: str) -> None:
    derivation = gradcli.derive(program, {"x": (3,), "A": (2, 3)} if "A" in program else {"x": (3,)}, wrt="x", order=2)
    assert derivation["x"].checked.verdict is Verdict.MATCH
    assert derivation["x"].shape == (3, 3)


def test_two_sizes_are_compared_where_the_program_runs_for_both() -> None:
    checked = gradcli.derive("sum(X @ w)", {"X": (4, 3), "w": (3,)}, wrt="w")["w"].checked
    assert checked.shapes == ({"X": (4, 3), "w": (3,)}, {"X": (5, 4), "w": (4,)})
    assert (checked.points, checked.ran, checked.note) == (4, ("torch", "numpy"), None)


def test_a_length_that_the_program_names_stays() -> None:
    checked = gradcli.derive("F.layer_norm(X, (3,))*X", X)["X"].checked
    assert checked.shapes == ({"X": (4, 3)}, {"X": (5, 3)})


def test_the_only_size_is_said() -> None:
    checked = gradcli.derive("X.reshape(12)[:12]*y", {"X": (4, 3), "y": (12,)}, wrt="y")["y"].checked
    assert len(checked.shapes) == 1
    assert checked.note == checks.SAME_SIZES


def test_a_formula_that_autograd_denies_is_a_mismatch(monkeypatch: pytest.MonkeyPatch) -> None:
    true = checks.expected
    monkeypatch.setattr(
        checks, "expected", lambda point, wanted: {one: 2 * value for one, value in true(point, wanted).items()}
    )
    derivation = gradcli.derive("x**2", {"x": (2,)}, grad_output="ones")
    assert (derivation.verdict, derivation.exit_code) == (Verdict.MISMATCH, ExitCode.MISMATCH)
    assert "mismatch: 5.0e-01 from autograd's" in str(derivation)


QKV = {"Q": (4, 3), "K": (4, 3), "V": (4, 2)}
CAUSAL = "softmax(where(tril(ones(4, 4)) > 0, Q @ K.T/sqrt(3), -inf), dim=-1)"
FILLED = "softmax(where(triu(ones(3, 3), 1) > 0, -inf, X), dim=-1)"
ALLOWED = torch.tensor([[True, True, False], [True, False, True]])
MASKED = [
    ("F.scaled_dot_product_attention(Q, K, V, is_causal=True)", QKV, "V", f"{CAUSAL}.T @ g"),
    (
        "F.scaled_dot_product_attention(Q, K, V, is_causal=True)",
        QKV,
        "Q",
        f"({CAUSAL}*(g @ V.T - sum({CAUSAL}*(g @ V.T), dim=1)[:, None])) @ K/sqrt(3)",
    ),
    (
        "softmax(X.masked_fill(ones(3, 3).triu(1) > 0, -inf), dim=-1)",
        {"X": (3, 3)},
        "X",
        f"{FILLED}*(g - sum({FILLED}*g, dim=1)[:, None])",
    ),
    ("x*masked_fill(x, m, 2)", {"x": (2, 3), "m": ALLOWED}, "x", "where(m, 2*g, 2*x*g)"),
    ("where(m, x, -1e30)", {"x": (2, 3), "m": ALLOWED}, "x", "where(m, g, 0)"),
    (
        "logsumexp(where(m, x, -inf), -1).sum()",
        {"x": (2, 3), "m": ALLOWED},
        "x",
        "softmax(where(m, x, -inf), dim=-1)",
    ),
]


@pytest.mark.parametrize(("program", "inputs", "wrt", "formula"), MASKED)
def test_what_is_masked_has_a_formula(program: str, inputs: Any, wrt: str, formula: str) -> None:
    found = gradcli.derive(program, inputs, wrt=wrt)
    assert (found[wrt].formula, found.verdict) == (formula, Verdict.MATCH)
    assert "run as torch and numpy" in " ".join(str(found).split())


def test_a_mask_that_may_leave_a_query_without_a_key_is_said() -> None:
    allowed = torch.rand(4, 4, generator=torch.Generator().manual_seed(0)) > 0.3
    found = gradcli.derive("F.scaled_dot_product_attention(Q, K, V, M)", {**QKV, "M": allowed}, wrt="V")
    assert found.verdict is Verdict.MATCH
    assert found["V"].left_out == ("where a query has no key, attention is 0; the formula and the code leave that out",)
    for more in ("", ", is_causal=True"):  # there each query has one
        found = gradcli.derive(f"F.scaled_dot_product_attention(Q, K, V{more})", QKV, wrt="V")
        assert (found.verdict, found["V"].left_out) == (Verdict.MATCH, None)


def test_large_numbers_are_written_as_decimals() -> None:
    assert gradcli.derive("1e30*x**2").formula == "2e+30*x"


def test_a_symmetric_matrix_that_no_formula_names_is_no_defect() -> None:
    found = gradcli.derive("logdet(linalg.cholesky(K))", {"K": (3, 3)}, symmetric="K")
    assert found.verdict in {Verdict.UNDECIDED, Verdict.MATCH}


def test_a_matrix_within_the_text_of_a_call_is_not_taken_for_its_own_transpose() -> None:
    program = "L = linalg.cholesky(K); a = linalg.solve_triangular(L, y[:, None], upper=False); (a**2).sum()/2"
    for symmetric in ("K", ()):
        found = gradcli.derive(program, {"K": (3, 3), "y": (3,)}, wrt="y", symmetric=symmetric)
        assert found.verdict is Verdict.MATCH


@pytest.mark.parametrize("program", ["x.real", "x*2", "real(x*1j)"])
def test_no_formula_is_no_pass(program: str) -> None:
    derivation = gradcli.derive(program, {"x": torch.tensor([1 + 2j])})
    assert (derivation.verdict, derivation.exit_code) == (Verdict.UNDECIDED, ExitCode.UNDECIDED)
    assert derivation["x"].formula is None
    assert derivation["x"].reason


def test_a_gradient_that_is_finite_nowhere_is_unverified() -> None:
    derivation = gradcli.derive("log(x - x)", {"x": ()})
    assert derivation.verdict is Verdict.UNVERIFIED
    assert command.NOT_FINITE in str(derivation)


@pytest.mark.parametrize("seed", range(4))
def test_the_formula_of_a_branch_is_compared_on_that_branch(seed: int) -> None:
    settings = Settings(command="derive", seed=seed)
    (found,) = derive_program("3*x if x > 0 else -x", settings).derivatives
    assert found.checked.verdict is Verdict.MATCH
    assert found.checked.points == 2
    assert found.formula in {"3", "-1"}


@pytest.mark.parametrize("program", ["rrelu(x, training=True)", "torch.bernoulli(sigmoid(x))*x"])
def test_numbers_that_are_drawn_by_values_are_those_of_the_first_point_at_every_other(program: str) -> None:
    found = gradcli.derive(program, {"x": (4,)})["x"]
    assert (found.checked.verdict, found.checked.points) == (Verdict.MATCH, 4)
    assert "tensor([" in str(found.formula)


def test_values_stay_at_every_point() -> None:
    derivation = gradcli.derive("F.cross_entropy(X, y)", {"X": (2, 3), "y": torch.tensor([0, 2])}, wrt="X")
    assert derivation.leaves["y"] == (2,)


def test_a_given_upstream_gradient_is_in_the_formula() -> None:
    assert gradcli.derive("x**2", {"x": (3,)}, grad_output=3.0).formula == "6*x"
    assert gradcli.derive("x**2", {"x": (3,)}, grad_output=3.0).upstream is None


@pytest.mark.parametrize(
    ("program", "inputs", "wrt", "formula"),
    [
        ("x @ A @ x", {"x": (3,), **A}, "x", "2*A @ x"),
        ("trace(X.T @ A @ X)", {"X": (3, 2), **A}, "X", "2*A @ X"),
        ("trace(A @ B)", {**A, "B": (3, 3)}, "B", "A"),
        ("logdet(A @ A)", A, "A", None),
        ("trace(inv(X.T @ A @ X) @ B)", {**X, "A": (4, 4), "B": (3, 3)}, "B", "inv(X.T @ A @ X)"),
    ],
)
def test_a_symmetric_matrix_has_no_transpose(program: str, inputs: Any, wrt: str, formula: str | None) -> None:
    found = gradcli.derive(program, inputs, wrt=wrt, symmetric="A")[wrt]
    assert found.checked.verdict is Verdict.MATCH
    assert formula is None or found.formula == formula


@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        ("x*2", {"x": (0,)}),
        ("x*y", {"x": (1, 3), "y": (2, 1)}),
        ("x @ y", {"x": (2, 2, 3), "y": (3, 4)}),
        ("for _ in range(3):\n    x = x*2\nx", {"x": (2,)}),
        ("gradient_1*p*i", {"p": (2,), "i": (2,)}),
        ("softmax(s @ t, dim=-1) @ u", {"s": (2, 3), "t": (3, 4), "u": (4, 2)}),
        ("w = torch.ones(2, requires_grad=True)\n(w*x).sum()", {"x": (2,)}),
        ("y = x**2\ny.sum().backward()", {"x": (3,)}),
    ],
)
def test_odd_shapes_names_and_scripts_are_derived(program: str, inputs: Any) -> None:
    derivation = gradcli.derive(program, inputs)
    assert derivation.verdict is Verdict.MATCH
    assert {"torch", "numpy"} <= set(derivation.codes)


def test_only_a_square_matrix_is_symmetric() -> None:
    with pytest.raises(GradcliError, match="'x' has shape 3: it is no square matrix"):
        gradcli.derive("sum(x)", {"x": (3,)}, symmetric="x")
    with pytest.raises(GradcliError, match="'z' is not a leaf"):
        gradcli.derive("sum(x)", {"x": (3,)}, symmetric="z")


def test_a_vector_has_no_second_derivative() -> None:
    with pytest.raises(GradcliError, match="a second derivative is a scalar's"):
        gradcli.derive("x**2", {"x": (3,)}, order=2)


def test_a_notebook_shows_latex() -> None:
    shown = gradcli.derive("trace(A @ X)", {"A": (2, 3), "X": (3, 2)}, wrt="X")
    assert shown._repr_latex_() == r"$$\begin{gathered}A^{\top}\end{gathered}$$"


@pytest.mark.parametrize("program", ["x @ A", "x.real", "cumsum(x, dim=0)"])
def test_its_data_are_what_the_schema_says(program: str) -> None:
    inputs = {"x": torch.tensor([1j, 2, 3])} if ".real" in program else {"x": (3,), "A": (3, 2)}
    inputs = {name: value for name, value in inputs.items() if name in program}
    data = gradcli.derive(program, inputs).to_dict()
    jsonschema.validate(data, derivation_schema())
    assert (data["schema"], data["derivatives"][0]["wrt"]) == ("gradcli.derivation/1", "x")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**data, "verdict": "fine"}, derivation_schema())


# By hand: the differential of the output, and that of its gradient.
PRODUCTS: list[tuple[str, dict[str, Any], str, dict[str, str]]] = [
    ("X @ W", {**X, **W}, "jvp", {"X,W": "dX @ W + X @ dW"}),
    ("trace(inv(X))", {"X": (3, 3)}, "jvp", {"X": "-trace(inv(X) @ dX @ inv(X))"}),
    ("det(X)", {"X": (3, 3)}, "jvp", {"X": "det(X)*trace(dX @ inv(X))"}),
    ("softmax(x, dim=0)", {"x": (3,)}, "jvp", {"x": "softmax(x, dim=-1)*(dx - dx @ softmax(x, dim=-1))"}),
    ("sum(x**3)", {"x": (3,)}, "jvp", {"x": "3*dx @ x**2"}),
    ("x[1:]*2", {"x": (4,)}, "jvp", {"x": "2*dx[1:]"}),
    ("cumsum(x, dim=0)", {"x": (4,)}, "jvp", {"x": "[p]: sum(dx[i] for i in range(p + 1))"}),
    ("tril(A) @ x", {**A, "x": (3,)}, "jvp", {"A,x": "tril(A) @ dx + tril(dA) @ x"}),
    ("sum(triu(A)**2)", A, "hvp", {"A": "2*triu(dA)"}),
    (
        "x @ A @ x",
        {"x": (3,), **A},
        "hvp",
        {"x": "dx @ A + A @ dx + x @ dA + dA @ x", "A": "outer(dx, x) + outer(x, dx)"},
    ),
    ("logdet(A)", A, "hvp", {"A": "-(inv(A) @ dA @ inv(A)).T"}),
    (
        "norm(A @ B - C)**2",
        {**A, "B": (3, 3), "C": (3, 3)},
        "hvp",
        {
            "A": "2*((dA @ B + A @ dB - dC) @ B.T + (A @ B - C) @ dB.T)",
            "B": "2*(A.T @ (dA @ B + A @ dB - dC) + dA.T @ (A @ B - C))",
            "C": "2*(dC - dA @ B - A @ dB)",
        },
    ),
    ("sum(x**3)", {"x": (3,)}, "hvp", {"x": "6*dx*x"}),
    (
        "sum(log(1 + exp(-y*t)))",
        {"y": (3,), "t": (3,)},
        "hvp",
        {
            "y": "(1 - sigmoid(y*t))*(dy*sigmoid(y*t)*t**2 - dt*(1 - y*t*sigmoid(y*t)))",
            "t": "(1 - sigmoid(y*t))*(dt*sigmoid(y*t)*y**2 - dy*(1 - y*t*sigmoid(y*t)))",
        },
    ),
    ("A @ x", {"x": (3,), "A": (2, 3)}, "jacobian", {"x": "A", "A": "x*eye(2)[:, :, None]"}),
    ("exp(x)", {"x": (3,)}, "jacobian", {"x": "diag(exp(x))"}),
    ("sum(x**2)", {"x": (3,)}, "jacobian", {"x": "2*x"}),
]


@pytest.mark.parametrize(("program", "inputs", "product", "formulas"), PRODUCTS)
def test_products_with_tangents_and_jacobians(
    program: str, inputs: Any, product: Any, formulas: dict[str, str]
) -> None:
    found = gradcli.derive(program, inputs, product=product)
    assert found.verdict is Verdict.MATCH
    assert {one.wrt: one.formula for one in found.derivatives} == formulas


@pytest.mark.parametrize(("product", "names"), [("jvp", ["X", "W", "dX", "dW"]), ("jacobian", ["X", "W"])])
def test_code_of_a_derivative_by_the_output_s_entries_takes_no_upstream_gradient(
    product: Any, names: list[str]
) -> None:
    space: dict[str, Any] = {}
    exec(gradcli.derive("X @ W", {**X, **W}, product=product).code("torch"), space)  # noqa: S102 (ours)
    assert [*inspect.signature(space["gradient"]).parameters] == names


def test_a_matrix_in_an_inverse_that_stands_for_itself_is_no_constant() -> None:
    program, inputs = "logdet(X @ diag(exp(x)) @ X.T + eye(4))", {"X": (4, 3), "x": (3,)}
    assert gradcli.derive(program, inputs, wrt="x", order=2)["x"].formula is None
    assert gradcli.derive(program, inputs, wrt="X", order=2)["X"].checked.verdict is Verdict.MATCH


def test_a_sum_within_another_keeps_the_range_of_its_own_index() -> None:
    found = gradcli.derive("logdet(X @ X.T + eye(4))", {"X": (4, 3)}, product="hvp")["X"]
    assert found.checked.verdict is Verdict.MATCH


def test_a_long_argument_of_a_softmax_stays_in_it() -> None:
    program = "F.cross_entropy(F.normalize(Z) @ F.normalize(W).T/0.1, arange(3))"
    found = gradcli.derive(program, {"Z": (3, 4), "W": (3, 4)}, wrt="Z")["Z"]
    assert "softmax(" in str(found.formula)
    assert "exp(" not in str(found.formula)


def test_a_hessian_vector_product_is_one_of_vectors() -> None:
    found = gradcli.derive("sum(log(1 + exp(-X @ w)))", {**X, "w": (3,)}, product="hvp", constants="X")["w"]
    assert found.formula == "((1 - sigmoid(X @ w))*sigmoid(X @ w)*(X @ dw)) @ X"
    assert found.checked.verdict is Verdict.MATCH


def test_a_jacobian_is_refused_where_parts_of_it_have_no_entry_in_index_notation() -> None:
    program = "linalg.householder_product(A, t)"
    assert gradcli.derive(program, {"A": (3, 3), "t": (2,)}, wrt="A", product="jacobian")["A"].formula is None


def test_a_jacobian_counts_through_a_reshape_of_what_depends_on_the_leaf() -> None:
    found = gradcli.derive("trace(kron(X, X) @ kron(X, X))", {"X": (3, 3)}, product="jacobian")["X"]
    assert found.checked.verdict is Verdict.MATCH


def test_a_tangent_is_called_by_its_leaf_unless_another_leaf_is() -> None:
    found = gradcli.derive("x*dx", {"x": (2,), "dx": (2,)}, product="jvp")
    assert found.tangents == {"x": "dx_", "dx": "ddx"}
    assert found["x,dx"].formula == "dx_*dx + ddx*x"


def test_a_hessian_vector_product_is_a_scalars() -> None:
    with pytest.raises(GradcliError, match="a second derivative is a scalar's"):
        gradcli.derive("x**2", {"x": (3,)}, product="hvp")


@pytest.mark.parametrize(
    ("program", "shapes", "wrt", "formula"),
    [
        ("mean((X @ w - y)**2)", {"X": ("n", "m"), "w": ("m",), "y": ("n",)}, "w", "2*(X @ w - y) @ X/n"),
        ("cumsum(x, dim=0)", {"x": ("n",)}, "x", "[p]: sum(g[i] for i in range(p, n))"),
        ("var(x)", {"x": ("n",)}, "x", "(x - mean(x))*2/(n - 1)"),
        ("softmax(Q @ K.T/K.shape[1]**0.5, dim=-1).sum()", {"Q": ("n", "d"), "K": ("m", "d")}, "Q", None),
        ("X.reshape(X.numel()) @ y", {"X": ("n", "m"), "y": (12,)}, "y", None),
        ("x[1:] @ x[:-1]", {"x": ("n",)}, "x", None),
        ("mean(x)**2", {"x": ("n", "m")}, "x", "2*sum(x)/(n*n*m*m)"),
        ("sum(x*log(x/y))", {"x": ("n",), "y": ("n",)}, "x", "log(x/y) + 1"),
        ("logdet(X @ X.T)", {"X": ("n", "m")}, "X", "2*inv(X @ X.T) @ X"),
        ("triu(X) @ y", {"X": ("n", "m"), "y": ("m",)}, "X", "triu(outer(g, y))"),
        ("cov(x)", {"x": ("n",)}, "x", "(x - mean(x))*2/(n - 1)"),
        ("w/std(x)", {"x": ("n",), "w": ("n",)}, "w", "sqrt(n - 1)*g/norm(x - mean(x))"),
    ],
)
def test_lengths_have_names(program: str, shapes: Any, wrt: str, formula: str | None) -> None:
    if formula is None and "reshape" in program:
        with pytest.raises(GradcliError, match="the program does not run for other lengths of n, m"):
            gradcli.derive(program, shapes, wrt=wrt)
        return
    found = gradcli.derive(program, shapes, wrt=wrt)[wrt]
    assert found.checked.verdict is Verdict.MATCH
    assert len(found.checked.shapes) == 3
    assert formula is None or found.formula == formula


def test_lengths_are_not_turned_to_hide_a_mismatch(monkeypatch: pytest.MonkeyPatch) -> None:
    derived, sizes = command._derived, list[dict[str, int]]()

    def wrong(program: Any, settings: Settings, *given: Any) -> Any:
        sizes.append(settings.sizes)
        found = derived(program, settings, *given)
        if len(sizes) > 1:
            return found
        (one,) = found.derivatives
        return replace(found, derivatives=(replace(one, checked=replace(one.checked, verdict=Verdict.MISMATCH)),))

    monkeypatch.setattr(command, "_derived", wrong)
    assert gradcli.derive("x @ A", {"x": ("n",), "A": ("n", "m")}, wrt="x").verdict is Verdict.MISMATCH
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("program", "shapes", "wrt", "formula"),
    [
        ("norm(X @ w - y)**2/(2*n)", {"X": ("n", "m"), "w": ("m",), "y": ("n",)}, "w", "(X @ w - y) @ X/n"),
        ("logdet(X.T @ X + eye(d))", {"X": ("n", "d")}, "X", "2*X @ inv(X.T @ X + eye(d))"),
        ("X = X.T; n = n + 1; sum(X)/n*m", {"X": ("n", "m")}, "X", "m/(n + 1)"),
        ("reshape(x, (n, 1)).sum()*x.sum()", {"x": ("n",)}, "x", "2*sum(x)"),
    ],
)
def test_a_program_may_read_the_lengths_that_have_names(program: str, shapes: Any, wrt: str, formula: str) -> None:
    found = gradcli.derive(program, shapes, wrt=wrt)
    assert (found.formula, found.verdict) == (formula, Verdict.MATCH)
    assert [*found.leaves] == [*shapes]


def test_a_name_is_not_that_of_a_length_and_of_a_tensor() -> None:
    with pytest.raises(GradcliError, match="'d' is a tensor of the program, and a length in --shape") as caught:
        gradcli.derive("sum(q @ k.T/d)", {"q": ("n", "d"), "k": ("m", "d"), "d": 2.0})
    assert caught.value.hint == "`q.shape[1]` is the length in a program; a tensor needs a different name"


def test_code_reads_the_lengths_that_have_names() -> None:
    derivation = gradcli.derive("mean(x**2)", {"x": ("n",)})
    space: dict[str, Any] = {}
    exec(derivation.code("torch"), space)  # noqa: S102 (what is tested)
    x = torch.arange(1.0, 8.0)
    assert torch.allclose(space["gradient"](x), 2 * x / 7)


@pytest.mark.parametrize(
    ("program", "inputs", "options", "formula"),
    [
        ("sum(log(abs(x)) + sqrt(x**2))", {"x": (3,)}, {"positive": "x"}, "1/x + 1"),
        ("sum((Q @ x)**2)", {"x": (3,), "Q": (3, 3)}, {"orthogonal": "Q"}, "2*x"),
        ("trace(inv(Q) @ X)", {"X": (3, 3), "Q": (3, 3)}, {"orthogonal": "Q"}, "Q"),
        ("trace(X.T @ Q @ Q.T @ X)", {"X": (3, 2), "Q": (3, 3)}, {"orthogonal": "Q"}, "2*X"),
        (
            "logdet(A + X @ B @ X.T)",
            {"X": (3, 2), "A": (3, 3), "B": (2, 2)},
            {"symmetric": ("A", "B")},
            "2*inv(X @ B @ X.T + A) @ X @ B",
        ),
        (
            "trace(inv(X.T @ C @ X) @ (X.T @ B @ X))",
            {"X": (4, 3), "B": (4, 4), "C": (4, 4)},
            {"symmetric": ("B", "C")},
            "2*(B @ X - C @ X @ inv(X.T @ C @ X) @ X.T @ B @ X) @ inv(X.T @ C @ X)",
        ),
    ],
)
def test_assumptions_make_formulas_shorter(program: str, inputs: Any, options: Any, formula: str) -> None:
    wrt = "X" if "X" in inputs else "x"
    found = gradcli.derive(program, inputs, wrt=wrt, **options)[wrt]
    assert (found.formula, found.checked.verdict) == (formula, Verdict.MATCH)


def test_steps_lead_from_the_output_to_a_leaf_and_each_is_compared() -> None:
    inputs = {"X": (4, 3), "w": (3,), "y": (4,)}
    steps = gradcli.derive("mean((X @ w - y)**2)", inputs, wrt="w", steps=True).steps
    assert steps is not None
    assert [(step.name, step.formula) for step in steps] == [
        ("(X @ w - y)**2", "1/4"),
        ("X @ w - y", "(X @ w - y)/2"),
        ("X @ w", "(X @ w - y)/2"),
        ("w", "(X @ w - y) @ X/2"),
    ]
    assert steps[-1].rule == "product of matrices: the other factor, transposed"


def test_steps_say_what_is_summed_and_what_is_added() -> None:
    steps = gradcli.derive("z = X + b; sum(z*z + z)", {"X": (2, 3), "b": (3,)}, steps=True).steps
    assert steps is not None
    rules = {step.name: step.rule for step in steps}
    assert rules["b"].endswith("summed over the axes along which it is repeated")
    gradient = next(step for step in steps if step.name == "z" and step.is_gradient)
    assert gradient.rule.startswith("sum over the 2 calls that read it: ")
    assert steps[0] == type(steps[0])("z", "X + b", "z", "definition", is_gradient=False)


def test_a_step_that_autograd_denies_has_no_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    true = derivation_steps.expected
    monkeypatch.setattr(
        derivation_steps,
        "expected",
        lambda point, several: {one: 2 * value for one, value in true(point, several).items()},
    )
    steps = gradcli.derive("sum(sin(x)**2)", {"x": (3,)}, steps=True).steps
    assert steps is not None
    assert {step.formula for step in steps} == {derivation_steps.NO_FORMULA}


@pytest.mark.parametrize("options", [{"order": 2}, {"product": "jvp"}])
def test_steps_are_those_of_first_gradients(options: Any) -> None:
    with pytest.raises(GradcliError, match="--steps shows how first gradients come about"):
        gradcli.derive("sum(x**2)", {"x": (3,)}, steps=True, **options)


def test_what_is_no_leaf_is_derived_by() -> None:
    derivation = gradcli.derive("y = x*2; sum(y*y)", {"x": (3,)}, wrt="y")
    assert (derivation["y"].formula, derivation["y"].checked.verdict) == ("4*x", Verdict.MATCH)


def test_what_has_no_definition_is_no_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    results = decomposition._results

    def missing(known: Any, call: Any) -> list[Any]:
        if call.op.name == "sin":
            raise NotSupportedError("it has no definition")
        return results(known, call)

    monkeypatch.setattr(decomposition, "_results", missing)
    found = gradcli.derive("sin(x)*y + x", {"x": (3,), "y": (3,)})
    assert (found["x"].formula, found["x"].checked.verdict) == (None, Verdict.UNDECIDED)
    assert (found["y"].formula, found["y"].checked.verdict) == ("sin(x)*g", Verdict.MATCH)
