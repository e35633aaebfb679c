"""Equal values that symmetry alone makes equal: whatever rounding makes of them, no gradient is wrong by that."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gradcli

SMOOTH = (
    "mode(torch.fft.fft(x).abs()).values",
    "mode(cat([softmax(x, 0), softmax(x + 1, 0)])).values",
    "mode(cat([exp(x)*exp(x), exp(2*x)])).values",
    "mode(cat([x/x.sum()*3, x*3/x.sum()])).values",
    "where(exp(x)*exp(x) == exp(2*x), exp(x), exp(2*x - x)).sum()",
)


@pytest.mark.parametrize("run", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize("program", SMOOTH)
def test_the_chance_of_equal_digits_makes_no_gradient_wrong(run: Any, program: str) -> None:
    for seed in (0, 2):  # without a look at what rests on chance, two programs are mismatches there
        x = torch.randn(4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        for dtype in ("float64", "float32"):
            assert run(program, {"x": x}, dtype=dtype)["x"].verdict in {"match", "undecided", "subgradient"}


@pytest.mark.parametrize("run", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        # 1, of 0, 1 and 1: with 1 ± h in the place of one of them the smallest is the mode, 0
        ("mode(x).values", "undefined"),
        ("mode(x.reshape(3, 1).T).values.sum()", "undefined"),
        ("where(x == 1, 5*x, x).sum()", "undefined"),
    ],
)
def test_values_that_are_given_are_equal(run: Any, program: str, wanted: str) -> None:
    assert run(program, {"x": [0.0, 1.0, 1.0]})["x"].verdict == wanted
