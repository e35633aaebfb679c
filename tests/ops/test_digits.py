"""Derivatives where formulas lose digits, against mpmath at 60 digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.settings import Settings

mp = pytest.importorskip("mpmath").mp.clone()
mp.dps = 60

DERIVATIVES: dict[str, Callable[[Any], Any]] = {
    "special.i0e(x)": lambda x: mp.exp(-abs(x)) * (mp.besseli(1, x) - mp.sign(x) * mp.besseli(0, x)),
    "special.i1(x)": lambda x: (mp.besseli(0, x) + mp.besseli(2, x)) / 2,
    "special.i1e(x)": lambda x: (
        mp.exp(-abs(x)) * ((mp.besseli(0, x) + mp.besseli(2, x)) / 2 - mp.sign(x) * mp.besseli(1, x))
    ),
    "special.erfcx(x)": lambda x: 2 * x * mp.exp(x * x) * mp.erfc(x) - 2 / mp.sqrt(mp.pi),
    "special.log_ndtr(x)": lambda x: mp.npdf(x) / (mp.erfc(-x / mp.sqrt(2)) / 2),
    "sinc(x)": lambda x: (mp.cos(mp.pi * x) * mp.pi * x - mp.sin(mp.pi * x)) / (mp.pi * x * x),
    "expm1(x)": mp.exp,
    "asinh(x)": lambda x: 1 / mp.hypot(x, 1),
    "digamma(x**2)": lambda x: 2 * x * mp.psi(1, x * x),
    "polygamma(2, x**2)": lambda x: 2 * x * mp.psi(3, x * x),
    "hypot(x, x)": lambda x: mp.sqrt(2) * mp.sign(x),
    "atan2(x, 2*x**2)": lambda x: -2 / (1 + 4 * x * x),
    "3/x": lambda x: -3 / (x * x),
}
POINTS = [-1e4, -301.0, -30.0, -12.0, -8.0, -1.0, -0.3, -1e-3, -1e-8, 1e-20, 1e-8, 1e-3, 0.09, 0.11, 0.5, 1.0, 3.0]
POINTS += [8.0, 9.9, 10.1, 25.0, 299.0, 301.0, 1e4]
# Cancellation between a value and its neighbour branch costs a few digits at most.
RELATIVE = 1e-11


@pytest.mark.parametrize("program", DERIVATIVES)
def test_the_derivative_keeps_its_digits(program: str) -> None:
    x = torch.tensor(POINTS, dtype=torch.float64)
    settings = Settings(grad_output=torch.ones_like(x), formulas=False)  # type: ignore[arg-type]
    report = evaluate_program(program, settings, {"x": x})
    symbolic = report.tensors[0].symbolic
    assert symbolic is not None
    found: Any = symbolic.value
    for point, value in zip(POINTS, found.tolist(), strict=True):
        wanted = DERIVATIVES[program](mp.mpf(point))
        if 1e-300 < abs(wanted) < 1e300:
            assert abs(value - wanted) <= RELATIVE * abs(wanted), point
