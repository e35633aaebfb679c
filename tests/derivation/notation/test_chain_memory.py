"""What is new and read once is written over: with the same values, differentiable, and with all axes that vmap maps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from gradcli.derivation.notation.backends import TORCH
from gradcli.derivation.notation.chain import Statements
from gradcli.derivation.notation.chain_memory import written_over
from gradcli.derivation.notation.expressions import Emitter
from gradcli.derivation.notation.parsed import parsed

BEHIND = {name: frozenset({name}) for name in "xyz"} | {"t": frozenset({"x", "y"})}


def over(result: str, **values: str) -> Statements:
    return written_over(Statements(values, {"r": result}), BEHIND)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x*y*x", "(x*y).mul_(x)"),
        ("x*(x*y)", "(x*y).mul_(x)"),
        ("t*x - y", "(t*x).sub_(y)"),
        ("2*(x + y)", "(x + y).mul_(2)"),
        ("-(x*y)", "(x*y).neg_()"),
        ("add(x*y, x, alpha=2)", "(x*y).add_(x, alpha=2)"),
        ("plus(x*y, t)*y", "plus(x*y, t).mul_(y)"),
        ("addcmul(x, y, y)/t", "addcmul(x, y, y).div_(t)"),
        # Of others, something would be lost: a leaf, a result that its own derivative reads, an axis.
        ("x*y", "x*y"),
        ("exp(x)*x", "exp(x)*x"),
        ("x/y*x", "x/y*x"),
        ("x*y/y*y", "(x*y).div_(y)*y"),
        ("plus(x, t)*y", "plus(x, t)*y"),
        ("x*x*y", "x*x*y"),
        ("t - x*y", "t - x*y"),
        ("addcmul(x*y, x, y)", "addcmul(x*y, x, y)"),
    ],
)
def test_what_is_written_over_is_new_and_has_every_axis(text: str, expected: str) -> None:
    assert over(text).results["r"] == expected


def test_a_value_is_written_over_where_nothing_else_reads_it() -> None:
    assert over("_0*x", _0="x*y").results["r"] == "_0.mul_(x)"
    assert over("_0*x + sin(_0)", _0="x*y").results["r"] == "(_0*x).add_(sin(_0))"
    assert over("_1*_0", _0="x*y", _1="_0*x").results["r"] == "_1.mul_(_0)"


@pytest.mark.filterwarnings("ignore")  # of what PyTorch has deprecated
@pytest.mark.parametrize("text", ["plus(x*y, t)*y*x", "-(x*y)/t*2", "add(2*(x - t)*y, x*y, alpha=-3)", "(t - x)*t*x"])
def test_values_and_derivatives_stay_what_they_are(text: str) -> None:
    def plus(value: Tensor, other: Tensor) -> Tensor:
        return value + other

    def run(text: str, x: Tensor, y: Tensor) -> Tensor:
        code = Emitter(TORCH, {}, "x").expression(parsed(text), ())
        result: Tensor = eval(code, {"x": x, "y": y, "t": x + y, "torch": torch, "_plus": plus})  # noqa: S307 (ours)
        return result

    found = over(text).results["r"]
    assert "_(" in found
    torch.manual_seed(0)
    x, y = (torch.rand(3, dtype=torch.float64, requires_grad=True) for _ in "xy")
    torch.testing.assert_close(run(found, x, y), run(text, x, y), rtol=0, atol=0)
    assert gradcheck(lambda x, y: run(found, x, y), (x, y), check_forward_ad=True)
