from __future__ import annotations

import pytest
import torch

from gradcli.execution.forward.indices import show_index, unravel


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 4)])
def test_a_position_is_unravelled_as_torch_does(shape: tuple[int, ...]) -> None:
    for position in range(torch.Size(shape).numel()):
        expected = [int(axis) for axis in torch.unravel_index(torch.tensor(position), shape)]
        assert list(unravel(position, shape)) == expected


def test_an_index_is_shown_and_that_of_a_scalar_is_not() -> None:
    assert show_index((0, 12)) == " at [0, 12]"
    assert show_index(()) == ""
