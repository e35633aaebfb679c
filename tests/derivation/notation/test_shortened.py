"""Formulas as a reader would still shorten them: PyTorch computes the same of both."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from gradcli.derivation.notation.algebra import simplified
from gradcli.derivation.notation.shortened import shortened
from gradcli.derivation.notation.written import symbols

SHAPES: dict[str, tuple[int, ...]] = {"x": (5,), "y": (5,), "g": (5,), "V": (4, 3), "G": (4, 3), "h": (4,)}
SHAPES |= {"m": (), "s": (), "r": (), "c": (3,), "A": (5, 5), "B": (5, 4), "W": (3, 6)}
FUNCTIONS = ("sigmoid", "tanh", "exp", "sqrt", "sum", "mean", "norm", "where", "abs", "clamp", "sign", "trace")
FUNCTIONS += ("relu", "outer")


def namespace() -> dict[str, Any]:
    """Return positive values of the names, and PyTorch's functions."""
    generator = torch.Generator().manual_seed(0)
    values = {name: torch.rand(shape, generator=generator, dtype=torch.float64) + 0.5 for name, shape in SHAPES.items()}
    space: dict[str, Any] = {name: getattr(torch, name) for name in FUNCTIONS} | values
    one_hot = torch.nn.functional.one_hot
    return space | {"eye": torch.eye, "arange": torch.arange, "one_hot": one_hot}


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ("y*(sigmoid(x*y) - 1)/3", "-y*sigmoid(-x*y)/3"),
        ("g*(1 - sigmoid(x - y))", "g*sigmoid(y - x)"),
        ("-s*(1 - sigmoid(s*(x - y)))/5", "-s*sigmoid(s*(y - x))/5"),
        ("g*(1 - sigmoid(x))*sigmoid(x)", "g*(1 - sigmoid(x))*sigmoid(x)"),
        ("y*exp(-x)/(exp(-x) + 1)**2", "y*sigmoid(-x)*sigmoid(x)"),
        (
            "(sigmoid(s) - 1)*(tanh(x)**2 - 1)*tanh(s)*sigmoid(s)",
            "(1 - sigmoid(s))*(1 - tanh(x)**2)*tanh(s)*sigmoid(s)",
        ),
        ("-g*(tanh(x)**2 - 1)", "g*(1 - tanh(x)**2)"),
        ("(tanh(x) - 1)**2*g", "(1 - tanh(x))**2*g"),
        ("2*(x @ y/s**2 - y/s)", "2*(x @ y/s - y)/s"),
        ("x @ y/s - g[0]/s", "(x @ y - g[0])/s"),
        ("y*(m/s**2 - 1/s)", "y*(m/s - 1)/s"),
        ("x/4 + 1/4", "x/4 + 1/4"),
        ("G/sqrt(sum(V**2, dim=1))[:, None]", "G/norm(V, dim=1)[:, None]"),
        (
            "(G - V*(h/sum(V**2, dim=1))[:, None])/sqrt(sum(V**2, dim=1))[:, None]",
            "(G - V*(h/norm(V, dim=1)**2)[:, None])/norm(V, dim=1)[:, None]",
        ),
        ("G/(sum(V**2, dim=1)**(3/2))[:, None]", "G/(norm(V, dim=1)**3)[:, None]"),
        ("(sum(x*exp(y))/2)/s", "sum(x*exp(y))/(2*s)"),
        ("G*sum(V**2, dim=1)[:, None]", "G*sum(V**2, dim=1)[:, None]"),
        ("(r + 1)*sum((x - m)/((x - m)**2/(r*s**2) + 1))/(r*s**2)", "(r + 1)*sum((x - m)/((x - m)**2 + r*s**2))"),
        ("sum(x) - 5*m", "sum(x - m)"),
        ("(5*m - sum(x))/s**2", "sum(m - x)/s**2"),
        ("sum(x) - 4*m", "sum(x) - 4*m"),
        ("4*mean(V**2, dim=0)/3", "sum(V**2, dim=0)/3"),
        ("4*s*s*V", "4*s**2*V"),
        ("x*x", "x*x"),
        ("where(s*(y - x) > -(1 - s)*(y - x), -s, 1 - s)", "where(y > x, -s, 1 - s)"),
        ("where(x > y, m, s)", "where(x > y, m, s)"),
        ("x @ (y @ A)", "y @ A @ x"),
        ("-m*x @ (y @ A)", "-m*y @ A @ x"),
        ("x @ (A @ y)", "x @ A @ y"),
        ("x*(x @ (A @ y)) - A @ y", "x*(x @ (A @ y)) - A @ y"),
        ("abs(-x) + abs(-2*y)", "abs(x) + abs(2*y)"),
        ("-clamp(x - y, -1, 1) @ A/5", "clamp(y - x, -1, 1) @ A/5"),
        ("-clamp(x - y, -1, 2)", "-clamp(x - y, -1, 2)"),
        ("-tanh(x - y)*g", "tanh(y - x)*g"),
        ("where(x > y, 2*g/5, 0)", "2*where(x > y, g, 0)/5"),
        ("A @ where(x > y, 2*A.T @ g/5, 0)", "2*A @ where(x > y, A.T @ g, 0)/5"),
        ("where(x > y, -g, where(x > m, -y, 0))", "-where(x > y, g, where(x > m, y, 0))"),
        ("where(x > y, -g, y)", "where(x > y, -g, y)"),
        ("where(m > abs(x), x, y)", "where(abs(x) < m, x, y)"),
        ("where(x > 6/5, x, y)", "where(x > 6/5, x, y)"),
        ("sum(V/5, dim=0)", "sum(V, dim=0)/5"),
        ("2*sum(V, dim=0)/5 + 8*c/5 - 2*sum(G, dim=0)/5", "2*sum(V + c - G, dim=0)/5"),
        ("sum(V, dim=1) + 3*h", "sum(V, dim=1) + 3*h"),
        ("sum(V, dim=0) + 3*c", "sum(V, dim=0) + 3*c"),
        ("2*mean(V, dim=0)/3 - 2*c/3", "sum(V - c, dim=0)/6"),
        ("m - s*(r - 1)*x", "m + s*(1 - r)*x"),
        ("m - s*x @ (y - 1)", "m + s*x @ (1 - y)"),
        ("(-h)[:, None]*(V - G)", "-h[:, None]*(V - G)"),
        ("(-m - 1)*x", "-(m + 1)*x"),
        ("x/m*y", "x*y/m"),
        ("(g/(x/m + 1)) @ A/m", "(g/(x + m)) @ A"),
        ("where(x > 1, 2*g*(x - 1), 0)", "2*g*relu(x - 1)"),
        ("where(1 > m*x, y*(m*x - 1), 0)", "-y*relu(1 - m*x)"),
        ("where(x < y, g*(x - y)**3, 0)", "-g*relu(y - x)**3"),
        ("where(x > 1, (x - 1)*exp(-x), 0)", "where(x > 1, (x - 1)*exp(-x), 0)"),
        ("where(x > 1, (x - 1)/y, 0)", "where(x > 1, (x - 1)/y, 0)"),
        ("where(x > 1, y*(x - 2), 0)", "where(x > 1, y*(x - 2), 0)"),
        ("(where(x > y, 0, 1) - 9*where(x > y, 1, 0))*g", "where(x > y, -9, 1)*g"),
        ("where(x > y, 0, 1) - where(y > x, 1, 0)", "where(x > y, 0, 1) - where(y > x, 1, 0)"),
        ("where(x > 1, 2*g*((x - 1)*(y - 1) + y*m), 2*y*m*g)", "2*g*(y*m + (y - 1)*relu(x - 1))"),
        ("where(x > 1, exp(y) + x, exp(y))", "where(x > 1, exp(y) + x, exp(y))"),
        ("where(x > 1, -2*outer(c, y)/5, 0).T", "-2*outer(where(x > 1, y, 0), c)/5"),
        ("g*sign(x - y)/abs(y - x)", "g/(x - y)"),
        ("g*sign(x)/abs(y)", "g*sign(x)/abs(y)"),
        ("x*mean(x*y)/mean(y**2)", "x*sum(x*y)/sum(y**2)"),
        ("mean(x)/mean(V)", "mean(x)/mean(V)"),
        ("-4*mean(V)*x", "-sum(V)*x/3"),
        ("m*(1 - x)*s + x*s - m*x*s", "s*(m*(1 - x) + x - m*x)"),
        ("A @ (-B @ h)", "-A @ (B @ h)"),
        ("outer(x, -y)", "-outer(x, y)"),
        ("(-A @ A).T", "-(A @ A).T"),
    ],
)
def test_a_formula_is_shortened(text: str, shorter: str) -> None:
    found = shortened(text, SHAPES, partial(simplified, shapes=SHAPES))
    assert found == shorter
    torch.testing.assert_close(eval(found, namespace()), eval(text, namespace()))  # noqa: S307 (of this file)
    assert shortened(found, SHAPES, partial(simplified, shapes=SHAPES)) == found
    is_power = "**2" in shorter and "**2" not in text
    assert symbols(found) <= symbols(text) or is_power


def test_an_entry_stays() -> None:
    assert shortened("[p]: x[p]/s**2 - 1/s", SHAPES) == "[p]: x[p]/s**2 - 1/s"


@pytest.mark.parametrize(
    ("text", "turned"),
    [
        ("2*x @ A", "2*A @ x"),
        ("-m*(x - y) @ A - g", "-m*A @ (x - y) - g"),
        ("x @ A @ x", "x @ A @ x"),
        ("V.T @ B.T @ A", "V.T @ B.T @ A"),
        ("m*x @ A*(x @ A @ x)", "m*A @ x*(x @ A @ x)"),
        ("x @ B", "x @ B"),
    ],
)
def test_a_symmetric_matrix_stands_first(text: str, turned: str) -> None:
    found = shortened(text, SHAPES, symmetric={"A"})
    space = namespace()
    space["A"] = space["A"] + space["A"].T
    assert found == turned
    torch.testing.assert_close(eval(found, space), eval(text, space))  # noqa: S307 (of this file)
