"""Products, and linear algebra through the equation that its result solves."""

from __future__ import annotations

from gradcli.ops.family import Family, kernel
from gradcli.ops.record import ALIKE, Kind, Op

FAMILY = Family("linear algebra")

# Complex numbers as real matrices: a + ib is [[a, -b], [b, a]].
BLOCKS = """a = cat([cat([real(A), -_imag(A)], -1), cat([_imag(A), real(A)], -1)], -2)
y = _solve(a, cat([real(B), _imag(B)], -2))
complex(y[..., :A.shape[-1], :], y[..., A.shape[-1]:, :])"""

SQUARE = {"A": "invertible"}

LINEAR_ALGEBRA: tuple[Op, ...] = (
    FAMILY.record(
        Kind.EINSUM,
        "einsum(equation, *operands)",
        "the entry that the equation spells: the product of the operands' entries, summed over the letters that the output lacks",
        'einsum("ij,jk->ik", a, b) | a=2x3 b=3x2',
        'einsum("ii->", a) | a=3x3',
        'einsum("...ij,...jk->...ik", a, b) | a=2x2x3 b=3x2',
    ),
    FAMILY.composite(
        "matmul(input, other)",
        """if input.ndim == 1 and other.ndim == 1:
    y = einsum("k,k->", input, other)
elif input.ndim == 1:
    y = einsum("k,...kj->...j", input, other)
elif other.ndim == 1:
    y = einsum("...ik,k->...i", input, other)
else:
    y = einsum("...ik,...kj->...ij", input, other)
y""",
        "a @ b | a=2x3 b=3x4",
        "a @ b | a=3 b=3",
        "a @ b | a=2x2x3 b=3x2",
        "a @ b | a=2x3 b=3",
        "a @ b | a=3 b=3x2",
        aliases=("linalg.matmul",),
        complex=ALIKE,
        product=("input", "other"),
    ),
    FAMILY.composite(
        "mm(input, mat2)",
        'einsum("ik,kj->ij", input, mat2)',
        "torch.mm(a, b) | a=2x3 b=3x2",
        complex=ALIKE,
        product=("input", "mat2"),
    ),
    FAMILY.composite(
        "bmm(input, mat2)",
        'einsum("bik,bkj->bij", input, mat2)',
        "torch.bmm(a, b) | a=2x2x3 b=2x3x2",
        complex=ALIKE,
        product=("input", "mat2"),
    ),
    FAMILY.composite(
        "mv(input, vec)",
        'einsum("ik,k->i", input, vec)',
        "torch.mv(a, b) | a=2x3 b=3",
        complex=ALIKE,
        product=("input", "vec"),
    ),
    FAMILY.composite(
        "dot(input, tensor)",
        'einsum("k,k->", input, tensor)',
        "dot(a, b) | a=3 b=3",
        aliases=("inner1d",),
        complex=ALIKE,
        product=("input", "tensor"),
    ),
    FAMILY.composite(
        "outer(input, vec2)",
        'einsum("i,j->ij", input, vec2)',
        "outer(a, b) | a=2 b=3",
        aliases=("ger",),
        complex=ALIKE,
    ),
    FAMILY.composite(
        "trace(input)",
        'einsum("ii->", input) if input.shape[0] == input.shape[1] else sum(diagonal(input))',
        "trace(a) | a=3x3",
        "trace(a) | a=2x3",
        "trace(a @ b) | a=2x3 b=3x2",
        complex=ALIKE,
    ),
    FAMILY.composite(
        "addmm(input, mat1, mat2, *, beta=1, alpha=1)",
        "beta*input + alpha*(mat1 @ mat2)",
        "torch.addmm(c, a, b) | c=2x2 a=2x3 b=3x2",
        complex=ALIKE,
        product=("mat1", "mat2"),
    ),
    FAMILY.composite(
        "linear(input, weight, bias=None)",
        'y = einsum("...k,jk->...j", input, weight) if weight.ndim == 2 else input @ weight; y if bias is None else y + bias',
        "F.linear(x, w, b) | x=2x3 w=4x3 b=4",
        torch="torch.nn.functional.linear",
        complex=ALIKE,
    ),
    FAMILY.composite(
        "bilinear(input1, input2, weight, bias=None)",
        'y = einsum("...i,oij,...j->...o", input1, weight, input2); y if bias is None else y + bias',
        "F.bilinear(x, y, w, b) | x=2x3 y=2x4 w=5x3x4 b=5",
        torch="torch.nn.functional.bilinear",
        complex=ALIKE,
    ),
    FAMILY.implicit(
        "linalg.inv(A)",
        "A[..., i, k]*out[..., k, j] - delta(i, j)",
        "inv(a) | a=3x3",
        "trace(inv(a) @ b) | a=3x3 b=3x3",
        "inv(a) | a=2x2x2",
        aliases=("inverse", "inv"),
        domain=SQUARE,
        complex="_solve(A, eye(A.shape[-1]) + 0*A)",
    ),
    FAMILY.implicit(
        "_solve(A, B)",
        "A[..., i, k]*out[..., k, j] - B[..., i, j]",
        torch=kernel("linear_algebra.solve_matrix"),
        domain=SQUARE,
        complex=BLOCKS,
    ),
    FAMILY.composite(
        "linalg.solve(A, B, *, left=True)",
        """vector = B.ndim == 1 or B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]
b = unsqueeze(B, -1) if vector else B
y = _solve(A, b) if left else mT(_solve(mT(A), mT(b)))
squeeze(y, -1) if vector else y""",
        "torch.linalg.solve(a, b) | a=3x3 b=3",
        "torch.linalg.solve(a, b) | a=3x3 b=3x2",
        domain=SQUARE,
        complex=ALIKE,
    ),
)
