"""Linear systems that are only known by their products: GMRES (Saad and Schultz 1986), for a batch of them at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# The residual that is small enough, relative to the right side.
SMALL = 1e-15


def gmres(product: Callable[[Tensor], Tensor], right: Tensor, steps: int) -> Tensor:
    """Return approximate solutions of product(x) = right, both (batch, unknowns), in so many steps at most.

    Each has the smallest residual among the combinations of right, product(right), product(product(right)) ….
    """
    norm = right.norm(dim=-1)
    basis = [_unit(right, norm)]
    columns: list[Tensor] = []
    for step in range(steps):
        vector = product(basis[-1])
        known = torch.stack(basis, -1)
        column = torch.zeros(*norm.shape, step + 2, dtype=right.dtype)
        for _ in range(2):  # once more, for what rounding has left in
            parts = torch.einsum("bnk,bn->bk", known, vector)
            vector = vector - torch.einsum("bnk,bk->bn", known, parts)
            column[:, : step + 1] += parts
        column[:, step + 1] = vector.norm(dim=-1)
        columns.append(column)
        coefficients, rest = _least_squares(columns, norm)
        if bool((rest <= SMALL * norm).all()) or bool((column[:, -1] == 0).all()):
            break
        basis.append(_unit(vector, column[:, -1]))
    return torch.einsum("bnk,bk->bn", torch.stack(basis[: len(columns)], -1), coefficients)


def _unit(vector: Tensor, norm: Tensor) -> Tensor:
    return vector / torch.where(norm == 0, 1.0, norm).unsqueeze(-1)


def _least_squares(columns: list[Tensor], norm: Tensor) -> tuple[Tensor, Tensor]:
    """Return the combinations with the smallest residuals, and these residuals' norms."""
    count = len(columns)
    matrix = torch.zeros(*norm.shape, count + 1, count, dtype=norm.dtype)
    for place, column in enumerate(columns):
        matrix[:, : place + 2, place] = column
    right = torch.zeros(*norm.shape, count + 1, 1, dtype=norm.dtype)
    right[:, 0, 0] = norm
    found = torch.linalg.lstsq(matrix, right, driver="gelsd").solution
    return found.squeeze(-1), (right - matrix @ found).squeeze(-1).norm(dim=-1)
