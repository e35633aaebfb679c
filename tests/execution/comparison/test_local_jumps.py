"""x*log(y) at y = 0 is 0 for x = 0 alone, and infinite for any other x: it jumps by x, and is constant by y."""

from __future__ import annotations

from typing import Any

import pytest

import gradcli

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("xlogy(x, y)", {"x": 0.0, "y": 0.0}, "x", "undefined"),
    ("xlogy(x, y).sum()", {"x": [0.0, 1.0], "y": [0.0, 2.0]}, "x", "undefined"),
    ("special.xlog1py(x, y)", {"x": 0.0, "y": -1.0}, "x", "undefined"),
    ("xlogy(x, 0)", {"x": 0.0}, "x", "undefined"),
    ("xlogy(x, y)", {"x": 0.0, "y": 2.0}, "x", "match"),
    ("xlogy(x, y)", {"x": 0.0, "y": -1.0}, "y", "match"),
]


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize(("program", "values", "name", "wanted"), CASES)
def test_a_value_that_becomes_infinite_next_to_the_point_jumps(
    command: Any, program: str, values: dict[str, Any], name: str, wanted: str
) -> None:
    found = command(program, values)[name]
    assert found.verdict == wanted
    assert wanted != "undefined" or "jumps here, so it has no derivative" in str(found.note)


@pytest.mark.parametrize("program", ["xlogy(0*x, y)", "xlogy(0, y)"])
def test_by_the_operand_that_it_is_constant_by_a_derivative_exists(program: str) -> None:
    """PyTorch's gradient is 0/0."""
    found = gradcli.evaluate(program, {"y": 0.0} | ({"x": 1.0} if "x," in program else {}))["y"]
    assert found.verdict == "undefined"
    assert "the derivative exists, and is 0" in str(found.note)


@pytest.mark.parametrize("program", ["xlogy(x, x).sum()", "-F.kl_div(y, x, reduction='sum')"])
def test_of_x_log_x_none_exists_at_0(program: str) -> None:
    """Its slope grows without bound: it is log(x) + 1."""
    found = gradcli.evaluate(program, {"x": [0.0, 0.5]} | ({"y": [-1.0, -2.0]} if "kl" in program else {}))["x"]
    assert found.verdict == "undefined"
    assert "the derivative exists" not in str(found.note)
