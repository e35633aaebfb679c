"""Cholesky factors in formulas: what they come to, by PyTorch's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gradcli.derivation.notation.cholesky import factored, with_matrices

L = "linalg.cholesky(K)"
SHAPES = {"K": (4, 4), "y": (4,), "B": (4, 4)}


def value(text: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    leaves = {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in SHAPES.items()}
    leaves["K"] = leaves["K"] @ leaves["K"].T + torch.eye(4, dtype=torch.float64)
    space: dict[str, Any] = {name: getattr(torch, name) for name in ("triu", "tril", "diag", "diagonal")} | leaves
    space |= {"inv": torch.inverse, "linalg": SimpleNamespace(cholesky=torch.linalg.cholesky)}
    space |= {"eye": lambda size: torch.eye(size, dtype=torch.float64)}
    found: torch.Tensor = eval(text, space)  # noqa: S307 (of this file)
    return found


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        (f"inv({L}.T) @ inv({L})", "inv(K)"),
        (f"inv({L}).T @ inv({L})/2", "inv(K)/2"),
        (f"y @ inv({L}.T) @ inv({L})", "y @ inv(K)"),
        (f"inv({L}.T) @ (inv({L}) @ y)", "inv(K) @ y"),
        (f"inv({L}) @ y @ inv({L})", "inv(K) @ y"),
        (f"triu({L}, 1)/diagonal({L})[:, None] + tril({L}.T)/diagonal({L})", "eye(4)"),
        (f"inv({L}) @ inv({L}.T)", f"inv({L}) @ inv({L}.T)"),
        (f"inv({L}).T @ B @ inv({L})", f"inv({L}).T @ B @ inv({L})"),
        (f"triu(B, 1) + tril({L})", f"triu(B, 1) + tril({L})"),
    ],
)
def test_a_product_of_inverse_factors_is_an_inverse(text: str, shorter: str) -> None:
    assert with_matrices(text, SHAPES) == shorter
    torch.testing.assert_close(value(shorter), value(text))


def test_what_has_a_factor_is_symmetric() -> None:
    assert factored(f"inv({L}) @ y @ linalg.cholesky(B + K)") == {"K"}
    assert factored("[p]: linalg.cholesky(K)[p, 0]") == frozenset()
