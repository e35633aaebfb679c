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
SHAPES |= {"m": (), "s": (), "r": ()}
FUNCTIONS = ("sigmoid", "tanh", "exp", "sqrt", "sum", "mean", "norm", "where", "abs")


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
        ("V - one_hot(arange(4), 4) @ G", "V - eye(4) @ G"),
        ("where(s*(y - x) > -(1 - s)*(y - x), -s, 1 - s)", "where(y > x, -s, 1 - s)"),
        ("where(x > y, m, s)", "where(x > y, m, s)"),
    ],
)
def test_a_formula_is_shortened(text: str, shorter: str) -> None:
    found = shortened(text, SHAPES, partial(simplified, shapes=SHAPES))
    assert found == shorter
    if "eye" not in shorter:  # of single precision here
        torch.testing.assert_close(eval(found, namespace()), eval(text, namespace()))  # noqa: S307 (of this file)
    is_power = "**2" in shorter and "**2" not in text
    assert symbols(found) <= symbols(text) or is_power


def test_an_entry_stays() -> None:
    assert shortened("[p]: x[p]/s**2 - 1/s", SHAPES) == "[p]: x[p]/s**2 - 1/s"
