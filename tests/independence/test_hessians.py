"""Hessians and second derivatives of whole programs against element-wise sympy, mpmath and torch.func."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
import torch
from torch import Tensor

from gradcli.engine import evaluate_program
from gradcli.execution.forward.domains import leaves_for, parse_example
from gradcli.inputs.programs import read
from gradcli.ops.table import find
from gradcli.report.hessian import HessianDetails
from gradcli.report.jvp import JvpDetails
from gradcli.report.report import Report
from gradcli.settings import Settings

Array = Any
exp, log, sqrt, sin, tanh, erf = (
    np.vectorize(f, otypes=[object]) for f in (sympy.exp, sympy.log, sympy.sqrt, sympy.sin, sympy.tanh, sympy.erf)
)
sigmoid = np.vectorize(lambda x: 1 / (1 + sympy.exp(-x)), otypes=[object])


def softmax(x: Array) -> Array:
    return exp(x) / np.sum(exp(x), axis=-1, keepdims=True)


def normalised(x: Array) -> Array:
    centred = x - np.sum(x, axis=-1, keepdims=True) / x.shape[-1]
    variance = np.sum(centred**2, axis=-1, keepdims=True) / x.shape[-1]
    return centred / sqrt(variance + sympy.Rational(1, 100000))


def attention(q: Array, k: Array, v: Array) -> Array:
    return np.sum((softmax(q @ k.T / sympy.sqrt(q.shape[-1])) @ v) ** 2)


def determinant(a: Array) -> Array:
    return sympy.Matrix(a).det()


def inverse(a: Array) -> Array:
    return np.array(sympy.Matrix(a).inv().tolist(), dtype=object)


def cholesky(a: Array) -> Array:
    """The factor of a 2x2 matrix."""
    first = sympy.sqrt(a[0, 0])
    lower = a[1, 0] / first
    return np.array([[first, 0], [lower, sympy.sqrt(a[1, 1] - lower**2)]], dtype=object)


# A program whose output is a scalar, and the same thing in scalar sympy over arrays of symbols.
PROGRAMS: Mapping[str, Callable[..., Array]] = {
    "x**2*y | x=scalar y=scalar": lambda x, y: x**2 * y,
    "x @ a @ x | x=2 a=2x2": lambda x, a: x @ a @ x,
    "sum(sin(x)*exp(y)) | x=2 y=2": lambda x, y: np.sum(sin(x) * exp(y)),
    "sum(x*y) | x=2x2 y=2": lambda x, y: np.sum(x * y),
    "sum(softmax(x, dim=-1)[0]**2) | x=2x3": lambda x: np.sum(softmax(x)[0] ** 2),
    "logsumexp(x, 0) | x=3": lambda x: sympy.log(np.sum(exp(x))),
    "mean(log_softmax(x @ w, dim=-1)) | x=2x2 w=2x3": lambda x, w: np.sum(log(softmax(x @ w))) / 6,
    "sum(tanh(a @ x)**2) | a=2x2 x=2": lambda a, x: np.sum(tanh(a @ x) ** 2),
    "prod(x) | x=4": lambda x: x[0] * x[1] * x[2] * x[3],
    "norm(x) | x=3": lambda x: sympy.sqrt(np.sum(x**2)),
    "var(x) | x=4": lambda x: np.sum((x - np.sum(x) / 4) ** 2) / 3,
    "det(a) | a=3x3": determinant,
    "sum(inv(a)[0]) | a=2x2": lambda a: np.sum(inverse(a)[0]),
    "sum(torch.linalg.cholesky(a @ a.T + eye(2))**3) | a=2x2": lambda a: np.sum(
        cholesky(a @ a.T + np.eye(2, dtype=int)) ** 3
    ),
    "sum(F.layer_norm(x, (3,))**3) | x=2x3": lambda x: np.sum(normalised(x) ** 3),
    "sum(F.gelu(x)*y) | x=2 y=2": lambda x, y: np.sum(x * (1 + erf(x / sympy.sqrt(2))) / 2 * y),
    "mean(F.binary_cross_entropy_with_logits(x, sigmoid(y))) | x=2 y=2": lambda x, y: (
        -np.sum(sigmoid(y) * log(sigmoid(x)) + (1 - sigmoid(y)) * log(1 - sigmoid(x))) / 2
    ),
    "sum(cumsum(x, 0)**2 * flip(x, (0,))) | x=3": lambda x: np.sum(np.cumsum(x) ** 2 * x[::-1]),
    "y = x[0]*x[1]; sum(cat([y, x[1]])**3) | x=2x2": lambda x: np.sum(x[0] ** 3 * x[1] ** 3) + np.sum(x[1] ** 3),
    "sum((softmax(q @ k.T/sqrt(tensor(2.0)), dim=-1) @ v)**2) | q=1x2 k=2x2 v=2x1": attention,
}
assert len(PROGRAMS) == 20


def point_of(example: str) -> tuple[str, dict[str, Tensor]]:
    program, shapes = parse_example(example)
    return program, leaves_for(read(program, Settings(shapes=dict(shapes))), shapes, find, 3)


def symbols_of(leaves: Mapping[str, Tensor]) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for name, leaf in leaves.items():
        places = list(product(*map(range, leaf.shape)))
        array = np.empty(tuple(leaf.shape), dtype=object)
        for place in places:
            array[place] = sympy.Symbol("_".join([name, *map(str, place)]), real=True)
        found[name] = array
    return found


def by_sympy(function: Callable[..., Array], leaves: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return the Hessian entry by entry, each evaluated by mpmath at 30 digits."""
    symbols = symbols_of(leaves)
    value = sympy.sympify(np.asarray(function(**symbols), dtype=object).item())
    at = {
        symbols[name][place]: float(leaf[place]) for name, leaf in leaves.items() for place in np.ndindex(*leaf.shape)
    }
    flat = {name: [*array.flat] for name, array in symbols.items()}
    names = list(at)
    evaluate = [sympy.lambdify(names, value.diff(row).diff(column), "mpmath") for row in names for column in names]
    with mpmath.workdps(30):
        numbers = [float(entry(*map(mpmath.mpf, at.values()))) for entry in evaluate]
    table = dict(zip(product(names, names), numbers, strict=True))
    return {
        row: {
            column: torch.tensor([table[r, c] for r in flat[row] for c in flat[column]], dtype=torch.float64).reshape(
                [*leaves[row].shape, *leaves[column].shape]
            )
            for column in leaves
        }
        for row in leaves
    }


def hessian_of(program: str, leaves: dict[str, Tensor]) -> Report:
    return evaluate_program(program, Settings(command="hessian"), leaves)


@pytest.mark.parametrize("example", PROGRAMS)
def test_a_hessian_is_sympys_and_pytorchs(example: str) -> None:
    program, leaves = point_of(example)
    report = hessian_of(program, leaves)
    known = by_sympy(PROGRAMS[example], leaves)
    assert isinstance(report.details, HessianDetails)
    assert report.details.symbolic_hessian is not None
    for row, line in known.items():
        for column, wanted in line.items():
            symbolic = report.details.symbolic_hessian[row][column].symbolic
            assert symbolic is not None
            torch.testing.assert_close(symbolic.value, wanted, rtol=1e-8, atol=1e-10)
            torch.testing.assert_close(report.details.hessian[row][column], wanted, rtol=1e-8, atol=1e-10)
    assert report.verdict == "match"
    assert report.details.symmetry.symmetric


@pytest.mark.parametrize("example", PROGRAMS)
def test_a_jacobian_vector_product_and_a_jacobian_are_sympys(example: str) -> None:
    program, leaves = point_of(example)
    generator = torch.Generator().manual_seed(1)
    tangents = {
        name: torch.randn(leaf.shape, generator=generator, dtype=torch.float64) for name, leaf in leaves.items()
    }
    symbols = symbols_of(leaves)
    value = sympy.sympify(np.asarray(PROGRAMS[example](**symbols), dtype=object).item())
    at = {
        symbols[name][place]: float(leaf[place]) for name, leaf in leaves.items() for place in np.ndindex(*leaf.shape)
    }
    wanted = 0.0
    jacobian = evaluate_program(program, Settings(command="jacobian"), leaves)
    for name, leaf in leaves.items():
        for place in np.ndindex(*leaf.shape):
            slope = float(value.diff(symbols[name][place]).subs(at).evalf(20))
            wanted += slope * float(tangents[name][place])
            assert float(jacobian[name].jacobian[place]) == pytest.approx(slope, rel=1e-8, abs=1e-10)
    settings = Settings(command="jvp", tangents={name: tangent.tolist() for name, tangent in tangents.items()})
    report = evaluate_program(program, settings, leaves)
    assert isinstance(report.details, JvpDetails)
    assert report.details.jvp.symbolic is not None
    assert float(report.details.jvp.value) == pytest.approx(wanted, rel=1e-8)
    assert float(report.details.jvp.symbolic.value) == pytest.approx(wanted, rel=1e-8)
    assert (report.verdict, jacobian.verdict) == ("match", "match")


@pytest.mark.parametrize("block", [("x", "x"), ("x", "y"), ("y", "y")])
def test_a_wrong_block_is_a_mismatch(block: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from gradcli.execution.autograd import functional

    right = functional.hessians

    def wrong(trace: Any, leaves: Any) -> Any:
        blocks, note = right(trace, leaves)
        return {
            (row, column): tensor * (1 + 1e-6) if (row.text, column.text) == block else tensor
            for (row, column), tensor in blocks.items()
        }, note

    program, leaves = point_of("sum(sin(x)*exp(y)) | x=2 y=2")
    monkeypatch.setattr(functional, "hessians", wrong)
    report = hessian_of(program, leaves)
    assert report.verdict == "mismatch"
    assert report[block[0]].verdict == "mismatch"
    assert isinstance(report.details, HessianDetails)
    assert report.details.symmetry.symmetric == (block[0] == block[1])
