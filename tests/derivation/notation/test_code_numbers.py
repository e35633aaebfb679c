"""Numbers in code as a reader would type them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from gradcli.derivation.notation.code import Wanted, source
from gradcli.derivation.notation.decimals import typed_in


@pytest.mark.parametrize(
    ("formula", "program", "code"),
    [
        ("4*x/5", "0.8*x", "0.8 * x"),
        ("8*x/5", "0.8*x**2", "1.6 * x"),
        ("x/10", "0.9*x", "0.1 * x"),  # 1 - 0.9
        ("-4*x/5", "-0.8*x", "-0.8 * x"),
        ("4/(5*x)", "0.8/x", "4 / (5 * x)"),
        ("2*x/5", "mean(x**2)", "2 * x / 5"),  # of a length
        ("x/5", "mean(x)", "x / 5"),
        ("2*0.0001*x", "0.0001*x**2", "0.0002 * x"),
        ("x**(3/2)", "x**2.5", "x**1.5"),
        ("x*(1/3)", "x/3", "x * (1 / 3)"),
        ("2*x/3", "0.1*x", "2 * x / 3"),
        ("x*(4*y/5 + 1)", "0.8*x*y", "x * (0.8 * y + 1)"),
    ],
)
@pytest.mark.parametrize("to", ["torch", "numpy"])
def test_a_number_of_code_is_the_one_that_was_typed(formula: str, program: str, code: str, to: str) -> None:
    wanted = [Wanted(formula, ("x",), (3,), exact=True)]
    assert f"return {code}\n" in source(to, {"x": (3,), "y": (3,)}, wanted, typed=typed_in(program))


def test_the_decimals_of_a_program() -> None:
    assert typed_in("huber_loss(x, y, delta=0.8) + 2*x1**1.0") == {Fraction(4, 5), Fraction(1, 5), Fraction(1)}
    assert typed_in("x**1.5j") == set()
    assert typed_in("(x") == set()


@pytest.mark.parametrize(
    ("formula", "code"),
    [
        ("x/sqrt(y)", "x * torch.rsqrt(y)"),
        ("1/sqrt(y + 1)", "torch.rsqrt(y + 1)"),
        ("x/sqrt(2)", "x / math.sqrt(2)"),
        ("sqrt(y)/x", "torch.sqrt(y) / x"),
    ],
)
def test_pytorch_multiplies_by_inverse_roots(formula: str, code: str) -> None:
    assert f"return {code}\n" in source("torch", {"x": (3,), "y": (3,)}, [Wanted(formula, ("x",), (3,), exact=True)])
