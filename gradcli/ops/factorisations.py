"""Factorisations and what is built on them; a factor is the solution of the equations that determine it.

Pivots and orders are constants of the forward run. The sign of an eigenvector cannot change continuously, so that its
length alone fixes it.
"""

from __future__ import annotations

from typing import Any

from gradcli.ops import remedies
from gradcli.ops.family import MOVES, Family, kernel
from gradcli.ops.record import ALIKE, Kind, Op

FAMILY = Family("factorisations", kernels="linear_algebra")
INVERTIBLE = {"A": "invertible"}
POSITIVE = {"A": "positive definite"}

# One eigenpair a column: the vector, and its value below it; A has a row and a column of zeros more.
EIGENPAIRS = """A[..., i, k]*out[..., k, j] - inner[i]*out[..., i, j]*border[m]*out[..., m, j] + border[i]*inner[m]*out[..., m, j]*out[..., m, j] - border[i]"""


# The same of a real matrix with complex pairs: real parts over imaginary ones, and so below them the value. `turned` is
# a product with i, and `across`, but for its ends, what a vector may not turn towards: its phase is a choice.
COMPLEX_EIGENPAIRS = """A[..., i, k]*out[..., k, j] - inner[i]*out[..., i, j]*first[m]*out[..., m, j] - turned[i, k]*out[..., k, j]*second[m]*out[..., m, j] + first[i]*inner[m]*out[..., m, j]*out[..., m, j] - first[i] + second[i]*inner[m]*across[..., m, j]*out[..., m, j]"""


def _implicit(signature: str, definition: str, **more: Any) -> Op:
    return FAMILY.helper(signature, definition, Kind.IMPLICIT, entry="ij", **more)


ORDERED = """rows, columns, r = _complete_pivots({0})
d = diagonal(_lu(_reordered({0}, rows, columns)), 0, -2, -1)
s = _parity(rows, columns)"""

# A block of zeros is left where two or more pivots are 0: its determinant by Faddeev and LeVerrier, without division.
DETERMINANT = """rows, columns, r = _complete_pivots(A)
a = _reordered(A, rows, columns); n = A.shape[-1]; s = _parity(rows, columns)
rest = a
if r >= n - 1:
    y = prod(diagonal(_lu(a), 0, -2, -1), -1)
else:
    if r > 0:
        s = s*prod(diagonal(_lu(a[..., :r, :r]), 0, -2, -1), -1)
        rest = a[..., r:, r:] - a[..., r:, :r] @ _solve(a[..., :r, :r], a[..., :r, r:])
    power = rest; y = sum(diagonal(rest, 0, -2, -1), -1)
    for step in range(2, n - r + 1):
        power = rest @ (unsqueeze(unsqueeze(y, -1), -1)*eye(n - r) - power)
        y = sum(diagonal(power, 0, -2, -1), -1)/step
s*y"""

# A = P L U for any shape: the rest of a square matrix is the identity's.
COMPACT = """lu = _lu(_squared(_pivots(A) @ A))
k = A.shape[-2] if A.shape[-2] < A.shape[-1] else A.shape[-1]
lu = lu[..., :A.shape[-2], :A.shape[-1]]"""

LEAST_SQUARES = """m = A.shape[-2]; n = A.shape[-1]; k = m if m < n else n
b = unsqueeze(B, -1) if B.ndim < A.ndim else B
if _rank(A, None, rcond) < k:
    x = linalg.pinv(A, rtol=rcond) @ b
elif m == n:
    x = _solve(A, b)
elif m > n:
    q, r = linalg.qr(A); x = _solve(r, mT(q) @ b)
else:
    q, r = linalg.qr(mT(A)); x = q @ _solve(mT(r), b)"""

TRIANGULAR_ROOT = (
    "(i <= j)*(k <= i)*out[..., k, i]*out[..., k, j] + (j < i)*out[..., i, j] - (i <= j)*A[..., p, i]*A[..., p, j]"
)

# Singular vectors from those of both sides, which are as long as each other: as they are; or each of length 1, so that
# no gradient leads along it, which code divides by small singular values only to subtract it again.
VECTORS = "u = sqrt(tensor(2.0))*t[..., :m, :]; v = sqrt(tensor(2.0))*t[..., m:m + n, :]"
UNIT_VECTORS = """u = t[..., :m, :]; u = u/linalg.vector_norm(u, dim=-2, keepdim=True)
v = t[..., m:m + n, :]; v = v/linalg.vector_norm(v, dim=-2, keepdim=True)"""

TRIPLES = f"""m = {{0}}.shape[-2]; n = {{0}}.shape[-1]; k = m if m < n else n
t = _singular_triples(_both_sides({{0}}), 1 - _unit(m + n), _unit(m + n), m, {{1}}, 0, k)
s = t[..., m + n, :]
{VECTORS}"""

# A product of reflections, 1 - V T Vᵀ, with T = (1 + D S)⁻¹ D (Schreiber and Van Loan 1989): D is diagonal, and S the
# upper triangle of Vᵀ V.
REFLECTED = """k = tau.shape[-1]; v = (tril({0}, -1) + eye({0}.shape[-2], {0}.shape[-1]))[..., :, :k]
d = unsqueeze(tau, -1); s = eye(k) + d*triu(mT(v) @ v, 1)
{1}"""


FACTORISATIONS: tuple[Op, ...] = (
    # Triangular factors
    _implicit(
        "_cholesky(A)",
        "(j <= i)*out[..., i, k]*(k <= j)*out[..., j, k] + (i < j)*out[..., i, j] - (j <= i)*(A[..., i, j] + A[..., j, i])/2",
        torch="torch.linalg.cholesky",
        domain=POSITIVE,
    ),
    FAMILY.composite(
        "linalg.cholesky(A, *, upper=False)",
        "mT(_cholesky(mT(A))) if upper else _cholesky(A)",
        "torch.linalg.cholesky(a @ a.T + eye(3)) | a=3x3",
        "torch.linalg.cholesky(a @ a.mT + eye(2), upper=True) | a=2x2x2",
        domain=POSITIVE,
        symmetric=("A",),
    ),
    FAMILY.composite(
        "cholesky(input, upper=False)",
        "linalg.cholesky(input, upper=upper)",
        "torch.cholesky(a @ a.T + eye(3), True) | a=3x3",
        domain={"input": "positive definite"},
        symmetric=("input",),
    ),
    FAMILY.composite(
        "linalg.cholesky_ex(A, *, upper=False, check_errors=False)",
        "(linalg.cholesky(A, upper=upper), _info(A))",
        "torch.linalg.cholesky_ex(a @ a.T + eye(3))[0] | a=3x3",
        domain=POSITIVE,
        symmetric=("A",),
        fields=("L", "info"),
    ),
    FAMILY.composite(
        "cholesky_solve(B, L, upper=False)",
        "l = mT(triu(L)) if upper else tril(L); _solve(mT(l), _solve(l, B))",
        "torch.cholesky_solve(b, cholesky(a @ a.T + eye(3))) | a=3x3 b=3x2",
        "torch.cholesky_solve(b, cholesky(a @ a.T + eye(3), upper=True), upper=True) | a=3x3 b=3x2",
    ),
    FAMILY.composite(
        "cholesky_inverse(L, upper=False)",
        "cholesky_solve(eye(L.shape[-1]), L, upper)",
        "torch.cholesky_inverse(cholesky(a @ a.T + eye(3))) | a=3x3",
    ),
    _implicit(
        "_lu(A)",
        "(k < i)*out[..., i, k]*(k <= j)*out[..., k, j] + (i <= j)*out[..., i, j] - A[..., i, j]",
        torch=kernel("linear_algebra.compact_lu"),
        domain=INVERTIBLE,
    ),
    FAMILY.composite(
        "linalg.det(A)",
        DETERMINANT,
        "det(a) | a=3x3",
        "det(a) | a=2x2x2",
        aliases=("det",),
        domain=INVERTIBLE,
    ),
    FAMILY.composite(
        "logdet(input)",
        f"{ORDERED.format('input')}\nsum(log(abs(d)), -1) + log(s*prod(sign(d), -1))",
        "logdet(a @ a.T + eye(3)) | a=3x3",
        domain={"input": "positive definite"},
    ),
    FAMILY.composite(
        "linalg.slogdet(A)",
        f"{ORDERED.format('A')}\n(s*prod(sign(d), -1), sum(log(abs(d)), -1))",
        "torch.linalg.slogdet(a)[1] | a=3x3",
        "slogdet(a).logabsdet | a=2x2x2",
        aliases=("slogdet",),
        domain=INVERTIBLE,
        fields=("sign", "logabsdet"),
    ),
    FAMILY.composite(
        "linalg.lu(A, *, pivot=True)",
        f"{COMPACT}\n(mT(_pivots(A)), tril(lu, -1)[..., :, :k] + eye(A.shape[-2], k), triu(lu)[..., :k, :])",
        "torch.linalg.lu(a)[1] | a=3x3",
        "torch.linalg.lu(a).U | a=2x4",
        "p, l, u = torch.linalg.lu(a); l @ sin(u) | a=4x2",
        domain=INVERTIBLE,
        fields=("P", "L", "U"),
    ),
    FAMILY.composite(
        "linalg.lu_factor(A, *, pivot=True)",
        f"{COMPACT}\n(lu, _lu_pivots(A))",
        "torch.linalg.lu_factor(a)[0] | a=3x3",
        "torch.linalg.lu_factor(a).LU | a=3x2",
        domain=INVERTIBLE,
        fields=("LU", "pivots"),
    ),
    FAMILY.composite(
        "linalg.lu_factor_ex(A, *, pivot=True, check_errors=False)",
        f"{COMPACT}\n(lu, _lu_pivots(A), _info(A))",
        "torch.linalg.lu_factor_ex(a)[0] | a=3x3",
        domain=INVERTIBLE,
        fields=("LU", "pivots", "info"),
    ),
    FAMILY.composite(
        "lu(A, pivot=True, get_infos=False)",
        f"{COMPACT}\n(lu, _lu_pivots(A), _info(A)) if get_infos else (lu, _lu_pivots(A))",
        "torch.lu(a)[0] | a=3x3",
        domain=INVERTIBLE,
    ),
    FAMILY.composite(
        "lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True)",
        """m = LU_data.shape[-2]; n = LU_data.shape[-1]; k = m if m < n else n
(_permutation(LU_pivots, m), tril(LU_data, -1)[..., :, :k] + eye(m, k), triu(LU_data)[..., :k, :])""",
        "f, p = torch.linalg.lu_factor(a); torch.lu_unpack(f, p)[1] | a=3x3",
        fields=("P", "L", "U"),
    ),
    FAMILY.composite(
        "linalg.lu_solve(LU, pivots, B, *, left=True, adjoint=False)",
        """l = tril(LU, -1) + eye(LU.shape[-1]); u = triu(LU); p = _permutation(pivots, LU.shape[-1])
b = B if left else mT(B)
if adjoint == left:
    y = p @ _solve(mT(l), _solve(mT(u), b))
else:
    y = _solve(u, _solve(l, mT(p) @ b))
y if left else mT(y)""",
        "f, p = torch.linalg.lu_factor(a); torch.linalg.lu_solve(f, p, b) | a=3x3 b=3x2",
        "f, p = torch.linalg.lu_factor(a); torch.linalg.lu_solve(f, p, b, left=False) | a=3x3 b=2x3",
        "f, p = torch.linalg.lu_factor(a); torch.linalg.lu_solve(f, p, b, adjoint=True) | a=3x3 b=3x2",
    ),
    FAMILY.composite(
        "lu_solve(b, LU_data, LU_pivots)",
        "linalg.lu_solve(LU_data, LU_pivots, b)",
        "f, p = torch.linalg.lu_factor(a); torch.lu_solve(b, f, p) | a=3x3 b=3x2",
    ),
    # Solving
    FAMILY.composite(
        "linalg.solve_triangular(A, B, *, upper, left=True, unitriangular=False)",
        """a = triu(A) if upper else tril(A)
a = triu(a, 1) + tril(a, -1) + eye(A.shape[-1]) if unitriangular else a
_solve(a, B) if left else mT(_solve(mT(a), mT(B)))""",
        "torch.linalg.solve_triangular(a, b, upper=True) | a=3x3 b=3x2",
        "torch.linalg.solve_triangular(a, b, upper=False, left=False, unitriangular=True) | a=3x3 b=2x3",
        domain=INVERTIBLE,
    ),
    FAMILY.composite(
        "triangular_solve(b, A, upper=True, transpose=False, unitriangular=False)",
        """a = triu(A) if upper else tril(A)
a = triu(a, 1) + tril(a, -1) + eye(A.shape[-1]) if unitriangular else a
(_solve(mT(a) if transpose else a, b), clone(A))""",
        "torch.triangular_solve(b, a)[0] | a=3x3 b=3x2",
        "torch.triangular_solve(b, a, upper=False, transpose=True, unitriangular=True)[0] | a=3x3 b=3x2",
        domain=INVERTIBLE,
        fields=("solution", "cloned_coefficient"),
    ),
    FAMILY.composite(
        "linalg.inv_ex(A, *, check_errors=False)",
        "(linalg.inv(A), _info(A))",
        "torch.linalg.inv_ex(a)[0] | a=3x3",
        domain=INVERTIBLE,
        complex=ALIKE,
        fields=("inverse", "info"),
    ),
    FAMILY.composite(
        "linalg.solve_ex(A, B, *, left=True, check_errors=False)",
        "(linalg.solve(A, B, left=left), _info(A))",
        "torch.linalg.solve_ex(a, b)[0] | a=3x3 b=3x2",
        domain=INVERTIBLE,
        complex=ALIKE,
        fields=("result", "info"),
    ),
    FAMILY.composite(
        "linalg.lstsq(A, B, rcond=None, *, driver=None)",
        f"""{LEAST_SQUARES}
gaps = A @ x - b
shown, rank, values = _lstsq_rest(A, B, driver)
(squeeze(x, -1) if B.ndim < A.ndim else x, sum(gaps*gaps, -2) if numel(shown) > 0 else shown, rank, values)""",
        "torch.linalg.lstsq(a, b)[0] | a=4x2 b=4x3",
        "torch.linalg.lstsq(a, b).solution | a=2x4 b=2x1",
        fields=("solution", "residuals", "rank", "singular_values"),
    ),
    FAMILY.composite(
        "linalg.pinv(A, *, atol=None, rtol=None, hermitian=False)",
        """m = A.shape[-2]; n = A.shape[-1]; k = m if m < n else n; r = _rank(A, atol, rtol)
if r == 0:
    y = 0*mT(A)
elif r < k:
    t = _singular_triples(_both_sides(A), 1 - _unit(m + n), _unit(m + n), m, False, 0, r)
    y = 2*einsum("...ik,...k,...jk->...ij", t[..., m:m + n, :], 1/t[..., m + n, :], t[..., :m, :])
elif m == n:
    y = linalg.inv(A)
elif m > n:
    q, w = linalg.qr(A); y = _solve(w, mT(q))
else:
    q, w = linalg.qr(mT(A)); y = mT(_solve(w, mT(q)))
y""",
        "torch.linalg.pinv(a) | a=4x2",
        "torch.linalg.pinv(a) | a=2x3",
        "torch.linalg.pinv(a @ b, rtol=0.001) | a=4x2 b=2x3",
        discontinuities="_rank_may_change(A, atol, rtol)",
    ),
    FAMILY.composite(
        "pinverse(input, rcond=1e-15)",
        "linalg.pinv(input, rtol=rcond)",
        "pinverse(a) | a=3x2",
        "pinverse(a) | a=2x3x2",
        discontinuities="_rank_may_change(input, None, rcond)",
    ),
    FAMILY.composite(
        "linalg.tensorinv(A, ind=2)",
        """n = _leading_product(A.shape, ind)
reshape(linalg.inv(reshape(A, (n, n))), _tensor_shape(A.shape, ind, A.ndim, A.shape[:ind]))""",
        "torch.linalg.tensorinv(a) | a=2x3x6",
        "torch.linalg.tensorinv(a, ind=1) | a=4x2x2",
    ),
    FAMILY.composite(
        "linalg.tensorsolve(A, B, dims=None)",
        """a = permute(A, _axes_to_end(A.ndim, dims))
shape = a.shape[B.ndim:]
reshape(_solve(reshape(a, (B.numel(), -1)), reshape(B, (-1, 1))), shape)""",
        "torch.linalg.tensorsolve(a, b) | a=2x3x6 b=2x3",
        "torch.linalg.tensorsolve(a, b, dims=(0,)) | a=6x2x3 b=2x3",
    ),
    # Orthogonal factors
    _implicit("_triangular_root(A)", TRIANGULAR_ROOT),
    _implicit("_root_near_one(A)", TRIANGULAR_ROOT),
    _implicit("_orthonormal(A, R)", "out[..., i, k]*R[..., k, j] - A[..., i, j]"),
    FAMILY.composite(
        "linalg.qr(A, mode='reduced')",
        """m = A.shape[-2]; n = A.shape[-1]; k = m if m < n else n
if mode == 'r' or mode == 'complete' and m > n:
    q = _refuse("the columns of Q beyond A's are not determined")
if _rank(A[..., :, :k], None, None) < k:
    q = _refuse("Q is not determined where the columns of A are dependent")
a = A[..., :, :k]; s = detach(_triangular_root(a)); w = _orthonormal(a, s)
u = _root_near_one(w); r = u @ s; q = mT(_solve(mT(u), mT(w)))
(q, r if m >= n else mT(q) @ A)""",
        "torch.linalg.qr(a)[0] | a=3x3",
        "torch.linalg.qr(a).R | a=2x4x2",
        "q, r = torch.linalg.qr(a); sin(q) @ r | a=2x4",
        domain=INVERTIBLE,
        fields=("Q", "R"),
    ),
    FAMILY.composite(
        "qr(input, some=True)",
        "linalg.qr(input, mode='reduced') if some else linalg.qr(input, mode='complete')",
        "torch.qr(a)[0] | a=3x2",
        fields=("Q", "R"),
    ),
    _implicit("_eigenpairs(A, inner, border, uplo)", EIGENPAIRS),
    FAMILY.composite(
        "linalg.eigh(A, UPLO='L')",
        """n = A.shape[-1]
a = (A + mT(A))/2; a = a + detach(_mirrored(A, UPLO == 'U') - a)
y = _eigenpairs(_bordered(a), 1 - _unit(n), _unit(n), UPLO)
(y[..., n, :], y[..., :n, :])""",
        "torch.linalg.eigh(a + a.T)[0] | a=3x3",
        "w, v = torch.linalg.eigh(a @ a.mT); v @ sin(w) | a=3x3",
        "torch.linalg.eigh(a + a.mT, UPLO='U').eigenvectors | a=2x3x3",
        symmetric=("A",),
        fields=("eigenvalues", "eigenvectors"),
        signs={1: -2},
    ),
    FAMILY.composite(
        "linalg.eigvalsh(A, UPLO='L')",
        "linalg.eigh(A, UPLO)[0]",
        "torch.linalg.eigvalsh(a + a.T) | a=3x3",
        kinks="_repeated(torch.linalg.eigvalsh(A, UPLO))",
        symmetric=("A",),
    ),
    _implicit("_complex_eigenpairs(A, inner, first, second, turned, across)", COMPLEX_EIGENPAIRS),
    FAMILY.composite(
        "linalg.eig(A)",
        """n = A.shape[-1]; first = _unit_at(2*n, 2*n + 2); second = _unit_at(2*n + 1, 2*n + 2)
turned, across = _turned(A)
y = _complex_eigenpairs(_two_blocks(A), 1 - first - second, first, second, turned, across)
(complex(y[..., 2*n, :], y[..., 2*n + 1, :]), complex(y[..., :n, :], y[..., n:2*n, :]))""",
        "torch.linalg.eig(a).eigenvalues.abs() | a=3x3",
        "torch.linalg.eig(a)[1].abs() | a=2x3x3",
        "w, v = torch.linalg.eig(a); real(v @ diag(exp(w)) @ inv(v)) | a=3x3",
        fields=("eigenvalues", "eigenvectors"),
        signs={1: -2},
        ordered=(0, 1),
    ),
    FAMILY.composite(
        "linalg.eigvals(A)",
        "linalg.eig(A)[0]",
        "torch.linalg.eigvals(a).real | a=3x3",
        "torch.linalg.eigvals(a).imag | a=2x3x3",
        ordered=(0,),
    ),
    _implicit("_singular_triples(A, inner, border, rows, full, first, last)", EIGENPAIRS),
    _implicit("_complement(vectors, matrix, right)", "vectors[..., k, i]*out[..., k, j] + 0*matrix[..., p, q]"),
    FAMILY.composite(
        "linalg.svd(A, full_matrices=True, *, driver=None)",
        f"""{TRIPLES.format("A", "full_matrices")}
u = cat([u, _complement(u, detach(A), False)], -1) if full_matrices and m > k else u
v = cat([v, _complement(v, detach(A), True)], -1) if full_matrices and n > k else v
(u, s, mT(v))""",
        "torch.linalg.svd(a, full_matrices=False)[0] | a=3x2",
        "u, s, v = torch.linalg.svd(a); u @ diag(sin(s)) @ v | a=3x3",
        "torch.linalg.svd(a).S | a=2x4",
        "torch.linalg.svd(a, full_matrices=False).Vh | a=2x2x4",
        fields=("U", "S", "Vh"),
        signs={0: -2, 2: -1},
    ),
    FAMILY.composite(
        "svd(input, some=True, compute_uv=True)",
        f"""{TRIPLES.format("input", "not some")}
u = cat([u, _complement(u, detach(input), False)], -1) if not some and m > k else u
v = cat([v, _complement(v, detach(input), True)], -1) if not some and n > k else v
(u, s, v)""",
        "torch.svd(a)[2] | a=3x2",
        fields=("U", "S", "V"),
        signs={0: -2, 2: -2},
    ),
    FAMILY.composite(
        "linalg.svdvals(A, *, driver=None)",
        f"{TRIPLES.format('A', 'False')}\ns",
        "torch.linalg.svdvals(a) | a=3x2",
        "svdvals(a) | a=2x2x3",
        kinks="_repeated(torch.linalg.svdvals(A))",
    ),
    FAMILY.composite(
        "linalg.householder_product(A, tau)",
        REFLECTED.format("A", "y = eye(A.shape[-2], A.shape[-1])\ny - v @ _solve(s, d*(mT(v) @ y))"),
        "torch.linalg.householder_product(a, t) | a=4x3 t=2",
        "torch.linalg.householder_product(a, t) | a=2x3x3 t=2x3",
        aliases=("orgqr",),
    ),
    FAMILY.composite(
        "ormqr(input, tau, other, left=True, transpose=False)",
        REFLECTED.format(
            "input",
            "y = other if left else mT(other); w = mT(v) @ y\n"
            "y = y - v @ (d*_solve(mT(s), w) if left == transpose else _solve(s, d*w))\n"
            "y if left else mT(y)",
        ),
        "torch.ormqr(a, t, b) | a=4x3 t=3 b=4x2",
        "torch.ormqr(a, t, b, left=False, transpose=True) | a=4x2 t=2 b=3x4",
    ),
    # Functions of a matrix
    FAMILY.composite(
        "linalg.matrix_power(A, n)",
        # By the binary digits of n: of 10**9 there are thirty.
        """y = None; square = linalg.inv(A) if n < 0 else A; rest = -n if n < 0 else n
while rest > 0:
    y = y if rest % 2 == 0 else (square if y is None else y @ square)
    rest = rest//2
    square = square @ square if rest > 0 else square
expand(eye(A.shape[-1]), A.shape) if y is None else y""",
        "torch.linalg.matrix_power(a, 3) | a=3x3",
        "matrix_power(a, -2) | a=2x2x2",
        aliases=("matrix_power",),
        domain=INVERTIBLE,
        complex=ALIKE,
    ),
    FAMILY.composite(
        "linalg.matrix_exp(A)",
        """one = eye(A.shape[-1]); count = _halvings(A)
x = A/2**count
y = one + x/18
for step in range(1, 18):
    y = one + x @ y/(18 - step)
for step in range(count):
    y = y @ y
y""",
        "torch.linalg.matrix_exp(a) | a=3x3",
        "torch.matrix_exp(a) | a=2x2x2",
        aliases=("matrix_exp",),
    ),
    FAMILY.composite(
        "linalg.multi_dot(tensors)",
        """y = tensors[0]
for i in range(1, len(tensors)):
    y = y @ tensors[i]
y""",
        "torch.linalg.multi_dot([a, b, c]) | a=2x3 b=3x4 c=4x2",
        "torch.linalg.multi_dot([a, b, c]) | a=3 b=3x4 c=4",
        complex=ALIKE,
    ),
    FAMILY.composite(
        "chain_matmul(*matrices)",
        "linalg.multi_dot(matrices)",
        "chain_matmul(a, b, c) | a=2x3 b=3x4 c=4x2",
        torch="torch.chain_matmul",
        complex=ALIKE,
    ),
    # Norms
    _implicit("_root_of_gram(A)", "out[..., i, k]*out[..., k, j] - A[..., m, i]*A[..., m, j]"),
    FAMILY.composite(
        "linalg.matrix_norm(A, ord='fro', dim=(-2, -1), keepdim=False)",
        """x = movedim(A, dim, (-2, -1))
if ord == 'fro':
    y = linalg.vector_norm(x, 2, (-2, -1))
elif ord == 'nuc' and not any(_repeated(linalg.svdvals(detach(x)))):
    y = sum(linalg.svdvals(x), -1)
elif ord == 'nuc':
    y = sum(diagonal(_root_of_gram(x if x.shape[-2] >= x.shape[-1] else mT(x)), 0, -2, -1), -1)
elif ord == 2 or ord == -2:
    m = x.shape[-2]; n = x.shape[-1]; k = m if m < n else n; i = 0 if ord == 2 else k - 1
    t = _singular_triples(_both_sides(x), 1 - _unit(m + n), _unit(m + n), m, False, i, i + 1)
    y = t[..., m + n, 0]
else:
    y = sum(abs(x), -2 if ord == 1 or ord == -1 else -1)
    y = amax(y, -1) if ord > 0 else amin(y, -1)
reshape(y, sum(A, dim, True).shape) if keepdim else y""",
        "torch.linalg.matrix_norm(a) | a=3x2",
        "torch.linalg.matrix_norm(a, 'nuc') | a=2x3x2",
        "torch.linalg.matrix_norm(a, 2, keepdim=True) | a=2x3",
        "torch.linalg.matrix_norm(a, -2, dim=(0, 1)) | a=3x2x2",
        "torch.linalg.matrix_norm(a, 1) | a=3x2",
        "torch.linalg.matrix_norm(a, -inf) | a=3x2",
        kinks="_norm_kink(movedim(A, dim, (-2, -1)), ord)",
    ),
    FAMILY.composite(
        "linalg.norm(A, ord=None, dim=None, keepdim=False)",
        """if ord is None:
    y = linalg.vector_norm(A, 2, dim, keepdim)
elif dim is None and A.ndim == 2:
    y = linalg.matrix_norm(A, ord, (0, 1), keepdim)
elif dim is None or _is_axis(dim):
    y = linalg.vector_norm(A, ord, dim, keepdim)
else:
    y = linalg.matrix_norm(A, ord, dim, keepdim)
y""",
        "torch.linalg.norm(a) | a=2x3",
        "torch.linalg.norm(a, 'nuc') | a=2x3",
        "torch.linalg.norm(a, 2, dim=(0, 2)) | a=2x2x3",
        "torch.linalg.norm(a, 3, dim=1) | a=2x3",
        remedy=remedies.NORM,
    ),
    FAMILY.composite(
        "linalg.cond(A, p=None)",
        """if p is None or p == 2 or p == -2:
    large = linalg.matrix_norm(A, 2); small = linalg.matrix_norm(A, -2)
    y = small/large if p == -2 else large/small
else:
    y = linalg.matrix_norm(A, p)*linalg.matrix_norm(linalg.inv(A), p)
y""",
        "torch.linalg.cond(a) | a=3x2",
        "torch.linalg.cond(a, -2) | a=2x2",
        domain=INVERTIBLE,
    ),
    # What the definitions use
    FAMILY.helper(
        "_complete_pivots(A)",
        "orders of rows and columns in which elimination divides by no entry that is small, if it need not",
    ),
    FAMILY.helper("_reordered(A, rows, columns)", MOVES, Kind.MOVEMENT),
    FAMILY.helper("_squared(A)", MOVES, Kind.MOVEMENT),
    FAMILY.helper("_bordered(A)", MOVES, Kind.MOVEMENT),
    FAMILY.helper("_both_sides(A)", MOVES, Kind.MOVEMENT),
    FAMILY.helper("_parity(*orders)", "the signs of permutations, multiplied"),
    FAMILY.helper("_pivots(A)", "the row permutation of the LU factorisation, as a matrix"),
    FAMILY.helper("_lu_pivots(A)", "the row exchanges of the LU factorisation"),
    FAMILY.helper("_permutation(order, rows)", "row exchanges as a matrix"),
    FAMILY.helper("_info(A)", "0: the factorisation went well"),
    FAMILY.helper("_unit(count)", "0, …, 0, 1"),
    FAMILY.helper("_unit_at(place, count)", "0, …, 0, 1, 0, …, 0"),
    FAMILY.helper("_two_blocks(A)", MOVES, Kind.MOVEMENT),
    FAMILY.helper("_turned(A)", "the product with i, and the eigenvectors times i over their eigenvalues"),
    FAMILY.helper("_mirrored(A, upper)", "the symmetric matrix that one triangle says"),
    FAMILY.helper("_rank(A, atol, rtol)", "how many singular values are not taken for 0", torch=kernel("ranks.rank")),
    FAMILY.helper(
        "_rank_may_change(A, atol, rtol)",
        "whether a singular value is where it is first taken for 0",
        torch=kernel("ranks.rank_may_change"),
    ),
    FAMILY.helper("_lstsq_rest(A, B, driver)", "the residuals, the rank and the singular values"),
    FAMILY.helper("_halvings(A)", "how often the matrix is halved before its series is summed"),
    FAMILY.helper("_leading_product(shape, count)", "the product of a shape's first lengths"),
    FAMILY.helper("_tensor_shape(shape, first, last, outer)", "a part of a shape, and further lengths"),
    FAMILY.helper("_axes_to_end(rank, dims)", "the order of axes that puts some at the end"),
    FAMILY.helper("_repeated(values)", "whether two neighbours are equal"),
    FAMILY.helper("_norm_kink(A, ord)", "where a matrix norm is one-sided"),
    FAMILY.helper("_is_axis(dim)", "whether one axis is meant"),
)
