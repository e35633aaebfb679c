"""Definitions of what factorisations say of matrices, by their differentials: the factors in these are constants.

That of an eigenvalue of a symmetric matrix is the diagonal of Vᵀ dA V, that of a singular value of Uᵀ dA V, and that of
L in A = L Lᵀ is L Φ(L⁻¹ dA L⁻ᵀ), where Φ keeps the lower triangle and half of the diagonal (Giles, Collected matrix
derivative results, 2008; Murray, Differentiation of the Cholesky decomposition, 2016). Such a definition has the value
and the first derivative. The second one is not in it: factors change too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradcli.execution.formulas import factors

Arguments = Mapping[str, Any]
MATRIX = 2
# The bound of `pinverse`, of itself.
RCOND = 1e-15
# The place of the singular value that a norm of an order is.
PLACES: Mapping[Any, str] = {2: "0", -2: "-1"}
READ = factors.READ


def eigenvalues(given: Arguments) -> str | None:
    """Return `eigvalsh`, which reads one triangle of a symmetric matrix."""
    triangle = "" if given["UPLO"] == "L" else f", {given['UPLO']!r}"
    moved = 'einsum("...ik,...ij,...jk->...k", v, A - detach(A), v)'
    return f"v = linalg.eigh(detach(A){triangle})[1]; linalg.eigvalsh(detach(A){triangle}) + {moved}"


def eigenpairs(given: Arguments) -> str | None:
    """Return `eigh` where nothing but the values is read."""
    if given.get(READ) != [True, False]:
        return factors.eigenvectors(given)
    return f"{eigenvalues(given)}, v".replace("; ", "; (") + ")"


def singular_values(given: Arguments) -> str | None:  # noqa: ARG001 (as the others)
    """Return `svdvals`."""
    moved = 'einsum("...ik,...ij,...kj->...k", u, A - detach(A), v)'
    return f"{_vectors('A')}; linalg.svdvals(detach(A)) + {moved}"


def _vectors(matrix: str, left: str = "", right: str = "") -> str:
    """Return the singular vectors of a matrix, those at some places."""
    both = f"linalg.svd(detach({matrix}), False)"
    return f"u = {both}[0]{left}; v = {both}[2]{right}"


def norm(matrix: str, power: str) -> Callable[[Arguments], str | None]:
    """Return the definition of a matrix norm that is of singular values: one of them, or their sum."""

    def defined(given: Arguments) -> str | None:
        order = given[power]
        if not _is_of_matrix(given[matrix].tensor.ndim, given["dim"]) or given["keepdim"]:
            return None
        if order != "nuc" and (power == "p" or order not in PLACES):
            return None
        return f"{_norm(matrix, order)}; y"

    return defined


def _is_of_matrix(axes: int, dim: Any) -> bool:
    """Tell whether all axes that there are are those of a matrix, in their order."""
    return axes == MATRIX and (dim is None or (not isinstance(dim, int) and [one % MATRIX for one in dim] == [0, 1]))


def _norm(matrix: str, order: Any) -> str:
    """Return the lines that make a norm, y."""
    value, moved = f"linalg.matrix_norm(detach({matrix}), {order!r})", f"{matrix} - detach({matrix})"
    if order == "nuc":
        return f'{_vectors(matrix)}; y = {value} + einsum("ik,ij,kj->", u, {moved}, v)'
    place = PLACES[order]
    return f'{_vectors(matrix, f"[:, {place}]", f"[{place}]")}; y = {value} + einsum("i,ij,j->", u, {moved}, v)'


def condition(given: Arguments) -> str | None:
    """Return a condition number in the spectral norm: the largest singular value over the smallest, or less."""
    order = 2 if given["p"] is None else given["p"]
    if given["A"].tensor.ndim != MATRIX or order not in PLACES:
        return None
    return f"{_norm('A', order)}; above = y; {_norm('A', -order)}; above/y"


def cholesky(given: Arguments) -> str | None:
    """Return a Cholesky factor, whose gradient autograd has as that of a symmetric matrix."""
    name = "A" if "A" in given else "input"
    upper = given["upper"]
    factor = f"c = linalg.cholesky(detach({name}){', upper=True' if upper else ''}); b = linalg.inv(c)"
    places = "...ji,...jk,...kl->...il" if upper else "...ij,...jk,...lk->...il"
    half = f'm = einsum("{places}", b, {name} - detach({name}), b)/2; n = m.shape[-1]'
    whole = "c + c @ (m*tril(ones(n, n)) + mT(m)*tril(ones(n, n), -1))"
    if upper:
        whole = "c + (m*triu(ones(n, n)) + mT(m)*triu(ones(n, n), 1)) @ c"
    return f"{factor}; {half}; ({whole}, _info(A))" if "check_errors" in given else f"{factor}; {half}; {whole}"


def pseudo_inverse(given: Arguments) -> str | None:
    """Return a pseudo-inverse, at matrices of the same rank (Golub and Pereyra, 1973)."""
    name = "A" if "A" in given else "input"
    if given[name].tensor.ndim != MATRIX or given.get("rtol") is not None or given.get("atol") is not None:
        return None
    if given.get("hermitian") or given.get("rcond", RCOND) != RCOND:
        return None
    lines = [f"a = detach({name}); p = linalg.pinv(a); d = {name} - a"]
    lines += ['right = einsum("ij,kj,lk->il", p, p, d); left = einsum("kj,lk,lm->jm", d, p, p)']
    lines += ["p - p @ d @ p + right - right @ a @ p + left - p @ (a @ left)"]
    return "\n".join(lines)


def running(given: Arguments) -> str | None:
    """Return `logcumsumexp` of a vector: the weights of its differential are softmaxes, none of which overflows."""
    if given["input"].tensor.ndim != 1:
        return None
    lines = ["x = detach(input); m = logcumsumexp(x, 0); n = x.shape[0]"]
    lines += ["w = exp(where(tril(ones(n, n)) > 0, x[None, :] - m[:, None], -inf))"]
    return "\n".join([*lines, "m + w @ (input - x)"])


DEFINED: Mapping[str, Callable[[Arguments], str | None]] = {
    **factors.DEFINED,
    "linalg.eigvalsh": eigenvalues,
    "linalg.eigh": eigenpairs,
    "linalg.svdvals": singular_values,
    "linalg.matrix_norm": norm("A", "ord"),
    "linalg.norm": norm("A", "ord"),
    "norm": norm("input", "p"),
    "linalg.cond": condition,
    "linalg.cholesky": cholesky,
    "cholesky": cholesky,
    "linalg.cholesky_ex": cholesky,
}
# Of these the code says all: it calls what it is made of, which is differentiated by PyTorch.
EVERYWHERE: Mapping[str, Callable[[Arguments], str | None]] = {
    **DEFINED,
    "logcumsumexp": running,
    "linalg.pinv": pseudo_inverse,
    "pinverse": pseudo_inverse,
}


def is_defined(name: str, given: Arguments) -> bool:
    """Tell whether a call has such a definition, if it is differentiated once."""
    return name in DEFINED and DEFINED[name](given) is not None
