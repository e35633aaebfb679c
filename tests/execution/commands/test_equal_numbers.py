"""The spread of equal numbers: by one of three it has the slopes 1/√3 and -1/√3, and PyTorch gives 0 or NaN."""

from __future__ import annotations

from typing import Any

import pytest

import gradcli


@pytest.mark.parametrize("run", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize(
    ("program", "wanted"),
    [("std(x)", "subgradient"), ("norm(x - x.mean())", "subgradient"), ("sqrt(var(x))", "undefined")],
)
def test_equal_numbers_have_a_choice_or_nan(run: Any, program: str, wanted: str) -> None:
    assert run(program, {"x": [2.0, 2.0, 2.0]})["x"].verdict == wanted
