"""Values and constants of factorisations: pivots, orders, blocks; derivatives come from what the factors solve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

# Singular values that differ by less, relative to the largest, are taken to be equal.
SLACK = 1e-14
# Pivots that are larger, relative to the largest, are certainly not 0 but for rounding.
CLEAR = 1e-6


def complete_pivots(matrix: Tensor) -> tuple[Tensor, Tensor, int]:
    """Return orders of rows and of columns in which elimination divides by no entry that is small, if it need not.

    The third result is how many of those are not 0, in every matrix of a batch.
    """
    square = matrix.detach().to(torch.float64).reshape(-1, *matrix.shape[-2:])
    found = [_row_pivots(one) or _complete_pivots(one) for one in square]
    if not found:
        none = torch.zeros(matrix.shape[:-1], dtype=torch.int64)
        return none, none, matrix.shape[-1]
    rows, columns = (torch.stack(orders).reshape(matrix.shape[:-1]) for orders in list(zip(*found, strict=True))[:2])
    return rows, columns, min(count for _, _, count in found)


def _row_pivots(matrix: Tensor) -> tuple[Tensor, Tensor, int] | None:
    """Return the orders in which the largest entry left of a column is taken; None where one of these is small."""
    factors, count = torch.linalg.lu_factor_ex(matrix), matrix.shape[-1]
    sizes = factors.LU.diagonal().abs()
    if not count or bool(factors.info) or not bool(sizes.min() > CLEAR * sizes.max()):
        return None
    permutation = torch.lu_unpack(factors.LU, factors.pivots, unpack_data=False)[0]
    return permutation.argmax(0), torch.arange(count), count


def _complete_pivots(matrix: Tensor) -> tuple[Tensor, Tensor, int]:
    """Return the orders in which the largest of all entries left is taken."""
    count = matrix.shape[-1]
    rest, rows, columns = matrix.clone(), torch.arange(count), torch.arange(count)
    for step in range(count):
        place = int(rest[step:, step:].abs().argmax())
        row, column = step + place // (count - step), step + place % (count - step)
        rest[[step, row]], rows[[step, row]] = rest[[row, step]], rows[[row, step]]
        rest[:, [step, column]], columns[[step, column]] = rest[:, [column, step]], columns[[column, step]]
        if rest[step, step] != 0:
            rest[step + 1 :] -= torch.outer(rest[step + 1 :, step] / rest[step, step], rest[step])
    return rows, columns, int((rest.diagonal() != 0).sum())


def reordered(matrix: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return a matrix with its rows and columns in other orders."""
    moved = matrix.gather(-2, rows.unsqueeze(-1).expand(matrix.shape))
    return moved.gather(-1, columns.unsqueeze(-2).expand(matrix.shape))


def parity(*orders: Tensor) -> Tensor:
    """Return the product of the signs of permutations."""
    sign = torch.ones(orders[0].shape[:-1])
    for order in orders:
        later = (order.unsqueeze(-1) > order.unsqueeze(-2)).to(torch.int64)
        sign = sign * (1 - 2 * (later.triu(1).sum((-2, -1)) % 2))
    return sign


def compact_lu(matrix: Tensor) -> Tensor:
    """Return L - 1 and U of A = L U in one matrix; where a pivot is 0, all that it would divide is taken to be 0."""
    factors = torch.linalg.lu_factor_ex(matrix)
    if matrix.is_meta:  # a rehearsal, which asks for shapes only
        return factors.LU
    if torch._C._len_torch_function_stack():  # noqa: SLF001 (calls are recorded, to be made of other numbers too)
        return _eliminated(matrix)
    in_order = bool((factors.pivots == torch.arange(1, matrix.shape[-1] + 1)).all())
    return factors.LU if in_order and not bool(factors.info.any()) else _eliminated(matrix)


def _eliminated(matrix: Tensor) -> Tensor:
    """Return the same where LAPACK would exchange rows, or divide by 0."""
    rest = matrix.clone()
    for step in range(matrix.shape[-1]):
        pivot = rest[..., step : step + 1, step : step + 1]
        below = torch.where(pivot == 0, 0.0, rest[..., step + 1 :, step : step + 1] / pivot)
        rest[..., step + 1 :, step + 1 :] -= below * rest[..., step : step + 1, step + 1 :]
        rest[..., step + 1 :, step : step + 1] = below
    return rest


def pivots(matrix: Tensor) -> Tensor:
    """Return P with P A = L U, as PyTorch chooses it."""
    return torch.linalg.lu(matrix).P.mT


def squared(matrix: Tensor) -> Tensor:
    """Return a matrix with columns or rows of the identity behind it, so that it is square; its LU stays its own."""
    rows, columns = matrix.shape[-2:]
    size = max(rows, columns)
    result = torch.eye(size, dtype=matrix.dtype).expand(*matrix.shape[:-2], size, size).clone()
    result[..., :rows, :columns] = matrix
    return result


def permutation(order: Tensor, rows: int) -> Tensor:
    """Return the matrix P of LAPACK's pivots: A = P L U."""
    return torch.lu_unpack(torch.eye(rows).expand(*order.shape[:-1], rows, rows), order, unpack_data=False)[0]


def lu_pivots(matrix: Tensor) -> Tensor:
    """Return LAPACK's pivots, as `lu_factor` gives them."""
    return torch.linalg.lu_factor(matrix).pivots


def info(matrix: Tensor) -> Tensor:
    """Return the zeros that say that a factorisation went well."""
    return torch.zeros(matrix.shape[:-2], dtype=torch.int32)


def unit(count: int) -> Tensor:
    """Return 0, …, 0, 1 with `count` zeros: it picks the row below a matrix."""
    return torch.cat([torch.zeros(count), torch.ones(1)])


def bordered(matrix: Tensor) -> Tensor:
    """Return a matrix with a row and a column of zeros behind it."""
    return torch.nn.functional.pad(matrix, (0, 1, 0, 1))


def mirrored(matrix: Tensor, upper: bool) -> Tensor:
    """Return the symmetric matrix that one triangle says."""
    half = matrix.triu() if upper else matrix.tril()
    return half + (half.triu(1) if upper else half.tril(-1)).mT


def eigenpairs(matrix: Tensor, inner: Tensor, border: Tensor, uplo: str) -> Tensor:
    """Return the eigenvectors of a bordered symmetric matrix in columns, each with its eigenvalue below."""
    del inner, border
    values, vectors = torch.linalg.eigh(matrix[..., :-1, :-1], UPLO=uplo)
    return torch.cat([vectors, values.unsqueeze(-2)], -2)


def unit_at(place: int, count: int) -> Tensor:
    """Return zeros with a 1 at a place."""
    return torch.nn.functional.one_hot(torch.tensor(place), count).to(torch.get_default_dtype())


def two_blocks(matrix: Tensor) -> Tensor:
    """Return [[A, 0], [0, A]] with two rows and two columns of zeros behind it."""
    size = matrix.shape[-1]
    result = matrix.new_zeros(*matrix.shape[:-2], 2 * size + 2, 2 * size + 2)
    result[..., :size, :size] = result[..., size : 2 * size, size : 2 * size] = matrix
    return result


def turned(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the product with i of what is real parts over imaginary ones, and of the eigenvectors.

    Below these are their eigenvalues, real parts over imaginary ones.
    """
    size = matrix.shape[-1]
    plane = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=matrix.dtype)
    turn = torch.nn.functional.pad(torch.kron(plane, torch.eye(size, dtype=matrix.dtype)), (0, 2, 0, 2))
    values, vectors = torch.linalg.eig(matrix)
    ends = values.unsqueeze(-2)
    return turn, torch.cat([-vectors.imag, vectors.real, ends.real, ends.imag], -2)


def complex_eigenpairs(matrix: Tensor, *others: Tensor) -> Tensor:
    """Return the real and the imaginary parts of eigenvectors in columns, each with those of its eigenvalue below."""
    size, across = matrix.shape[-1] // 2 - 1, others[-1]
    return torch.cat([across[..., size : 2 * size, :], -across[..., :size, :], across[..., 2 * size :, :]], -2)


def both_sides(matrix: Tensor) -> Tensor:
    """Return [[0, A], [Aᵀ, 0]], bordered: its eigenvectors are A's singular vectors, one below the other."""
    rows, columns = matrix.shape[-2:]
    size = rows + columns + 1
    result = matrix.new_zeros(*matrix.shape[:-2], size, size)
    result[..., :rows, rows : rows + columns] = matrix
    result[..., rows : rows + columns, :rows] = matrix.mT
    return result


def singular_triples(
    matrix: Tensor, inner: Tensor, border: Tensor, rows: int, full: bool, first: int, last: int
) -> Tensor:
    """Return left over right singular vectors over singular values, from `first` up to `last`, of `both_sides`."""
    del inner, border
    u, s, vh = torch.linalg.svd(matrix[..., :rows, rows:-1], full_matrices=full)
    count = s.shape[-1]
    parts = [u[..., :count] * math.sqrt(0.5), vh[..., :count, :].mT * math.sqrt(0.5), s.unsqueeze(-2)]
    return torch.cat(parts, -2)[..., first:last]


def complement(vectors: Tensor, matrix: Tensor, right: bool) -> Tensor:
    """Return the further columns that `svd` gives with full_matrices=True."""
    u, _, vh = torch.linalg.svd(matrix)
    return (vh.mT if right else u)[..., vectors.shape[-1] :]


def triangular_root(matrix: Tensor) -> Tensor:
    """Return R of A = Q R: an upper triangular root of AᵀA. PyTorch does not differentiate R without Q."""
    return torch.linalg.qr(matrix).R


def root_near_one(matrix: Tensor) -> Tensor:
    """Return R of A = Q R with a positive diagonal, for A whose columns are all but orthonormal."""
    return torch.linalg.cholesky(matrix.mH @ matrix, upper=True)


def orthonormal(matrix: Tensor, root: Tensor) -> Tensor:
    """Return Q of A = Q R, which is A R⁻¹ without its rounding."""
    del root
    return torch.linalg.qr(matrix).Q


def root_of_gram(matrix: Tensor) -> Tensor:
    """Return the symmetric positive square root of AᵀA."""
    _, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    return vh.mT @ (s.unsqueeze(-1) * vh)


def halvings(matrix: Tensor) -> int:
    """Return how often a matrix has to be halved to have a norm of 1 at most."""
    largest = float(matrix.abs().sum(-2).max()) if matrix.numel() else 0.0
    return max(0, math.ceil(math.log2(largest))) if largest > 0 else 0


def tensor_shape(shape: Sequence[int], first: int, last: int, outer: Sequence[int] = ()) -> tuple[int, ...]:
    """Return a part of a shape, and further lengths behind it."""
    return (*shape[first:last], *outer)


def axes_to_end(rank: int, dims: Any) -> tuple[int, ...]:
    """Return the order of axes that puts some at the end."""
    moved = [] if dims is None else [axis % rank for axis in dims]
    return (*[axis for axis in range(rank) if axis not in moved], *moved)


def leading_product(shape: Sequence[int], count: int) -> int:
    """Return the product of a shape's first lengths."""
    return math.prod(shape[:count])


def lstsq_rest(a: Tensor, b: Tensor, driver: str | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return the residuals, the rank and the singular values that `lstsq` gives; which ones depends on the driver."""
    result = torch.linalg.lstsq(a, b, driver=driver)
    return result.residuals, result.rank, result.singular_values


def is_axis(dim: Any) -> bool:
    """Return whether a `dim` argument means one axis."""
    return isinstance(dim, int) or len(dim) == 1


def repeated(values: Tensor) -> Tensor:
    """Return whether two neighbours among sorted values are equal."""
    largest = values.abs().amax(-1, keepdim=True) if values.shape[-1] else values
    return (values.diff(dim=-1).abs() <= SLACK * largest).any(-1)


def norm_kink(matrix: Tensor, order: Any) -> Tensor:
    """Return where a matrix norm is one-sided: a singular value is 0, or the extreme one is double."""
    if order not in {"nuc", 2, -2}:
        return torch.zeros(matrix.shape[:-2], dtype=torch.bool)
    values = torch.linalg.svdvals(matrix)
    largest, smallest = values[..., 0], values[..., -1]
    double = values[..., :2] if order == 2 else values[..., -2:]  # noqa: PLR2004 (the spectral norm)
    ties = (double[..., 0] - double[..., -1] <= SLACK * largest) & (double.shape[-1] > 1)
    return (smallest <= SLACK * largest) if order == "nuc" else ties


def solve_matrix(matrix: Tensor, right: Tensor) -> Tensor:
    """Return the solution of matrix @ x = right, whose batches broadcast; `right` is never a batch of vectors."""
    batches = [torch.empty(one.shape[:-2], device="meta") for one in (matrix, right)]
    batch = torch.broadcast_tensors(*batches)[0].shape  # `broadcast_shapes` loads sympy
    return torch.linalg.solve(matrix.expand(*batch, *matrix.shape[-2:]), right.expand(*batch, *right.shape[-2:]))
