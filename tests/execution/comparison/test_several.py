"""What is said of small gradients that are looked at together is what is said of each by itself."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.execution.comparison import several
from gradcli.execution.comparison.compare import Survey, compare
from gradcli.execution.comparison.several import SMALL, rows, surveys
from gradcli.execution.comparison.sizes import SizesOfEntries
from gradcli.execution.forward.trace import TracedTensor
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

DOUBLE = Tolerance.of("float64")


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def changed(tensor: Tensor, place: int, value: float) -> Tensor:
    other = tensor.clone()
    other.view(-1)[place] = value
    return other


REFERENCE = numbers(3, 4)
# Gradients of twelve entries beside references.
PAIRS = {
    "the same": (REFERENCE.clone(), REFERENCE),
    "a rounding error": (changed(REFERENCE, 5, float(REFERENCE[1, 1]) * (1 + 1e-15)), REFERENCE),
    "another one": (REFERENCE.T * (1 - 1e-15), REFERENCE.T),
    "the worst entry of two": (
        changed(changed(REFERENCE, 3, 7.0), 8, 7.0),
        changed(changed(REFERENCE, 3, 5.0), 8, 5.0),
    ),
    "an entry that is wrong": (changed(REFERENCE, 7, 3.0), REFERENCE),
    "zero in both": (changed(REFERENCE, 0, 0.0) * (1 + 1e-15), changed(REFERENCE, 0, 0.0)),
    "zeros of two signs": (changed(REFERENCE, 0, -0.0), changed(REFERENCE, 0, 0.0)),
    "negative, and the same": (-REFERENCE.abs(), -REFERENCE.abs()),
    "an error beside 0": (changed(REFERENCE, 0, 1e-300), changed(REFERENCE, 0, 0.0)),
    "NaN": (changed(REFERENCE, 4, torch.nan), REFERENCE),
    "NaN in the reference": (REFERENCE, changed(REFERENCE, 4, torch.nan)),
    "infinity in both": (changed(REFERENCE, 4, torch.inf), changed(REFERENCE, 4, torch.inf)),
    "too large": (changed(REFERENCE, 4, 1e308), changed(REFERENCE, 4, -1e308)),
    "another shape": (numbers(12), REFERENCE),
    "another length": (numbers(5), REFERENCE),
}


def test_each_is_compared_as_by_itself() -> None:
    gradients, references = ({name: pair[side] for name, pair in PAIRS.items()} for side in (0, 1))
    found = surveys({**gradients, "none": None}, {**references, "none": REFERENCE})
    assert {"the same", "a rounding error", "another one", "an entry that is wrong", "an error beside 0"} <= {*found}
    for name, (gradient, reference) in PAIRS.items():
        by_itself = compare(gradient, reference, DOUBLE)
        assert repr(compare(gradient, reference, DOUBLE, survey=found.get(name))) == repr(by_itself), name


def test_what_is_known_is_not_looked_at_again() -> None:
    known = Survey(1e-20, 3, 1e-19, 2.0)
    found = compare(REFERENCE, REFERENCE, DOUBLE, survey=known)
    assert (found.max_abs_error, found.max_rel_error, found.worst_index) == (1e-20, 1e-19, (0, 3))


def test_the_numbers_are_those_of_each_tensor() -> None:
    gradients = {
        "x": torch.tensor([1.0, 2.5], dtype=torch.float64),
        "y": torch.tensor([3.0, -8.0], dtype=torch.float64),
    }
    references = {
        "x": torch.tensor([1.0, 2.0], dtype=torch.float64),
        "y": torch.tensor([4.0, -8.0], dtype=torch.float64),
    }
    found = {name: dataclasses.astuple(one) for name, one in surveys(gradients, references).items()}
    assert found == {"x": (0.5, 1, 0.25, 2.0), "y": (1.0, 0, 0.25, 8.0)}


def test_gradients_of_lower_dtypes_are_compared_in_double_precision() -> None:
    lower = {name: numbers(4, seed=seed).to(torch.float32) for seed, name in enumerate("xy")}
    references = {name: one.double() * (1 + 1e-9) for name, one in lower.items()}
    assert all(0 < one.relative < 1e-8 for one in surveys(lower, references).values())
    assert len(surveys(lower, references)) == 2
    assert not surveys(lower, lower)  # their dtype is that of no reference


def test_large_tensors_and_those_of_a_number_of_entries_of_their_own_are_left_out() -> None:
    large, small = torch.zeros(SMALL + 1), torch.zeros(3)
    tensors = {
        "a": large,
        "b": large,
        "c": small,
        "d": torch.zeros(3, dtype=torch.float64),
        "e": small.int(),
        "i": small.int(),
    }
    assert not list(rows(tensors))
    ((keys, matrix),) = rows({**tensors, "f": torch.ones(1, 3), "g": torch.zeros(0), "h": torch.zeros(0)})
    assert keys == ["c", "f"]
    assert matrix.equal(torch.tensor([[0.0] * 3, [1.0] * 3]))


def test_sizes_are_those_of_each_tensor() -> None:
    values = [
        torch.tensor(one, dtype=torch.float64) for one in ([1.0, -4.0], [[0.5], [-0.25]], [torch.nan, 2.0], [3.0])
    ]
    traced = [TracedTensor(value, None, "x") for value in (*values, torch.tensor([1, 2]))]
    together, apart = SizesOfEntries(), SizesOfEntries()
    together.look_at(traced)
    assert repr([together.of(one) for one in traced]) == repr([apart.of(one) for one in traced])
    assert together.of(traced[0]) == (1.0, 4.0)
    assert together.of(traced[1]) == (0.25, 0.5)


@pytest.mark.parametrize("small", [0, SMALL])
def test_an_entry_that_is_wrong_is_found_among_many_tensors(small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several, "SMALL", small)
    y, z = (torch.tensor(one, dtype=torch.float64) for one in ([1.0, 2.0], [3.0, 1.0]))
    report = gradcli.check("y*z*F.hardsigmoid(x)", {"x": [0.5, 1.0], "y": y, "z": z}, grad_output="ones")
    assert report["y"].verdict is report["z"].verdict is Verdict.MATCH
    assert report["x"].verdict is Verdict.MISMATCH  # PyTorch's 1/6 is one of single precision
    error = (report["x"].gradient - y * z / 6).abs().max()
    assert report["x"].symbolic.max_abs_error == pytest.approx(float(error), rel=1e-3)
