"""Other last bits: relative to each entry, and of equal entries the same where these are to stay equal."""

from __future__ import annotations

import torch

from gradcli.execution.reference.last_bits import perturb_alike


def test_equal_entries_stay_equal_and_others_move_by_themselves() -> None:
    values = torch.tensor([3.0, 0.5, 3.0, 0.0, -0.5], dtype=torch.float64)
    moved = perturb_alike(values, 1, 1e-6)
    shifts = (moved - values)[values != 0] / values[values != 0]
    assert moved[0] == moved[2]
    assert moved[3] == 0
    assert len(set(shifts.tolist())) == 3
    assert 0 < float(shifts.abs().min()) <= float(shifts.abs().max()) <= 1e-6


def test_any_seed_makes_changes_of_its_own() -> None:
    entry = torch.tensor([1.0], dtype=torch.float64)
    changed = {float(perturb_alike(entry, seed, 1e-3)[0]) for seed in (1, 2, 3, 1000, 2**32 + 1)}
    assert len(changed) == 5
    assert all(0 < abs(one - 1) <= 1e-3 for one in changed)


def test_complex_entries_move_by_their_parts() -> None:
    values = torch.tensor([1 + 2j, 1 - 3j], dtype=torch.complex128)
    moved = torch.view_as_real(perturb_alike(values, 1, 1e-6))
    assert moved[0, 0] == moved[1, 0] != 1
    assert torch.allclose(moved, torch.view_as_real(values), rtol=1e-6, atol=0)
