"""Labels, indices and masks that are drawn by their shape alone."""

from __future__ import annotations

import pytest
import torch

import gradcli
from gradcli.errors import GradcliError
from gradcli.execution.formulas.drawn_leaves import traced_at
from gradcli.execution.formulas.draws import Draw, labels, positive
from gradcli.execution.reference.tensor_eval import identity
from gradcli.inputs.programs import read
from gradcli.language.program import Program
from gradcli.settings import Settings


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


def drawn(program: str, shapes: dict[str | None, tuple[int, ...]], draw: Draw) -> dict[str, torch.Tensor]:
    """Return the leaves of a program, drawn."""
    settings = Settings(shapes=shapes)
    found = read(program, settings)
    assert isinstance(found, Program)
    return {leaf.text: leaf.tensor for leaf in traced_at(found, settings, {}, 0, draw).leaves}


def test_two_leaves_of_labels_are_drawn_apart() -> None:
    leaves = drawn("(W[i]*V[j]).sum()", {"W": (9, 2), "V": (9, 2), "i": (20,), "j": (20,)}, identity)
    assert not torch.equal(leaves["i"], leaves["j"])


def test_labels_stay_where_numbers_are_drawn_positive() -> None:
    leaves = drawn("log(W[i]).sum()", {"W": (5, 2), "i": (4,)}, positive)
    assert not leaves["i"].is_floating_point()
    assert bool((leaves["W"] > 0).all())
