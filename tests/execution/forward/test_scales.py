"""By how much inputs are scaled for what is computed from them to get beyond a number: known by arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

from gradcli.execution.forward.scales import Scaled, crossings, sides

POINT = {"a": torch.tensor([3.0, 4.0]), "b": torch.tensor([-1.0, -2.0])}
# A norm of 5 is below 1 once divided by 8, and above 1000 at 8**3 times; a sum of -3 is 24 for -8 times; -7/3 is above
# -0.1 once divided by 64.
WANTED: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], float, list[Scaled]]] = {
    "down": (lambda a, _: a.norm(), 1.0, [Scaled(("a", "b"), 1 / 8)]),
    "up": (lambda a, _: a.norm(), 1000.0, [Scaled(("a", "b"), 512.0)]),
    "the other sign": (lambda _, b: b.sum(), 2.0, [Scaled(("a", "b"), -8.0)]),
    "of one alone": (lambda a, b: a.sum() / b.sum(), -0.1, [Scaled(("a",), 1 / 64)]),
    "on both sides": (lambda a, _: a, 3.5, []),
    "never": (lambda a, _: a.norm(), -1.0, []),
}


@pytest.mark.parametrize(("function", "number", "wanted"), WANTED.values(), ids=list(WANTED))
def test_scales_are_the_nearest_that_cross_a_number(
    function: Callable[[Tensor, Tensor], Tensor], number: float, wanted: list[Scaled]
) -> None:
    def sides_at(change: Scaled) -> list[Tensor]:
        point: Mapping[str, Tensor] = change.applied(POINT)
        return list(sides([function(point["a"], point["b"])], [number]))

    assert crossings(list(POINT), sides_at) == wanted
