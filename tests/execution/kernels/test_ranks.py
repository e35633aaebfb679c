"""What rests on the rank of a matrix jumps where the rank falls; by hand, and by PyTorch's own autograd."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gradcli


# A singular value that is far below rtol is taken for 0 next to the point as well.
@pytest.mark.parametrize(
    ("program", "matrix", "wanted"),
    [
        ("torch.pinverse(A).sum()", [[1.0, 2.0], [2.0, 4.0]], "undefined"),
        ("torch.linalg.pinv(A, rtol=0.1).sum()", [[1.0, 2.0], [2.0, 4.0]], "match"),
        ("torch.linalg.pinv(A).sum()", [[[1.0, 2.0], [2.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]], "undefined"),
        ("torch.linalg.lstsq(A, A)[0].sum()", [[1.0, 2.0], [2.0, 4.0]], "undefined"),
        ("torch.linalg.matrix_rank(A)*A.sum()", [[1.0, 2.0], [2.0, 4.0]], "undefined"),
        ("torch.linalg.matrix_rank(A)*A.sum()", [[1.0, 2.0], [2.0, 5.0]], "match"),
    ],
)
def test_eval_knows_where_the_rank_of_a_matrix_falls(program: str, matrix: Any, wanted: str) -> None:
    assert gradcli.evaluate(program, {"A": matrix})["A"].verdict == wanted


def test_a_product_that_keeps_its_rank_has_a_smooth_pseudo_inverse() -> None:
    """The pseudo-inverse of a column times a row is b a^T/(|a|^2 |b|^2): smooth in both, though not in the product."""
    report = gradcli.evaluate("torch.linalg.pinv(outer(a, b)).sum()", {"a": [1.0, 2.0], "b": [3.0, 4.0]})
    a, b = (torch.tensor(one, dtype=torch.float64, requires_grad=True) for one in ([1.0, 2.0], [3.0, 4.0]))
    (torch.outer(b, a).sum() / (a @ a) / (b @ b)).backward()
    assert {report["a"].verdict, report["b"].verdict} == {"match"}
    assert report["outer(a, b)"].verdict == "undefined"
    assert torch.allclose(report["a"].gradient, a.grad)
    assert torch.allclose(report["b"].gradient, b.grad)
