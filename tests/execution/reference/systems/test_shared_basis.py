"""The basis that makes a family of matrices diagonal."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
from torch import Tensor

from gradcli import api
from gradcli.execution.reference.systems.shared_basis import _block_of, _by_blocks, _by_singular_vectors


def two_blocks(corner: Tensor, constant: float, end: float) -> Tensor:
    """Return [[c, M, 0], [Mᵀ, c, 0], [0, 0, end]], for a batch of M."""
    rows, columns = corner.shape[-2:]
    size = rows + columns
    result = torch.zeros(*corner.shape[:-2], size + 1, size + 1, dtype=torch.float64)
    result[..., :rows, rows:-1], result[..., rows:-1, :rows] = corner, corner.mT
    return result + torch.diag(torch.tensor([constant] * size + [end], dtype=torch.float64))


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 5), (4, 4)], ids=str)
def test_singular_vectors_are_eigenvectors_of_two_blocks(shape: tuple[int, ...]) -> None:
    corner = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix = two_blocks(corner, 0.7, -2.0).reshape(-1, sum(shape[-2:]) + 1, sum(shape[-2:]) + 1)
    found = _by_singular_vectors(matrix)
    assert found is not None
    values, basis = found
    one = torch.eye(matrix.shape[-1], dtype=torch.float64).expand(matrix.shape)
    torch.testing.assert_close(matrix @ basis, basis * values.unsqueeze(-2), rtol=0, atol=1e-13)
    torch.testing.assert_close(basis.mT @ basis, one, rtol=0, atol=1e-13)
    torch.testing.assert_close(values.sort().values, torch.linalg.eigvalsh(matrix), rtol=0, atol=1e-13)


@pytest.mark.parametrize("change", [(0, 1), (6, 7), (0, 8), (8, 0), (2, 2)], ids=str)
def test_other_matrices_have_none(change: tuple[int, int]) -> None:
    matrix = two_blocks(torch.ones(5, 3, dtype=torch.float64), 0.7, -2.0)
    matrix[change] += 1.0
    assert _by_singular_vectors(matrix.unsqueeze(0)) is None


def test_one_without_a_corner_has_none() -> None:
    assert _by_singular_vectors(torch.eye(4, dtype=torch.float64).unsqueeze(0)) is None


def turned_blocks(block: Tensor, constant: float) -> Tensor:
    """Return [[B, -c, 0], [c, B, 0], [0, 0, E]] for a batch of B, with two rows and columns E."""
    turn = torch.tensor([[0.0, -constant], [constant, 0.0]], dtype=torch.float64)
    one, size = torch.eye(2, dtype=torch.float64), block.shape[-1]
    result = torch.zeros(*block.shape[:-2], 2 * size + 2, 2 * size + 2, dtype=torch.float64)
    result[..., :-2, :-2] = torch.kron(one, block) + torch.kron(turn, torch.eye(size, dtype=torch.float64))
    result[..., -2:, -2:] = torch.tensor([[0.3, -0.2], [0.2, 0.3]], dtype=torch.float64)
    return result


@pytest.mark.parametrize("is_symmetric", [False, True])
@pytest.mark.parametrize("count", [1, 2])
def test_eigenvectors_of_one_block_are_those_of_two(count: int, *, is_symmetric: bool) -> None:
    block = torch.randn(count, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    block = block + block.mT if is_symmetric else block
    matrix = torch.stack([turned_blocks(one, -0.7) for one in block])
    found = _by_blocks(matrix, _block_of(matrix))
    assert found is not None
    values, basis, inverse = found
    own, one = matrix.to(torch.complex128), torch.eye(12, dtype=torch.complex128).expand(count, 12, 12)
    torch.testing.assert_close(own @ basis, basis * values.unsqueeze(-2), rtol=0, atol=1e-13)
    torch.testing.assert_close(basis @ inverse, one, rtol=0, atol=1e-13)
    torch.testing.assert_close(basis.norm(dim=-2), torch.ones(count, 12, dtype=torch.float64), rtol=0, atol=1e-13)


@pytest.mark.parametrize("change", [(0, 0), (0, 5), (6, 1), (6, 2), (0, 10), (11, 3)], ids=str)
def test_other_matrices_are_no_two_blocks(change: tuple[int, int]) -> None:
    matrix = turned_blocks(torch.ones(5, 5, dtype=torch.float64).triu(), 0.7).unsqueeze(0)
    assert _block_of(matrix) == 5
    matrix[(0, *change)] += 1.0
    assert _block_of(matrix) == 0


def test_singular_values_take_no_eigenvectors_of_both_sides() -> None:
    a = torch.randn(60, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with mock.patch.object(torch.linalg, "eigh", side_effect=AssertionError("this way is not taken")):
        assert api.evaluate("torch.linalg.svdvals(a) ** 3", {"a": a}, reduce="sum").verdict == "match"
