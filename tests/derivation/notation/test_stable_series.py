"""Series in the place of what cancels near 0: against 50 digits, in every precision."""

from __future__ import annotations

from typing import Any

import mpmath
import pytest
import torch

from gradcli.derivation.notation.stable import stable

NAMES = ("sin", "cos", "exp", "expm1", "log1p", "where", "abs", "tanh", "sigmoid")
CANCEL = [
    "(cos(x) - sin(x)/x)/x",
    "(1/(x + 1) - log1p(x)/x)/x",
    "(exp(x) - expm1(x)/x)/x",
    "(3*sin(x) - x*cos(x) - 2*x)/x**4",
]
EXACT = {name: getattr(mpmath, name) for name in ("sin", "cos", "exp", "expm1", "log1p")}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("text", CANCEL)
def test_the_series_has_the_digits_that_the_formula_loses(text: str, dtype: torch.dtype) -> None:
    tiny = 1e-5 if torch.finfo(dtype).bits > 16 else 4e-3
    value = torch.tensor([tiny, -0.01, 0.05], dtype=dtype)
    names: dict[str, Any] = {name: getattr(torch, name) for name in NAMES} | {"x": value}
    own, given = (eval(one, dict(names)) for one in (stable(text)[0], text))  # noqa: S307 (of this file)
    with mpmath.workdps(50):
        exact = [eval(text, {**EXACT, "x": mpmath.mpf(float(one))}) for one in value]  # noqa: S307 (of this file)
    errors = [max(abs(float(one) / ref - 1) for one, ref in zip(side, exact, strict=True)) for side in (own, given)]
    assert errors[0] < max(1e-10, 4 * torch.finfo(dtype).eps)
    assert not errors[1] < 20 * errors[0]


def test_the_value_among_others_is_written_so() -> None:
    found, said = stable("g*(cos(x) - sin(x)/x)/(y*x)")
    assert found.startswith("g*where(abs(x) < 1.0, -x/3 + x**3/30 - ")
    assert found.endswith("(cos(x) - sin(x)/x)/x)/y")
    assert said == ("(cos(x) - sin(x)/x)/x loses digits near 0: it is its power series there",)


def test_a_polynomial_is_its_series_everywhere() -> None:
    assert stable("1 - (1 - x)**2")[0] == "2*x - x**2"


@pytest.mark.parametrize("text", ["1 + x**2", "sin(x) - y", "cos(x)/x", "1/x**2 - 1/(x + 1)**2", "x*(x - 1)"])
def test_what_does_not_cancel_at_0_stays(text: str) -> None:
    assert stable(text) == (text, ())
