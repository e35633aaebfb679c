"""Whole numbers are made real ones where PyTorch would refuse them, or compute in single precision."""

from __future__ import annotations

import ast

import pytest
import torch

from gradcli.derivation.notation.whole import is_whole, with_floats
from gradcli.python_trees import expression_tree

VALUES = {
    "w": torch.tensor([2, 1, 3]),
    "x": torch.tensor([0.3, -0.2, 0.7], dtype=torch.float64),
    "X": torch.randn(2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64),
}
FUNCTIONS = {
    name: getattr(torch, name) for name in ("sum", "sqrt", "argsort", "diag", "sort", "norm", "where", "outer")
}

IN_REAL_NUMBERS = {
    "argsort": lambda x: torch.argsort(x).double(),
    "sort": lambda x: (torch.sort(x)[0], torch.sort(x)[1].double()),
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("X @ w", "X @ floats(w)"),
        ("X @ (w + 1)", "X @ floats(w + 1)"),
        ("X @ (w*x)", "X @ (w * x)"),
        ("X @ argsort(x)", "X @ floats(argsort(x))"),
        ("X @ sort(x)[1]", "X @ floats(sort(x)[1])"),
        ("x*(w/sum(w))", "x * (floats(w) / sum(w))"),
        ("x*sqrt(w)", "x * sqrt(floats(w))"),
        ("x*w**0.5", "x * floats(w) ** 0.5"),
        ("w*x", "w * x"),
        ("x[w - 1]", "x[w - 1]"),
        ("x[argsort(x)]*w", "x[argsort(x)] * w"),
        ("diag(w)*x", "diag(w) * x"),
        # What a gradient is has the type of its leaf.
        ("argsort(x)", "floats(argsort(x))"),
        ("2*w", "floats(2 * w)"),
        ("where(x > 0, w, 0)", "floats(where(x > 0, w, 0))"),
    ],
)
def test_whole_numbers_beside_real_ones(text: str, found: str) -> None:
    made = ast.unparse(with_floats(expression_tree(text), {"w"}))
    assert made == found
    value = eval(made, {**VALUES, **FUNCTIONS, "floats": torch.Tensor.double})  # noqa: S307 (text from above)
    assert value.dtype == torch.float64
    if not text.startswith("x["):  # real numbers are no places
        real = {name: value.double() for name, value in VALUES.items()}
        torch.testing.assert_close(value, eval(text, {**real, **FUNCTIONS, **IN_REAL_NUMBERS}))  # noqa: S307 (see above)


def test_a_quotient_and_a_function_are_no_whole_numbers() -> None:
    for text in ("w/2", "sqrt(w)", "w**-1.0", "x", "w*x", "2.0*w"):
        assert not is_whole(expression_tree(text), {"w"})
