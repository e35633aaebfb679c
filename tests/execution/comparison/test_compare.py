from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gradcli.execution.comparison.compare import compare
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

DOUBLE = Tolerance.of("float64")
INF, NAN = math.inf, math.nan


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("gradient", "reference", "verdict"),
    [
        ((1.0, 2.0), (1.0, 2.0), Verdict.MATCH),
        ((1.0 + 9e-10, 2.0), (1.0, 2.0), Verdict.MATCH),
        ((1.0 + 2e-9, 2.0), (1.0, 2.0), Verdict.MISMATCH),
        # An entry is judged by its own size, down to 1e-13 of the largest one.
        ((1e-13, 1.0), (0.0, 1.0), Verdict.MATCH),
        ((2e-13, 1.0), (0.0, 1.0), Verdict.MISMATCH),
        ((1e-6 + 1e-12, 1.0), (1e-6, 1.0), Verdict.MISMATCH),
        ((1e-300, 0.0), (0.0, 0.0), Verdict.MISMATCH),
        ((INF, 1.0), (INF, 1.0), Verdict.MATCH),
        ((-INF, 1.0), (-INF, 1.0), Verdict.MATCH),
        ((INF, 1.0), (-INF, 1.0), Verdict.MISMATCH),
        ((INF, 1.0), (1e300, 1.0), Verdict.MISMATCH),
        ((1e300, 1.0), (INF, 1.0), Verdict.MISMATCH),
        ((NAN, 1.0), (NAN, 1.0), Verdict.UNDEFINED),
        ((NAN, 1.0), (1.0, 1.0), Verdict.UNDEFINED),
        ((1.0, 1.0), (NAN, 1.0), Verdict.UNDEFINED),
    ],
)
def test_double_precision(gradient: tuple[float, ...], reference: tuple[float, ...], verdict: Verdict) -> None:
    assert compare(tensor(*gradient), tensor(*reference), DOUBLE).verdict is verdict


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float16", 1e-2), ("bfloat16", 5e-2)])
def test_lower_precision_is_judged_by_the_largest_entry(dtype: str, tolerance: float) -> None:
    reference = tensor(0.0, 1000.0)
    within, beyond = tensor(999 * tolerance, 1000.0), tensor(1002 * tolerance, 1000.0)
    assert compare(within, reference, Tolerance.of(dtype)).verdict is Verdict.MATCH
    assert compare(beyond, reference, Tolerance.of(dtype)).verdict is Verdict.MISMATCH


def test_the_user_overrides_a_tolerance() -> None:
    assert compare(tensor(1.01), tensor(1.0), Tolerance.of("float64", rtol=0.1)).verdict is Verdict.MATCH
    assert compare(tensor(1.0 + 1e-12), tensor(1.0), Tolerance.of("float64", rtol=0.0)).verdict is Verdict.MISMATCH
    assert compare(tensor(0.1, 1.0), tensor(0.0, 1.0), Tolerance.of("float64", atol=0.2)).verdict is Verdict.MATCH


def test_noise_is_allowed_on_top_of_the_tolerance() -> None:
    gradient, reference = tensor(1e-11, 1.0), tensor(0.0, 1.0)
    assert compare(gradient, reference, DOUBLE, tensor(1e-11, 0.0)).verdict is Verdict.MATCH
    assert compare(gradient, reference, DOUBLE, tensor(0.0, 1e-11)).verdict is Verdict.MISMATCH


def test_the_worst_entry_is_one_that_is_wrong() -> None:
    # The first entry is farther off, and within its tolerance.
    found = compare(tensor(1e6 + 5e-4, 1.1e-3), tensor(1e6, 1e-3), DOUBLE)
    assert found.verdict is Verdict.MISMATCH
    assert found.worst_index == (1,)
    assert found.max_abs_error == pytest.approx(1e-4)


def test_the_place_of_the_worst_entry() -> None:
    reference = torch.arange(6, dtype=torch.float64).reshape(1, 2, 3)
    gradient = reference.clone()
    gradient[0, 1, 2] += 1
    found = compare(gradient, reference, DOUBLE)
    assert found.worst_index == (0, 1, 2)
    assert "[0, 1, 2]" in (found.note or "")
    assert (found.max_abs_error, found.max_rel_error) == (1.0, 0.2)


def test_shapes_that_differ_and_tensors_without_entries() -> None:
    assert compare(tensor(1.0), tensor(1.0, 1.0), DOUBLE).verdict is Verdict.MISMATCH
    assert compare(tensor(), tensor(), DOUBLE).verdict is Verdict.MATCH


@pytest.mark.parametrize("shape", [(60,), (5, 12), (3, 4, 5), (1, 60), (60, 1)])
@pytest.mark.parametrize("error", [0.0, 1e-12, 1e-3, INF, NAN])
@pytest.mark.parametrize("place", [0, 31, 59])
def test_comparing_in_parts_finds_the_same(
    shape: tuple[int, ...], error: float, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = torch.randn(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gradient = reference * (1 + 1e-15)
    gradient[place] += error
    whole = compare(gradient.reshape(shape), reference.reshape(shape), DOUBLE)
    monkeypatch.setattr("gradcli.execution.comparison.compare.BLOCK", 7)
    assert repr(compare(gradient.reshape(shape), reference.reshape(shape), DOUBLE)) == repr(whole)
    passes = abs(error) <= 1e-9 * abs(float(reference[place]))
    assert (whole.verdict is Verdict.MATCH) is passes
    assert whole.max_abs_error == pytest.approx(error, abs=1e-14) or not math.isfinite(error)


@pytest.mark.parametrize(
    ("gradient", "reference", "relative"),
    [
        ((0.0, 1.0), (0.0, 1.0 + 1e-12), 1e-12),  # 0/0 is no error
        ((0.0, -1.0), (0.0, -1.0 - 1e-12), 1e-12),
        ((1e-14, 1.0), (0.0, 1.0), INF),
        ((-1e-14, 0.0, 1.0), (0.0, 0.0, 1.0), INF),
        ((1e-14 + 1e-25j, 1.0), (1e-14, 1.0), 1e-11),
        ((0j, 1j), (0j, 1j - 1e-12), 1e-12),
    ],
)
def test_the_largest_relative_error(
    gradient: tuple[complex, ...], reference: tuple[complex, ...], relative: float
) -> None:
    one, other = torch.tensor(gradient, dtype=torch.complex128), torch.tensor(reference, dtype=torch.complex128)
    if not any(isinstance(entry, complex) for entry in (*gradient, *reference)):
        one, other = one.real, other.real
    found = compare(one, other, DOUBLE)
    assert (found.verdict, found.max_rel_error) == (Verdict.MATCH, pytest.approx(relative, rel=1e-3))


def test_tensors_that_are_not_contiguous_are_compared_where_their_entries_are() -> None:
    reference = torch.arange(1.0, 13, dtype=torch.float64).reshape(3, 4)
    gradient = reference.clone()
    gradient[2, 1] += 1
    assert compare(gradient.mT.contiguous().mT, reference, DOUBLE).worst_index == (2, 1)
    assert compare(gradient.mT, reference.mT, DOUBLE).worst_index == (1, 2)


def test_a_match_tells_whether_every_entry_is_finite() -> None:
    assert compare(tensor(1.0, 2.0), tensor(1.0, 2.0), DOUBLE).is_finite
    assert not compare(tensor(INF, 2.0), tensor(INF, 2.0), DOUBLE).is_finite


@pytest.mark.parametrize(("entry", "verdict"), [(2.0, Verdict.MATCH), (INF, Verdict.MATCH), (NAN, Verdict.UNDEFINED)])
def test_a_gradient_that_is_the_reference_itself_is_compared_as_any_other(entry: float, verdict: Verdict) -> None:
    one = tensor(1.0, entry)
    found = compare(one, one, DOUBLE)
    assert (found.verdict, found.is_finite) == (verdict, entry == 2.0)
    assert verdict is Verdict.UNDEFINED or (found.max_abs_error, found.max_rel_error, found.worst_index) == (0, 0, (0,))


@pytest.mark.parametrize("place", range(6))
def test_an_entry_that_differs_is_found_among_parts_that_are_the_same(
    place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradcli.execution.comparison.compare.BLOCK", 2)
    reference = tensor(1, 2, 4, 8, 16, 32)
    gradient = reference.clone()
    gradient[place] += 2.0**-40
    found = compare(gradient, reference, DOUBLE)
    assert (found.verdict, found.worst_index, found.max_abs_error) == (Verdict.MATCH, (place,), 2.0**-40)
    assert found.max_rel_error == 2.0 ** (-40 - place)


def test_precisions_may_differ() -> None:
    assert compare(tensor(1.0, 2.0).float(), tensor(1.0, 2.0), DOUBLE).verdict is Verdict.MATCH
    assert compare(tensor(1.0, 0.1).float(), tensor(1.0, 0.1), DOUBLE).verdict is Verdict.MISMATCH


@pytest.mark.parametrize("noise", [0.0, 1e-6, torch.tensor(1e-6), tensor(0, 1e-6, 1e-3, 0), tensor(1e-6, 0, 1e-6, 1)])
@pytest.mark.parametrize("tolerance", [DOUBLE, Tolerance.of("float32")], ids=str)
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("error", [1e-11, 1e-7, 1e-4, 0.5, INF])
def test_the_noise_of_each_entry_is_allowed_for_it(
    noise: float | Tensor, tolerance: Tolerance, place: int, error: float
) -> None:
    reference = tensor(1, -2, 1e-3, 0)
    gradient = reference.clone()
    gradient[place] += error
    mine = float(torch.as_tensor(noise).expand(4)[place])
    own = tolerance.relative * (2.0 if tolerance.normwise else abs(float(reference[place])))
    allowed = own + tolerance.absolute * (1.0 if tolerance.normwise else 2.0) + mine
    verdict = compare(gradient, reference, tolerance, noise).verdict
    assert verdict is (Verdict.MATCH if error <= allowed else Verdict.MISMATCH)
