"""Products of tensors beyond matrix multiplication."""

from __future__ import annotations

from gradcli.ops.family import Family
from gradcli.ops.record import ALIKE, Kind, Op

FAMILY = Family("products", kernels="products")

CROSS = """a, b = broadcast_tensors(input, other)
axis = {axis}
roll(a, -1, axis)*roll(b, -2, axis) - roll(a, -2, axis)*roll(b, -1, axis)"""


def _sum(signature: str, product: str, example: str, operands: tuple[str, str] | None = None) -> Op:
    """Return `beta*input + alpha*product`; a `beta` of 0 leaves the input out."""
    return FAMILY.composite(
        f"{signature.rstrip(')')}, *, beta=1, alpha=1)",
        f"p = alpha*{product}; p if beta == 0 else beta*input + p",
        example,
        example.replace(") |", ", beta=0.5, alpha=2) |"),
        complex=ALIKE,
        product=operands,
    )


PRODUCTS: tuple[Op, ...] = (
    _sum("addmv(input, mat, vec)", "mv(mat, vec)", "addmv(x, a, b) | x=2 a=2x3 b=3", ("mat", "vec")),
    _sum("addr(input, vec1, vec2)", "outer(vec1, vec2)", "addr(x, a, b) | x=2x3 a=2 b=3"),
    _sum(
        "addbmm(input, batch1, batch2)",
        "sum(bmm(batch1, batch2), 0)",
        "addbmm(x, a, b) | x=2 a=3x2x3 b=3x3x2",
        ("batch1", "batch2"),
    ),
    _sum(
        "baddbmm(input, batch1, batch2)",
        "bmm(batch1, batch2)",
        "baddbmm(x, a, b) | x=2x2 a=3x2x3 b=3x3x2",
        ("batch1", "batch2"),
    ),
    FAMILY.composite(
        "vdot(input, other)",
        "dot(input, other)",
        "vdot(x, y) | x=3 y=3",
        complex="dot(conj(input), other)",
    ),
    FAMILY.composite(
        "linalg.vecdot(x, y, *, dim=-1)",
        "sum(x*y, dim)",
        "torch.linalg.vecdot(x, y) | x=2x3 y=3",
        "torch.linalg.vecdot(x, y, dim=0) | x=2x3 y=2x1",
        complex="sum(conj(x)*y, dim)",
    ),
    FAMILY.composite(
        "inner(input, other)",
        "input*other if input.ndim == 0 or other.ndim == 0 else tensordot(input, other, ([-1], [-1]))",
        "inner(x, y) | x=2x3 y=4x3",
        "inner(x, y) | x=3 y=3",
        "inner(x, y) | x=2x3 y=scalar",
        complex=ALIKE,
    ),
    FAMILY.composite(
        "tensordot(a, b, dims=2)",
        """left, right = _contracted(a, b, dims)
x = reshape(a, (-1, 1)) if left == () else _rows(a, left)
y = reshape(b, (-1, 1)) if right == () else _rows(b, right)
shape = tensordot(detach(a), detach(b), dims).shape
reshape(einsum("ik,jk->ij", reshape(x, (-1, x.shape[-1])), reshape(y, (-1, y.shape[-1]))), shape)""",
        "tensordot(x, y) | x=2x3x4 y=3x4",
        "tensordot(x, y, 1) | x=2x3 y=3x2x2",
        "tensordot(x, y, dims=([0, 2], [1, 0])) | x=2x3x4 y=4x2",
        "tensordot(x, y, 0) | x=2 y=3",
        complex=ALIKE,
    ),
    FAMILY.composite(
        "kron(input, other)",
        "_merged_pairs(_spread_left(input, other)*_spread_right(input, other))",
        "kron(x, y) | x=2x3 y=2x2",
        "kron(x, y) | x=2 y=3x2",
        complex=ALIKE,
    ),
    FAMILY.composite(
        "cross(input, other, dim=None)",
        CROSS.format(axis="_axis_of_three(a) if dim is None else dim"),
        "cross(x, y, dim=1) | x=2x3 y=2x3",
        "cross(x, y) | x=3 y=3",
        complex=ALIKE,
    ),
    FAMILY.composite(
        "linalg.cross(input, other, *, dim=-1)",
        CROSS.format(axis="dim"),
        "torch.linalg.cross(x, y) | x=2x3 y=1x3",
        "torch.linalg.cross(x, y, dim=0) | x=3x2 y=3x2",
        complex=ALIKE,
    ),
    FAMILY.helper("_contracted(a, b, dims)", "the axes that are summed"),
    FAMILY.helper("_axis_of_three(input)", "the first axis of length 3"),
    FAMILY.helper("_spread_left(input, other)", "axes a, 1, b, 1, …", Kind.MOVEMENT),
    FAMILY.helper("_spread_right(input, other)", "axes 1, a, 1, b, …", Kind.MOVEMENT),
    FAMILY.helper("_merged_pairs(input)", "each pair of axes as one", Kind.MOVEMENT),
)
