"""Rewriting what overflows or loses digits: the same values where both are right, and right where the other is not."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from gradcli.derivation.notation.stable import stable

WAYS = [
    ("exp(x)/(exp(x) + 1)", "sigmoid(x)"),
    ("1/(exp(-x) + 1)", "sigmoid(x)"),
    ("g*exp(y)/(exp(x) + exp(y))", "g*sigmoid(y - x)"),
    ("g*exp(x)/((exp(x) + 1)*(exp(x) + exp(y)))", "g*sigmoid(x)/(exp(x) + exp(y))"),
    ("(x*exp(x) + y*exp(y))/(exp(x) + exp(y))", "x*sigmoid(x - y) + y*sigmoid(y - x)"),
    ("exp(x)/(exp(y) + 1)", "exp(x)*sigmoid(-y)"),
    ("log(exp(x) + 1)", "softplus(x)"),
    ("log(exp(x) + exp(y))", "logaddexp(x, y)"),
    ("log(sum(exp(X), dim=1))", "logsumexp(X, dim=1)"),
    ("log(softmax(X, dim=1))", "log_softmax(X, dim=1)"),
    ("log(sigmoid(x))", "logsigmoid(x)"),
    ("1 - sigmoid(x)", "sigmoid(-x)"),
    ("sigmoid(x) - 1", "-sigmoid(-x)"),
    ("exp(x) - 1", "expm1(x)"),
    ("log(x**2 + 1)", "log1p(x**2)"),
    ("sqrt(x**2 + y**2)", "hypot(x, y)"),
    ("[p]: exp(x[p])/(exp(x[p]) + 1)", "[p]: sigmoid(x[p])"),
]
SAME = ["2*x", "exp(x)/(y + 1)", "sqrt(x**2 + 3**2)", "1 - tanh(x)", "x/(x + 1)", "2**3/(2**3 + 1)"]


POWERS = [
    ("exp(-x)/(exp(-x) + 1)**2", "sigmoid(-x)*sigmoid(x)"),
    ("2*exp(-x)*y/(y*(exp(-x) + 1)**3)", "2*sigmoid(-x)*y*sigmoid(x)*sigmoid(x)/y"),
]


@pytest.mark.parametrize(("text", "wanted"), POWERS)
def test_a_power_of_what_overflows_is_rewritten_too(text: str, wanted: str) -> None:
    found, _ = stable(text, digits=False)
    assert found == wanted
    y = torch.tensor(2.0, dtype=torch.float64)
    for x in torch.tensor([-800.0, 0.5, 800.0], dtype=torch.float64):
        names = {"x": x, "y": y, "exp": torch.exp, "sigmoid": torch.sigmoid}
        own, given = (eval(one, names) for one in (found, text))  # noqa: S307 (of this file)
        assert own.isfinite()
        assert torch.isclose(own, given) or not given.isfinite()


@pytest.mark.parametrize(("text", "wanted"), WAYS)
def test_a_formula_is_rewritten(text: str, wanted: str) -> None:
    found, said = stable(text)
    assert found == wanted
    assert len(said) == 1
    assert said[0].partition(" ")[0] in text


@pytest.mark.parametrize("text", SAME)
def test_what_is_no_such_formula_stays(text: str) -> None:
    assert stable(text) == (text, ())


@pytest.mark.parametrize(("text", "wanted"), [way for way in WAYS if "[p]" not in way[0]])
def test_both_have_the_same_value(text: str, wanted: str) -> None:
    torch.manual_seed(2)
    names: dict[str, Any] = {
        name: getattr(torch, name) for name in ("exp", "log", "sigmoid", "sum", "softmax", "expm1")
    }
    names |= {
        name: getattr(torch, name) for name in ("log1p", "hypot", "logaddexp", "logsumexp", "log_softmax", "sqrt")
    }
    names |= {name: getattr(torch.nn.functional, name) for name in ("softplus", "logsigmoid")}
    names |= {name: torch.randn(3, dtype=torch.float64) for name in "xyg"} | {"X": torch.randn(3, 2).double()}
    one, other = (eval(code, dict(names)) for code in (text, wanted))  # noqa: S307 (of this file)
    assert torch.allclose(one, other, rtol=1e-12)


def test_what_overflows_alone_is_rewritten_if_digits_do_not_matter() -> None:
    assert stable("(1 - sigmoid(x))*exp(y)/(exp(y) + 1)", digits=False)[0] == "(1 - sigmoid(x))*sigmoid(y)"


def test_a_tail_keeps_its_digits() -> None:
    text, _ = stable("1 - sigmoid(x)")
    value = eval(text, {"sigmoid": torch.sigmoid, "x": torch.tensor(50.0, dtype=torch.float64)})  # noqa: S307
    assert math.isclose(float(value), math.exp(-50), rel_tol=1e-12)
