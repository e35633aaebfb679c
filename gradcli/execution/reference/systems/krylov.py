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
    basis = right.new_empty(steps, *right.shape)  # to write all of it would take longer than a few steps
    basis[0] = _unit(right, norm)
    columns: list[Tensor] = []
    for step in range(steps):
        vector, known = product(basis[step]), basis[: step + 1]
        column = right.new_zeros(*norm.shape, step + 2)
        for _ in range(2):  # once more, for what rounding has left in
            parts = torch.einsum("kbn,bn->bk", known, vector)
            vector = vector - torch.einsum("kbn,bk->bn", known, parts)
            column[:, : step + 1] += parts
        column[:, step + 1] = vector.norm(dim=-1)
        columns.append(column)
        coefficients, rest = _least_squares(columns, norm)
        if bool((rest <= SMALL * norm).all()) or bool((column[:, -1] == 0).all()) or step + 1 == steps:
            break
        basis[step + 1] = _unit(vector, column[:, -1])
    return torch.einsum("kbn,bk->bn", basis[: len(columns)], coefficients)


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
