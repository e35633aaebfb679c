"""Definitions of what factorisations say of matrices, by their differentials: the factors in these are constants.

dλ of a symmetric matrix is the diagonal of Vᵀ dA V, dσ that of Uᵀ dA V, and dL of A = L Lᵀ is L Φ(L⁻¹ dA L⁻ᵀ), where Φ
keeps the lower triangle and half of the diagonal (Giles, Collected matrix derivative results, 2008; Murray,
Differentiation of the Cholesky decomposition, 2016). Such a definition has the value and the first derivative. The
second one is not in it: factors change too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Arguments = Mapping[str, Any]
MATRIX = 2
# The place of the singular value that a norm of an order is.
PLACES = {2: "0", -2: "-1"}


def eigenvalues(given: Arguments) -> str | None:
    """Return `eigvalsh`, which reads one triangle of a symmetric matrix."""
    triangle = "" if given["UPLO"] == "L" else f", {given['UPLO']!r}"
    turned = f"v = linalg.eigh(detach(A){triangle})[1]"
    moved = 'einsum("...ik,...ij,...jk->...k", v, A - detach(A), v)'
    return f"{turned}; linalg.eigvalsh(detach(A){triangle}) + {moved}"


def singular_values(given: Arguments) -> str | None:  # noqa: ARG001 (as the others)
    """Return `svdvals`."""
    moved = 'einsum("...ik,...ij,...kj->...k", u, A - detach(A), v)'
    return f"{_vectors('A', '', '')}; linalg.svdvals(detach(A)) + {moved}"


def _vectors(matrix: str, left: str, right: str) -> str:
    """Return the singular vectors of a matrix, those at some places."""
    both = f"linalg.svd(detach({matrix}), False)"
    return f"u = {both}[0]{left}; v = {both}[2]{right}"


def norm(matrix: str, power: str) -> Callable[[Arguments], str | None]:
    """Return the definition of a matrix norm that is of singular values: one of them, or their sum."""

    def defined(given: Arguments) -> str | None:
        order, is_kept = given[power], given["keepdim"]
        dim = [0, 1] if given["dim"] is None else given["dim"]
        if given[matrix].tensor.ndim != MATRIX or is_kept or isinstance(dim, int) or [one % MATRIX for one in dim] != [0, 1]:
            return None
        name, moved = f"linalg.matrix_norm(detach({matrix}), {order!r})", f"{matrix} - detach({matrix})"
        if order == "nuc":
            return f'{_vectors(matrix, "", "")}; {name} + einsum("ik,ij,kj->", u, {moved}, v)'
        if order not in PLACES or (power == "p" and order != "nuc"):
            return None
        place = PLACES[order]
        return f'{_vectors(matrix, f"[:, {place}]", f"[{place}]")}; {name} + einsum("i,ij,j->", u, {moved}, v)'

    return defined


def cholesky(given: Arguments) -> str | None:
    """Return a Cholesky factor, whose gradient autograd has as that of a symmetric matrix."""
    name = "A" if "A" in given else "input"
    if given["upper"]:
        return None
    lower = f"c = linalg.cholesky(detach({name})); b = linalg.inv(c); d = {name} - detach({name})"
    half = 'm = einsum("...ij,...jk,...lk->...il", b, d, b)/2; n = m.shape[-1]'
    return f"{lower}; {half}; c + c @ (m*tril(ones(n, n)) + mT(m)*tril(ones(n, n), -1))"


DEFINED: Mapping[str, Callable[[Arguments], str | None]] = {
    "linalg.eigvalsh": eigenvalues,
    "linalg.svdvals": singular_values,
    "linalg.matrix_norm": norm("A", "ord"),
    "linalg.norm": norm("A", "ord"),
    "norm": norm("input", "p"),
    "linalg.cholesky": cholesky,
    "cholesky": cholesky,
}
