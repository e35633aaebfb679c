"""The definitions of losses at extreme entries, against sums over all that they are of."""

from __future__ import annotations

from itertools import groupby, product

import mpmath
import pytest
import torch

import gradcli
from gradcli.report.verdict import Verdict

BLANK = 0


def posteriors(logits: list[list[float]], labels: list[int]) -> list[list[float]]:
    """Return how likely each class is at each step, of paths with these labels but for repeats and blanks."""
    with mpmath.workdps(30):
        chances = [[mpmath.exp(one) for one in row] for row in logits]
        sums = [[mpmath.mpf(0) for _ in row] for row in logits]
        total = mpmath.mpf(0)
        for path in product(range(len(logits[0])), repeat=len(logits)):
            if [label for label, _ in groupby(path) if label != BLANK] == labels:
                chance = mpmath.fprod(row[label] for row, label in zip(chances, path, strict=True))
                total += chance
                for step, label in enumerate(path):
                    sums[step][label] += chance
        return [[float(one / total) for one in row] for row in sums]


@pytest.mark.parametrize("far", [-3.0, -1e29, -1e30, -4e31])
def test_a_ctc_loss_of_unlikely_labels_has_the_derivative_of_the_sum_over_its_paths(far: float) -> None:
    logits = [[far, -0.37, far], [far, -0.87, far], [0.25, -0.71, far], [far, -0.75, far]]
    x = torch.tensor(logits, dtype=torch.float64)[:, None]
    found = gradcli.evaluate(
        "F.ctc_loss(log_softmax(x, dim=-1), tensor([[1, 2]]), (4,), (2,), reduction='sum')", {"x": x}
    )
    wanted = torch.softmax(x, -1) - torch.tensor(posteriors(logits, [1, 2]), dtype=torch.float64)[:, None]
    torch.testing.assert_close(found["x"].symbolic.value, wanted, rtol=1e-9, atol=1e-12)


def test_labels_without_a_path_have_no_gradient() -> None:
    program = "F.ctc_loss(log_softmax(x, dim=-1), tensor([[1, 1], [1, 2]]), (2, 2), (2, 2), zero_infinity=True)"
    x = torch.tensor(
        [[[0.5, -1.0, 2.0], [0.25, 1.5, -0.5]], [[1.0, 0.0, -2.0], [0.75, -1.25, 1.0]]], dtype=torch.float64
    )
    found = gradcli.evaluate(program, {"x": x})["x"]
    assert found.verdict is Verdict.MATCH
    assert not found.symbolic.value[:, 0].any()
    assert found.symbolic.value[:, 1].all()
