"""Products, and linear algebra through the equation that its result solves."""

from __future__ import annotations

from gradcli.ops.record import ALIKE, Kind, Op


def _composite(
    signature: str,
    definition: str,
    torch: str,
    *examples: str,
    aliases: tuple[str, ...] = (),
    domain: dict[str, str] | None = None,
    complex: str | None = None,  # noqa: A002 (the record's own word)
) -> Op:
    return Op(
        signature,
        torch,
        Kind.COMPOSITE,
        definition,
        "linear algebra",
        aliases=aliases,
        domain=domain or {},
        examples=examples,
        complex=complex,
    )


# Complex numbers as real matrices: a + ib is [[a, -b], [b, a]].
BLOCKS = """a = cat([cat([real(A), -_imag(A)], -1), cat([_imag(A), real(A)], -1)], -2)
y = _solve(a, cat([real(B), _imag(B)], -2))
complex(y[..., :A.shape[-1], :], y[..., A.shape[-1]:, :])"""

SQUARE = {"A": "invertible"}

LINEAR_ALGEBRA: tuple[Op, ...] = (
    Op(
        "einsum(equation, *operands)",
        "torch.einsum",
        Kind.INDEXED,
        "the entry that the equation spells: the product of the operands' entries, summed over the letters that the output lacks",
        "linear algebra",
        examples=(
            'einsum("ij,jk->ik", a, b) | a=2x3 b=3x2',
            'einsum("ii->", a) | a=3x3',
            'einsum("...ij,...jk->...ik", a, b) | a=2x2x3 b=3x2',
        ),
    ),
    _composite(
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
        "torch.matmul",
        "a @ b | a=2x3 b=3x4",
        "a @ b | a=3 b=3",
        "a @ b | a=2x2x3 b=3x2",
        "a @ b | a=2x3 b=3",
        "a @ b | a=3 b=3x2",
        aliases=("linalg.matmul",),
        complex=ALIKE,
    ),
    _composite(
        "mm(input, mat2)",
        'einsum("ik,kj->ij", input, mat2)',
        "torch.mm",
        "torch.mm(a, b) | a=2x3 b=3x2",
        complex=ALIKE,
    ),
    _composite(
        "bmm(input, mat2)",
        'einsum("bik,bkj->bij", input, mat2)',
        "torch.bmm",
        "torch.bmm(a, b) | a=2x2x3 b=2x3x2",
        complex=ALIKE,
    ),
    _composite(
        "mv(input, vec)",
        'einsum("ik,k->i", input, vec)',
        "torch.mv",
        "torch.mv(a, b) | a=2x3 b=3",
        complex=ALIKE,
    ),
    _composite(
        "dot(input, tensor)",
        'einsum("k,k->", input, tensor)',
        "torch.dot",
        "dot(a, b) | a=3 b=3",
        aliases=("inner1d",),
        complex=ALIKE,
    ),
    _composite(
        "outer(input, vec2)",
        'einsum("i,j->ij", input, vec2)',
        "torch.outer",
        "outer(a, b) | a=2 b=3",
        aliases=("ger",),
        complex=ALIKE,
    ),
    _composite(
        "trace(input)",
        'einsum("ii->", input) if input.shape[0] == input.shape[1] else sum(diagonal(input))',
        "torch.trace",
        "trace(a) | a=3x3",
        "trace(a) | a=2x3",
        "trace(a @ b) | a=2x3 b=3x2",
        complex=ALIKE,
    ),
    _composite(
        "addmm(input, mat1, mat2, *, beta=1, alpha=1)",
        "beta*input + alpha*(mat1 @ mat2)",
        "torch.addmm",
        "torch.addmm(c, a, b) | c=2x2 a=2x3 b=3x2",
        complex=ALIKE,
    ),
    _composite(
        "linear(input, weight, bias=None)",
        'y = einsum("...k,jk->...j", input, weight) if weight.ndim == 2 else input @ weight; y if bias is None else y + bias',
        "torch.nn.functional.linear",
        "F.linear(x, w, b) | x=2x3 w=4x3 b=4",
        complex=ALIKE,
    ),
    _composite(
        "bilinear(input1, input2, weight, bias=None)",
        'y = einsum("...i,oij,...j->...o", input1, weight, input2); y if bias is None else y + bias',
        "torch.nn.functional.bilinear",
        "F.bilinear(x, y, w, b) | x=2x3 y=2x4 w=5x3x4 b=5",
        complex=ALIKE,
    ),
    Op(
        "linalg.inv(A)",
        "torch.linalg.inv",
        Kind.IMPLICIT,
        "A[..., i, k]*out[..., k, j] - delta(i, j)",
        "linear algebra",
        entry="ij",
        aliases=("inverse", "inv"),
        domain=SQUARE,
        examples=("inv(a) | a=3x3", "trace(inv(a) @ b) | a=3x3 b=3x3", "inv(a) | a=2x2x2"),
        complex="_solve(A, eye(A.shape[-1]) + 0*A)",
    ),
    Op(
        "_solve(A, B)",
        "torch.linalg.solve",
        Kind.IMPLICIT,
        "A[..., i, k]*out[..., k, j] - B[..., i, j]",
        "linear algebra",
        entry="ij",
        domain=SQUARE,
        complex=BLOCKS,
    ),
    _composite(
        "linalg.solve(A, B, *, left=True)",
        """vector = B.ndim == 1 or B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]
b = unsqueeze(B, -1) if vector else B
y = _solve(A, b) if left else mT(_solve(mT(A), mT(b)))
squeeze(y, -1) if vector else y""",
        "torch.linalg.solve",
        "torch.linalg.solve(a, b) | a=3x3 b=3",
        "torch.linalg.solve(a, b) | a=3x3 b=3x2",
        domain=SQUARE,
        complex=ALIKE,
    ),
)
