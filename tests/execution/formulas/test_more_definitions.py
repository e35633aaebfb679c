"""Definitions of textbooks that were added for formulas: the code that is written of them is compared with autograd."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

import gradcli

MASK = "tensor([[True, False, True], [False, True, True]])"
NAMES = {"F": functional, "torch": torch, "linalg": torch.linalg, "tensor": torch.tensor}
Shapes = dict[str, tuple[int, ...]]
PROGRAMS: list[tuple[str, Shapes]] = [
    ("F.conv_transpose1d(x, w, b, stride=2, padding=1, output_padding=1)", {"x": (2, 2, 4), "w": (2, 3, 3), "b": (3,)}),
    ("F.conv_transpose1d(x, w, groups=2, dilation=2)", {"x": (1, 4, 3), "w": (4, 3, 2)}),
    ("F.conv_transpose2d(x, w, stride=(2, 1), padding=(1, 0))", {"x": (1, 2, 3, 3), "w": (2, 2, 3, 2)}),
    ("F.embedding_bag(tensor([2, 0, 1]), w, tensor([0, 2]))", {"w": (3, 2)}),
    (
        "F.embedding_bag(tensor([2, 0, 1]), w, tensor([0, 2]), mode='sum', per_sample_weights=s)",
        {"w": (3, 2), "s": (3,)},
    ),
    ("F.linear_cross_entropy(x, w, tensor([2, 0]), linear_bias=b)", {"x": (2, 3), "w": (4, 3), "b": (4,)}),
    ("F.pdist(x)", {"x": (4, 3)}),
    ("F.pdist(x, 1.0)", {"x": (3, 2)}),
    ("linalg.vander(x, N=4)", {"x": (3,)}),
    (f"torch.masked.mean(x, 1, mask={MASK})", {"x": (2, 3)}),
    (f"torch.masked.amin(x, mask={MASK})", {"x": (2, 3)}),
    (f"torch.masked.amax(x, 0, keepdim=True, mask={MASK})", {"x": (2, 3)}),
    (f"torch.masked.std(x, 1, correction=0, mask={MASK})", {"x": (2, 3)}),
    (f"torch.masked.var(x, unbiased=True, mask={MASK})", {"x": (2, 3)}),
    (f"torch.masked.normalize(x, 2, 1, mask={MASK})", {"x": (2, 3)}),
    ("torch.corrcoef(x)[0, 1:]", {"x": (3, 4)}),
]


@pytest.mark.parametrize(("program", "shapes"), PROGRAMS)
def test_the_code_is_what_autograd_says(program: str, shapes: Shapes) -> None:
    torch.manual_seed(0)
    leaves = {name: torch.randn(shape, dtype=torch.float64, requires_grad=True) for name, shape in shapes.items()}
    output = eval(program, {**NAMES, **leaves})  # noqa: S307
    upstream = [torch.randn_like(output)] if output.ndim else []
    references = torch.autograd.grad(output, [*leaves.values()], upstream or None)
    space: dict[str, Any] = {}
    exec(gradcli.derive(program, shapes).code("torch"), space)  # noqa: S102 (what is tested)
    found = space["gradient"](*[leaf.detach() for leaf in leaves.values()], *upstream)
    for reference, one in zip(references, found if isinstance(found, tuple) else (found,), strict=True):
        assert torch.allclose(one, reference, rtol=1e-10, atol=1e-12)


def test_a_correlation_is_a_product_of_unit_rows() -> None:
    found = gradcli.derive("corrcoef(x)", {"x": (3, 4)})
    assert found.verdict == "match"
    assert len(dict(found.where.formulas)["x"]) < 120
    assert dict(found.where.parts)["t"].startswith("(g.T + g) @ ")


def test_ties_under_a_mask_are_said_to_be_left_out() -> None:
    left_out = gradcli.derive(f"torch.masked.amax(x, 1, mask={MASK})", {"x": (2, 3)})["x"].left_out
    assert left_out is not None
    assert "tie" in left_out[0]
