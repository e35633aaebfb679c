"""Which jumps no gradient passes by rounding alone: by derivatives known by hand, cosh(x)⁻² of tanh and 0 of relu."""

from __future__ import annotations

from typing import Any

import pytest

from gradcli.engine import shared_derivations
from gradcli.execution.comparison.lost_jumps import lost_jumps
from gradcli.execution.comparison.rounding import Point
from gradcli.execution.forward.run import run_program
from gradcli.execution.reference.pullback import differentiate
from gradcli.execution.run import start_from
from gradcli.inputs.programs import read
from gradcli.settings import Settings

CASES: list[tuple[str, Any, list[str]]] = [
    ("tanh(floor(x))", 40.0, ["floor(x)"]),
    ("tanh(floor(x))", 40.5, []),  # no jump
    ("tanh(floor(x))", 2.0, []),  # whose gradient passes
    ("relu(floor(x) - 50)", 40.0, []),
    ("relu(tanh(floor(x)) - 2)", 40.0, []),  # what follows does not depend on it
    ("sum(3*tanh(floor(x))*1e-200)", [40.0, 1.0], ["floor(x)"]),
    ("relu(-x) * floor(x)", 1.0, []),
    # absorbed: the root of 1e18 + 1 is 5e-10 above 1e9
    ("hypot(floor(x), tensor(1e9))", 0.0, ["floor(x)"]),
    ("hypot(floor(x), tensor(1.0))", 0.0, []),  # which is seen
    ("norm(stack([floor(x), x + 1e9]))", 0.0, ["floor(x)"]),
    ("sum(floor(x)**2 + 1e20)", [0.0, 0.5], ["floor(x)"]),
    ("sum(relu(floor(x))**2 + 1e20)", [0.0], []),  # 0 below as well
    ("(floor(x) + 0.5)**2 * 0 + x", 0.0, []),
    ("cos(6.283185307179586*floor(x))", 0.0, []),  # a whole period later
]


@pytest.mark.parametrize(("program", "value", "lost"), CASES)
def test_what_jumps_behind_a_derivative_that_underflowed(program: str, value: Any, lost: list[str]) -> None:
    settings = Settings(grad_output="ones")
    parsed = read(program, settings)
    run = start_from(parsed, settings, run_program(parsed, settings, {"x": value}), shared_derivations())
    assert run.decomposition is not None
    reference = differentiate(run.decomposition, run.cotangent, run.derivations.known)
    point = Point(run.decomposition, reference, run.cotangent, run.derivations)
    assert [traced.text for traced in lost_jumps(point, point.completed({}))] == lost
