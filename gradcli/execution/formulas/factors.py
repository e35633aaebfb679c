"""Definitions of factors of matrices by their differentials: the factors in these are constants.

Of A = V diag(w) Vᵀ, dV is V (F ∘ Vᵀ dA V) with F_ij = 1/(w_j - w_i), and that of A = U diag(s) Vᵀ likewise with squares
of singular values (Giles, Collected matrix derivative results, 2008; Townsend, Differentiating the singular value
decomposition, 2016). Of A = Q R and of A = P L U, the parts of Qᵀ dA R⁻¹ and L⁻¹ Pᵀ dA U⁻¹ below the diagonal are what
turns Q and L (Walter, Structured higher-order algorithmic differentiation, 2012; Seeger et al., Auto-differentiating
linear algebra, 2017). Of a solution by least squares it is that of the pseudo-inverse (Golub and Pereyra, 1973).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Arguments = Mapping[str, Any]
MATRIX = 2
# Among a call's arguments: which of its results the program reads.
READ = "read"


def eigenvectors(given: Arguments) -> str | None:
    """Return `eigh` of a matrix, with its vectors."""
    if given["A"].tensor.ndim != MATRIX:
        return None
    triangle = "" if given["UPLO"] == "L" else f", {given['UPLO']!r}"
    lines = [f"p = linalg.eigh(detach(A){triangle}); w = p[0]; v = p[1]; n = w.shape[0]"]
    lines += ["f = (1 - eye(n))/(w - w[:, None] + eye(n)); d = A - detach(A)"]
    lines += ['m = einsum("ki,kl,lj->ij", v, (d + mT(d))/2, v)']
    return "\n".join([*lines, "(w + diagonal(m), v + v @ (f*m))"])


# The eigenvalues of a real matrix that need not be symmetric move by the diagonal of V⁻¹ dA V.
EIGENVALUES = """p = linalg.eig(detach(A)); w = p[0]; v = p[1]; y = linalg.inv(v); d = A - detach(A)
a = real(v); b = _imag(v); c = real(y); e = _imag(y)
r = einsum("ij,jk,ki->i", c, d, a) - einsum("ij,jk,ki->i", e, d, b)
m = einsum("ij,jk,ki->i", e, d, a) + einsum("ij,jk,ki->i", c, d, b)
w = complex(real(w) + r, _imag(w) + m)"""


def any_eigenvalues(given: Arguments) -> str | None:
    """Return `eigvals` of a real matrix."""
    is_plain = given["A"].tensor.ndim == MATRIX and not given["A"].tensor.is_complex()
    return f"{EIGENVALUES}\nw" if is_plain else None


def any_eigenpairs(given: Arguments) -> str | None:
    """Return `eig` of a real matrix where nothing but the values is read."""
    text = any_eigenvalues(given) if given.get(READ) == [True, False] else None
    return None if text is None else f"{EIGENVALUES}\n(w, v)"


def singular_vectors(given: Arguments) -> str | None:
    """Return `svd` of a matrix, with as many vectors as there are singular values."""
    name = "A" if "A" in given else "input"
    if given[name].tensor.ndim != MATRIX or not _is_reduced(given, *given[name].tensor.shape):
        return None
    rows, columns = given[name].tensor.shape
    lines = [
        f"a = detach({name}); p = linalg.svd(a, False); u = p[0]; s = p[1]; v = p[2]; n = s.shape[0]; d = {name} - a"
    ]
    lines += ["f = (1 - eye(n))/(s**2 - s[:, None]**2 + eye(n))"]
    lines += ['m = einsum("ki,kl,jl->ij", u, d, v)']
    lines += ["y = u + u @ (f*(m*s + s[:, None]*mT(m))); z = v + mT(f*(s[:, None]*m + mT(m)*s)) @ v"]
    if rows > columns:
        lines += ['x = einsum("ij,kj->ik", d, v)/s; y = y + x - einsum("ij,kj,kl->il", u, u, x)']
    if rows < columns:
        lines += ['x = einsum("ki,kj->ij", u, d)/s[:, None]; z = z + x - einsum("ij,kj,kl->il", x, v, v)']
    return "\n".join([*lines, f"(y, s + diagonal(m), {'z' if name == 'A' else 'mT(z)'})"])


def _is_reduced(given: Arguments, rows: int, columns: int) -> bool:
    """Tell whether there is a vector on both sides for each singular value, and no other."""
    if "compute_uv" in given:
        return bool(given["compute_uv"] and (given["some"] or rows == columns))
    return bool(not given["full_matrices"] or rows == columns)


def orthogonal(given: Arguments) -> str | None:
    """Return `qr` of a matrix of as many independent columns as rows, or fewer; or of one whose first ones are."""
    name = "A" if "A" in given else "input"
    if given[name].tensor.ndim != MATRIX:
        return None
    rows, columns = given[name].tensor.shape
    is_plain = given["some"] if "some" in given else given["mode"] == "reduced"
    if not is_plain and not (rows <= columns and given.get("mode") != "r"):
        return None
    square = f"[:, :{rows}]" if rows < columns else ""
    places = f'"ki,kl,lp,pj->ij", q, d, eye({columns}, {rows}), b' if rows < columns else '"ki,kl,lj->ij", q, d, b'
    lines = [f"a = detach({name}); q = linalg.qr(a)[0]; r = linalg.qr(a)[1]; d = {name} - a; n = q.shape[1]"]
    lines += [f"b = linalg.inv(r{square})", f"m = einsum({places})"]
    lines += ["o = m*tril(ones(n, n), -1) - mT(m*tril(ones(n, n), -1)); y = q + q @ o"]
    if rows > columns:
        lines += ['x = einsum("ij,jk->ik", d, b); y = y + x - einsum("ij,kj,kl->il", q, q, x)']
    return "\n".join([*lines, '(y, r + einsum("ki,kj->ij", q, d) - o @ r)'])


def triangular(*, compact: bool) -> Callable[[Arguments], str | None]:
    """Return the definition of the triangular factors of a square matrix; `compact` ones are one matrix."""

    def defined(given: Arguments) -> str | None:
        shape = given["A"].tensor.shape
        if len(shape) != MATRIX or shape[0] != shape[1] or not given["pivot"]:
            return None
        lines = ["a = detach(A); p = linalg.lu(a)[0]; l = linalg.lu(a)[1]; u = linalg.lu(a)[2]; n = a.shape[0]"]
        lines += ["b = linalg.inv(l); c = linalg.inv(u)", 'm = einsum("ij,kj,kl,lm->im", b, p, A - a, c)']
        lines += ["x = l @ (m*tril(ones(n, n), -1)); y = (m*triu(ones(n, n))) @ u"]
        if compact:
            rest = ", _info(A)" if "check_errors" in given or given.get("get_infos") else ""
            lines += ["f = linalg.lu_factor(a)", f"(f[0] + x + y, f[1]{rest})"]
        else:
            lines += ["(p, l + x, u + y)"]
        return "\n".join(lines)

    return defined


def least_squares(given: Arguments) -> str | None:
    """Return the solution by least squares of a matrix of full rank."""
    matrix, others = given["A"].tensor, given["B"].tensor
    if matrix.ndim != MATRIX or others.ndim != MATRIX or given["rcond"] is not None:
        return None
    lines = ["a = detach(A); p = linalg.pinv(a); b = detach(B); d = A - a"]
    lines += ['y = p @ B - einsum("ij,jk,kl,lm->im", p, d, p, b)']
    if matrix.shape[0] > matrix.shape[1]:
        lines += ['z = einsum("ij,kj,lk->il", p, p, d)', 'y = y + z @ b - einsum("ij,jk,kl,lm->im", z, a, p, b)']
    if matrix.shape[0] < matrix.shape[1]:
        lines += ['z = einsum("ji,kj,kl,lm->im", d, p, p, b)', 'y = y + z - einsum("ij,jk,kl->il", p, a, z)']
    return "\n".join([*lines, "shown, rank, values = _lstsq_rest(A, B, driver)", "(y, shown, rank, values)"])


DEFINED: Mapping[str, Callable[[Arguments], str | None]] = {
    "linalg.eigh": eigenvectors,
    "linalg.eigvals": any_eigenvalues,
    "linalg.eig": any_eigenpairs,
    "linalg.svd": singular_vectors,
    "svd": singular_vectors,
    "linalg.qr": orthogonal,
    "qr": orthogonal,
    "linalg.lu": triangular(compact=False),
    "linalg.lu_factor": triangular(compact=True),
    "linalg.lu_factor_ex": triangular(compact=True),
    "lu": triangular(compact=True),
    "linalg.lstsq": least_squares,
}
