"""Labels, indices and masks that are drawn by their shape alone."""

from __future__ import annotations

import pytest
import torch

import gradcli
from gradcli.errors import GradcliError
from gradcli.execution.formulas.draws import labels


def test_a_mask_has_both_truth_values() -> None:
    found = labels(None, (50,), 0)
    assert found.dtype == torch.bool
    assert 0 < int(found.sum()) < len(found)


def test_labels_are_all_classes_and_no_other() -> None:
    assert {*labels(4, (10, 10), 0).reshape(-1).tolist()} == {0, 1, 2, 3}
    assert {*labels(0, (3,), 0).tolist()} == {0}


def test_a_gradient_by_labels_is_refused() -> None:
    with pytest.raises(GradcliError, match=r"one_hot|integer|Long|int"):
        gradcli.derive("F.cross_entropy(X, t)", {"X": (4, 3), "t": (4,)}, wrt="t")


def test_two_leaves_of_labels_are_drawn_apart() -> None:
    assert not torch.equal(labels(9, (20,), 0), labels(9, (20,), 1))
