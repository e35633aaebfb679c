"""Formulas of what is read, written or chosen at indices: as published, and equal to PyTorch's own gradients.

Each function is written out in PyTorch once more, and gradcli has no part in that.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.report.verdict import Verdict

X, x4, I3, LABELS = {"X": (4, 3)}, {"x": (4,)}, {"i": [2, 0, 2]}, {"y": [2, 0, 1, 1]}
PLACES = {"i": [[0, 2], [1, 0], [2, 2], [1, 1]]}
MASK = {"m": [True, False, True, True]}
Case = tuple[str, dict[str, Any], str, str, str | None]
READ: list[Case] = [
    ("X[i]", X | I3, "X", "one_hot(i, 4).T @ g", "X[i]"),
    ("X[:, i]", X | I3, "X", "g @ one_hot(i, 3)", "X[:, i]"),
    ("sum(X[i]**2)", X | I3, "X", "2*one_hot(i, 4).T @ X[i]", "(X[i] ** 2).sum()"),
    (
        "X[i, j]",
        X | I3 | {"j": [1, 1, 0]},
        "X",
        "(g*one_hot(i, 4).T) @ one_hot(j, 3)",
        "X[i, j]",
    ),
    ("x[i]*y", {"x": (5,)} | I3 | {"y": (3,)}, "y", "x[i]*g", "x[i] * y"),
    ("x[i]", x4 | {"i": [-1, 0]}, "x", "g @ one_hot(i % 4, 4)", "x[i]"),
    ("gather(X, 1, i)", X | PLACES, "X", "sum(g[:, :, None]*one_hot(i, 3), dim=1)", "X.gather(1, i)"),
    ("index_select(X, 1, i)", X | I3, "X", "g @ one_hot(i, 3)", "X.index_select(1, i)"),
    ("F.embedding(i, W) @ V", {"W": (4, 3)} | I3 | {"V": (3, 2)}, "V", "W[i].T @ g", "W[i] @ V"),
    ("-log(sigmoid(W[i] @ v))", {"W": (4, 3), "i": 2, "v": (3,)}, "v", "W[i]*(sigmoid(v @ W[i]) - 1)", None),
    ("masked_select(x, m)", x4 | MASK, "x", "g @ one_hot(nonzero(m)[:, 0], 4)", "x[m]"),
    ("masked_fill(x, m, 0)*z", x4 | MASK | {"z": (4,)}, "x", "where(m, 0, z*g)", "(~m * x) * z"),
    ("index_add(X, 0, i, Y)", X | I3 | {"Y": (3, 3)}, "Y", "g[i]", "X.index_add(0, i, Y)"),
    (
        "F.cross_entropy(X, y, weight=w)",
        X | LABELS | {"w": [0.2, 0.3, 0.5]},
        "X",
        "(softmax(X, dim=-1)*w[y][:, None] - one_hot(y, 3)*w)/sum(w[y])",
        "F.cross_entropy(X, y, w.detach())",
    ),
    (
        "F.nll_loss(X, y, weight=w)",
        X | LABELS | {"w": [0.2, 0.3, 0.5]},
        "X",
        "-one_hot(y, 3)*w/sum(w[y])",
        "F.nll_loss(X, y, w.detach())",
    ),
    (
        "-gather(log_softmax(X, dim=1), 1, y.unsqueeze(1)).mean()",
        X | LABELS,
        "X",
        "(softmax(X, dim=-1) - one_hot(y, 3))/4",
        "F.cross_entropy(X, y)",
    ),
]
CHOSEN: list[Case] = [
    ("max(x)*y", x4 | {"y": (3,)}, "x", "where(x == max(x), y @ g, 0)", "x.max() * y"),
    ("amax(X)*y", X | {"y": (3,)}, "y", "amax(X)*g", "X.amax() * y"),
    ("max(X, dim=1).values", X, "X", "one_hot(argmax(X, dim=1), 3)*g[:, None]", "X.max(1).values"),
    ("norm(x, p=inf)", x4, "x", "where(abs(x) == amax(abs(x)), sign(x), 0)", "x.norm(torch.inf)"),
    (
        "linalg.norm(X, ord=1)",
        X,
        "X",
        "where(sum(abs(X), dim=0) == amax(sum(abs(X), dim=0)), sign(X), 0)",
        "X.abs().sum(0).max()",
    ),
    ("sort(x).values*y", x4 | {"y": (4,)}, "x", "(y*g) @ one_hot(sort(x)[1], 4)", "x.sort().values * y"),
    ("kthvalue(x, 2).values", x4, "x", "one_hot(argsort(x)[1], 4)", "x.sort().values[1]"),
    ("median(x)", {"x": (5,)}, "x", "where(x == median(x), 1, 0)", "x.sort().values[2]"),
    ("nan_to_num(x)*y", x4 | {"y": (4,)}, "y", "where(isfinite(x), x*g, nan_to_num(x)*g)", "x * y"),
    (
        "linalg.eigvalsh(A)*y",
        {"A": (3, 3), "y": (3,)},
        "y",
        "linalg.eigvalsh(A)*g",
        "torch.linalg.eigvalsh(A) * y",
    ),
    ("pinv(A) @ y", {"A": (3, 4), "y": (3,)}, "y", "g @ linalg.pinv(A)", "torch.linalg.pinv(A) @ y"),
]


WRITTEN: list[Case] = [
    (
        "y = x.clone(); y[0] = 2*x[1]; y*z",
        x4 | {"z": (4,)},
        "x",
        "[p]: (z[p]*g[p] if p != 0 else 0) + (2*z[0]*g[0] if p == 1 else 0)",
        "torch.stack([2 * x[1], x[1], x[2], x[3]]) * z",
    ),
    (
        "y = zeros(4); y[1:] = x; y*z",
        {"x": (3,), "z": (4,)},
        "z",
        "[p]: g[p]*(x[p - 1] if p >= 1 else 0)",
        "torch.cat([x.new_zeros(1), x]) * z",
    ),
    (
        "Y = X*1; Y[:, 0] = 0; Y @ W",
        X | {"W": (3, 2)},
        "W",
        "[p, q]: 0 if p == 0 else sum(X[i, p]*g[i, q] for i in range(4))",
        "X[:, 1:] @ W[1:]",
    ),
    (
        "Y = X*1; Y[0] = v; Y",
        X | {"v": (3,)},
        "X",
        "[p, q]: 0 if p == 0 else g[p, q]",
        "torch.cat([v[None], X[1:]])",
    ),
    (
        "slice_scatter(X, V, 0, 1, 3)",
        X | {"V": (2, 3)},
        "X",
        "[p, q]: 0 if p >= 1 and p <= 2 else g[p, q]",
        "torch.cat([X[:1], V, X[3:]])",
    ),
    (
        "y = x.clone(); y[m] = 0; y*z",
        x4 | MASK | {"z": (4,)},
        "x",
        "where(m, 0, z*g)",
        "x * ~m * z",
    ),
    (
        "y = x.clone(); y[i] = z; y",
        x4 | {"i": [2, 0], "z": (2,)},
        "x",
        "where(sum(one_hot(i, 4), dim=0) > 0, 0, g)",
        "torch.stack([z[1], x[1], z[0], x[3]])",
    ),
]


def leaves_of(inputs: dict[str, Any], order: list[str], wrt: str) -> dict[str, Tensor]:
    """Return new random leaves, and those that have values, in an order."""
    torch.manual_seed(3)
    found = {}
    for name in order:
        value = inputs[name]
        is_shape = isinstance(value, tuple)
        found[name] = torch.randn(value, dtype=torch.float64) if is_shape else torch.tensor(value)
        found[name] = found[name].double() if found[name].is_floating_point() else found[name]
    found[wrt].requires_grad_()
    return found


def run(code: str, arguments: list[Any]) -> Tensor:
    space: dict[str, Any] = {}
    exec(code, space)  # noqa: S102 (what a derivation is for)
    found = space["gradient"](*arguments)
    return found if isinstance(found, Tensor) else torch.tensor(found)


@pytest.mark.parametrize(("program", "inputs", "wrt", "formula", "function"), [*READ, *CHOSEN, *WRITTEN])
def test_a_formula_at_indices_is_the_gradient(
    program: str, inputs: dict[str, Any], wrt: str, formula: str, function: str | None
) -> None:
    found = gradcli.derive(program, inputs, wrt=wrt)
    assert (found[wrt].formula, found[wrt].checked.verdict) == (formula, Verdict.MATCH)
    if function is None:
        return
    leaves = leaves_of(inputs, [*found.leaves], wrt)
    output = eval(function, {"torch": torch, "F": torch.nn.functional, **leaves})  # noqa: S307 (text from above)
    upstream = torch.randn_like(output) if output.ndim else torch.ones_like(output)
    (expected,) = torch.autograd.grad(output, leaves[wrt], upstream)
    arguments = [value.detach() for value in [*leaves.values(), *([upstream] if output.ndim else [])]]
    torch.testing.assert_close(run(found.code("torch"), arguments), expected)
    torch.testing.assert_close(run(found.code("numpy"), [one.numpy() for one in arguments]), expected)


# Of labels, indices and masks that have a shape alone: the formula, and whether its code makes no one-hot matrix.
DRAWN: list[tuple[str, dict[str, Any], str, str, str]] = [
    (
        "F.cross_entropy(X, t)",
        {"X": ("n", "d"), "t": ("n",)},
        "X",
        "(softmax(X, dim=-1) - one_hot(t, d))/n",
        "torch.nn.functional.cross_entropy(X, t)",
    ),
    (
        "F.embedding(t, W).square().sum()",
        {"W": ("n", "d"), "t": ("m",)},
        "W",
        "2*one_hot(t, n).T @ W[t]",
        "(W[t]**2).sum()",
    ),
    (
        "-(log_softmax(X, dim=1).gather(1, t[:, None])[:, 0]*a).mean()",
        {"X": ("n", "d"), "t": ("n",), "a": ("n",)},
        "X",
        "a[:, None]*(softmax(X, dim=-1) - one_hot(t, d))/n",
        "-(X.log_softmax(1)[torch.arange(len(t)), t]*a).mean()",
    ),
    (
        "p = softmax(X, dim=-1).gather(1, t[:, None])[:, 0]; -log(1 - p).sum()",
        {"X": ("n", "d"), "t": ("n",)},
        "X",
        (
            "softmax(X, dim=-1)*(one_hot(t, d) - gather(softmax(X, dim=-1), 1, t[:, None]))"
            "/(1 - gather(softmax(X, dim=-1), 1, t[:, None]))"
        ),
        "-(1 - X.softmax(1)[torch.arange(len(t)), t]).log().sum()",
    ),
    (
        "sum(W[i]*V[j])",
        {"W": ("n", "d"), "i": ("m",), "V": ("n", "d"), "j": ("m",)},
        "W",
        "one_hot(i, n).T @ V[j]",
        "(W[i]*V[j]).sum()",
    ),
    (
        "sum(where(m[:, None], X, 0)**2)",
        {"X": ("n", "d"), "m": ("n",)},
        "X",
        "2*where(m[:, None], X, 0)",
        "(X[m]**2).sum()",
    ),
]


@pytest.mark.parametrize(("program", "shapes", "wrt", "formula", "function"), DRAWN)
def test_labels_have_lengths_by_name(
    program: str, shapes: dict[str, Any], wrt: str, formula: str, function: str
) -> None:
    found = gradcli.derive(program, shapes, wrt=wrt)
    assert (found[wrt].formula, found[wrt].checked.verdict) == (formula, Verdict.MATCH)
    sizes = {"n": 6, "d": 4, "m": 9}
    torch.manual_seed(1)
    leaves: dict[str, Tensor] = {}
    for name in found.leaves:
        size = [sizes[length] for length in shapes[name]]
        labels = torch.rand(size) < 0.5 if name == "m" else torch.randint(4, size)
        leaves[name] = labels if name in {"t", "i", "j", "m"} else torch.randn(size, dtype=torch.float64)
    leaves[wrt].requires_grad_()
    output = eval(function, {"torch": torch, **leaves})  # noqa: S307 (text from above)
    (expected,) = torch.autograd.grad(output, leaves[wrt])
    arguments = [value.detach() for value in leaves.values()]
    is_broadcast = "one_hot(t, d) - gather" in formula  # beside a column nothing is won
    for to, given in (("torch", arguments), ("numpy", [one.numpy() for one in arguments])):
        torch.testing.assert_close(run(found.code(to), given), expected)
        assert ("one_hot" in found.code(to)) == is_broadcast


def test_a_value_has_the_length_that_has_a_name() -> None:
    for shapes in ({"X": ("n", "d")}, {"X": ("n", "d"), "a": ("d",)}):
        program = "F.cross_entropy(X*a, t)" if "a" in shapes else "F.cross_entropy(X, t)"
        found = gradcli.derive(program, {**shapes, "t": [0, 2, 1, 1, 0, 2]}, wrt="X")
        assert found["X"].checked.verdict is Verdict.MATCH
        assert found.sizes == {"n": 6, "d": found.sizes["d"]}  # type: ignore[index]
        assert "one_hot(t, d)" in str(found["X"].formula)
        assert found.leaves["t"] == (6,)


def test_whole_numbers_and_real_ones_are_not_multiplied() -> None:
    found = gradcli.derive("cov(X, fweights=w)", {"X": (3, 6), "w": [1, 2, 1, 3, 1, 2]}, wrt="X")
    assert found["X"].checked.verdict is Verdict.MATCH
    torch.manual_seed(2)
    x3 = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    weights, g = torch.tensor([1, 2, 1, 3, 1, 2]), torch.randn(3, 3, dtype=torch.float64)
    rows = x3.repeat_interleave(weights, dim=1)  # that is what a frequency weight means
    centred = rows - rows.mean(1, keepdim=True)
    (expected,) = torch.autograd.grad(centred @ centred.T / 9, x3, g)
    torch.testing.assert_close(run(found.code("torch"), [x3.detach(), weights, g]), expected)
    order = gradcli.derive("(argsort(x)*y).sum()", {"x": (4,), "y": (4,)}, wrt="y")
    x, y = torch.randn(4, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    torch.testing.assert_close(run(order.code("torch"), [x, y]), x.argsort().double())


SECONDS = [
    ("sum(X[i]**3)", X | I3, "(X[i]**3).sum()"),
    ("max(x)**2", x4, "x.max()**2"),
    ("sum(sort(x).values**3)", x4, "(x**3).sum()"),
    ("y = x.clone(); y[0] = x[1]**2; sum(y**2)", x4, "x[1]**4 + (x[1:]**2).sum()"),
]


@pytest.mark.parametrize(("program", "inputs", "function"), SECONDS)
def test_second_derivatives_go_through_indices(program: str, inputs: dict[str, Any], function: str) -> None:
    wrt = next(iter(inputs))
    found = gradcli.derive(program, inputs, wrt=wrt, order=2)
    assert found[wrt].checked.verdict is Verdict.MATCH
    leaves = leaves_of(inputs, [*found.leaves], wrt)
    others = {name: value for name, value in leaves.items() if name != wrt}

    def output(leaf: Tensor) -> Tensor:
        return eval(function, {**others, wrt: leaf})  # noqa: S307 (text from above)

    expected = torch.autograd.functional.hessian(output, leaves[wrt].detach())
    arguments = [value.detach() for value in leaves.values()]
    torch.testing.assert_close(run(found.code("torch"), arguments).reshape(expected.shape), expected)


JACOBIANS = [
    ("reshape(X, (2, 6))", X, "X", "[p, q, r, s]: 1 if 3*r + s == 6*p + q else 0", "X.reshape(2, 6)"),
    ("flatten(X**2)", X, "X", "[p, q, r]: 2*X[q, r] if p == 3*q + r else 0", "(X**2).flatten()"),
    ("X.T", X, "X", "eye(4)[:, :, None]*eye(3)[:, None, None, :]", "X.T"),
    (
        "kron(a, b)",
        {"a": (2,), "b": (3,)},
        "a",
        "[p, q]: b[p - 3*q] if 3*q - p >= -2 and 3*q - p <= 0 else 0",
        "torch.kron(a, b)",
    ),
    ("roll(x, 1)", x4, "x", "one_hot(tensor([1, 2, 3, 0]), 4).T", "x.roll(1)"),
    (
        "(X @ W).view(-1)",
        X | {"W": (3, 2)},
        "X",
        "[p, q, r]: W[r, p - 2*q] if 2*q - p >= -1 and 2*q - p <= 0 else 0",
        "(X @ W).flatten()",
    ),
]


@pytest.mark.parametrize(("program", "inputs", "wrt", "formula", "function"), JACOBIANS)
def test_a_jacobian_counts_through_merged_axes(
    program: str, inputs: dict[str, Any], wrt: str, formula: str, function: str
) -> None:
    found = gradcli.derive(program, inputs, wrt=wrt, product="jacobian")
    assert (found[wrt].formula, found[wrt].checked.verdict) == (formula, Verdict.MATCH)
    leaves = leaves_of(inputs, [*found.leaves], wrt)
    others = {name: value for name, value in leaves.items() if name != wrt}

    def output(leaf: Tensor) -> Tensor:
        return eval(function, {"torch": torch, **others, wrt: leaf})  # noqa: S307 (text from above)

    expected = torch.autograd.functional.jacobian(output, leaves[wrt].detach())
    arguments = [value.detach() for value in leaves.values()]
    torch.testing.assert_close(run(found.code("torch"), arguments), expected)
    torch.testing.assert_close(run(found.code("numpy"), [one.numpy() for one in arguments]), expected)


@pytest.mark.parametrize(
    ("program", "inputs", "ties"),
    [
        ("amax(X, dim=1)*y", {"X": (2, 3), "y": (2,)}, torch.tensor([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0]])),
        ("norm(X, p=inf)*sum(y)", {"X": (2, 3), "y": (2,)}, torch.tensor([[1.0, -2.0, 0.0], [2.0, -1.0, 2.0]])),
        ("median(X)*sum(y)", {"X": (1, 5), "y": (2,)}, torch.tensor([[1.0, 2.0, 2.0, 2.0, 5.0]])),
    ],
)
def test_code_shares_the_gradient_of_an_extreme_among_ties_as_pytorch_does(
    program: str, inputs: dict[str, Any], ties: Tensor
) -> None:
    found = gradcli.derive(program, inputs, wrt="X")
    assert "tie" in (found["X"].left_out or ("",))[0]
    x, y = ties.double().requires_grad_(), torch.tensor([2.0, 3.0], dtype=torch.float64)
    space = {"X": x, "y": y, "amax": torch.amax, "norm": torch.norm, "median": torch.median, "sum": torch.sum}
    output = eval(program, space | {"inf": torch.inf})  # noqa: S307 (text from above)
    upstream = torch.ones_like(output)
    (expected,) = torch.autograd.grad(output, x, upstream)
    arguments = [x.detach(), y, *([upstream] if output.ndim else [])]
    torch.testing.assert_close(run(found.code("torch"), arguments), expected)


def test_a_masked_softmax_has_a_formula_at_minus_infinity() -> None:
    inputs = {"X": (2, 3), "M": [[True, False, False], [False, True, False]]}
    found = gradcli.derive("softmax(X.masked_fill(M, -inf), dim=-1)", inputs, wrt="X")
    softmax = "softmax(where(M, -inf, X), dim=-1)"
    assert found.formula == f"{softmax}*(g - sum({softmax}*g, dim=1)[:, None])"
    assert found["X"].checked.verdict is Verdict.MATCH


def test_sympy_has_deltas_of_labels() -> None:
    settings = {"X": (4, 3), "y": [2, 0, 1, 1]}
    found = gradcli.derive("F.nll_loss(X, y)", settings, wrt="X")
    assert "KroneckerDelta(y[p], q)" in str(found.asked.derived(to="sympy")["X"].sympy)


def test_a_function_of_a_product_is_for_all_lengths() -> None:
    source = gradcli.derive("prod(x)*y", {"x": (3,), "y": (3,)}).function()
    assert "Shapes: x (n,), y (n,)." in source
    assert "_prod_of_others(x) * (y @ g)" in source


def test_an_index_of_a_formula_is_not_called_as_a_leaf_inside_of_a_name() -> None:
    found = gradcli.derive("sum(X[i]*Y)", X | {"Y": (2, 3), "i": [2, 0]}, wrt="X")
    entry = str(found.asked.derived(to="sympy")["X"].sympy)
    assert entry == "Sum(KroneckerDelta(i[j], p) * Y[j, q], (j, 0, 1))"


def test_no_index_is_called_as_a_length_is() -> None:
    found = gradcli.derive("cumsum(X @ W, dim=0)", {"X": ("p", "i"), "W": ("i", "j")}, wrt="W")
    assert (found.formula, found.verdict) == (
        "[q, r]: sum(X[k, q]*sum(g[l, r] for l in range(k, p)) for k in range(p))",
        Verdict.MATCH,
    )
