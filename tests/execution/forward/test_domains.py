"""Random points: well conditioned matrices at any size, and no two entries alike."""

from __future__ import annotations

import pytest
import torch

from gradcli.execution.forward.domains import MATRICES, WORST_CONDITION, draw


@pytest.mark.parametrize("domain", MATRICES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 8, 8), (100, 100)])
def test_a_matrix_of_any_size_is_well_conditioned(domain: str, shape: tuple[int, ...]) -> None:
    found = draw(domain, shape, torch.Generator().manual_seed(0))
    singular = torch.linalg.svdvals(found)
    assert bool((singular[..., 0] < WORST_CONDITION * singular[..., -1]).all())
    if domain == "invertible":
        assert found.abs().unique().numel() == found.numel()
