"""Ops that only move data: each entry of the result is an entry of an input, or a constant.

The callable is its own definition: applied to numbered entries, it shows where every entry of its result comes from.
"""

from __future__ import annotations

from typing import Any

from gradcli.ops.family import MOVES, Family, kernel
from gradcli.ops.record import ALIKE, Kind, Op

FAMILY = Family("movement", kernels="general")


def _move(signature: str, *examples: str, torch: str = "", overloads: tuple[str, ...] = (), **more: Any) -> Op:
    """Return a record; each of `overloads` is a further signature, of the same callable unless it is a method's."""
    others = (FAMILY.movement(text, torch="" if text.startswith("Tensor.") else torch) for text in overloads)
    return FAMILY.movement(signature, *examples, torch=torch, overloads=tuple(others), **more)


# Indices along one axis.
ALONG: dict[str, Any] = {"integers": ("index",), "below": {"index": "input.shape[dim]"}}
# What gives a view elsewhere, and here a copy: calls of their own, with backwards of their own.
COPIES = (
    _move("alias_copy(input)", "alias_copy(x) | x=2x3"),
    _move(
        "as_strided_copy(input, size, stride, storage_offset=None)",
        "as_strided_copy(x, (2, 2), (1, 2)) | x=2x3",
        torch=kernel("arrange.as_strided_copy"),
    ),
    _move("diagonal_copy(input, offset=0, dim1=0, dim2=1)", "diagonal_copy(x, 1) | x=3x4"),
    _move("expand_copy(input, size, *, implicit=False)", "expand_copy(x, (2, 3)) | x=3"),
    _move("narrow_copy(input, dim, start, length)", "narrow_copy(x, 0, 1, 2) | x=4x2"),
    _move("permute_copy(input, dims)", "permute_copy(x, (1, 0, 2)) | x=2x3x2"),
    _move("select_copy(input, dim, index)", "select_copy(x, 0, 1) | x=3x2"),
    _move("slice_copy(input, dim=0, start=None, end=None, step=1)", "slice_copy(x, 1, 0, 4, 2) | x=2x4"),
    _move("split_copy(input, split_size, dim=0)", "split_copy(x, 2)[1] | x=4x2"),
    _move("split_with_sizes_copy(input, split_sizes, dim=0)", "split_with_sizes_copy(x, [1, 3])[1] | x=4x2"),
    _move("squeeze_copy(input)", "squeeze_copy(x) | x=2x1x3", overloads=("squeeze_copy(input, dim)",)),
    _move("t_copy(input)", "t_copy(x) | x=2x3"),
    _move("transpose_copy(input, dim0, dim1)", "transpose_copy(x, 0, 1) | x=2x3"),
    _move("unbind_copy(input, dim=0)", "a, b = unbind_copy(x); a*b | x=2x3"),
    _move("unfold_copy(input, dimension, size, step)", "unfold_copy(x, 0, 3, 1) | x=6"),
    _move("unsqueeze_copy(input, dim)", "unsqueeze_copy(x, 0) | x=2x3"),
    _move("view_copy(input, size)", "view_copy(x, (3, 2)) | x=2x3"),
)
MOVEMENT: tuple[Op, ...] = (
    _move(
        "reshape(input, *shape)",
        "x.reshape(3, 2) | x=2x3",
        "torch.reshape(x, (6,)) | x=2x3",
        torch=kernel("general.reshape"),
    ),
    _move("view(input, *shape)", "x.view(3, 2) | x=2x3", torch="torch.Tensor.view"),
    _move("reshape_as(input, other)", "x.reshape_as(y) | x=2x3 y=3x2", torch="torch.Tensor.reshape_as"),
    _move("view_as(input, other)", "x.view_as(y) | x=2x3 y=3x2", torch="torch.Tensor.view_as"),
    _move("unflatten(input, dim, sizes)", "unflatten(x, 1, (2, -1)) | x=2x4"),
    _move("atleast_1d(*tensors)", "atleast_1d(x) | x=scalar", "a, b = atleast_1d(x, y); a*b | x=scalar y=3"),
    _move("atleast_2d(*tensors)", "atleast_2d(x) | x=3", "a, b = atleast_2d(x, y); a*b | x=scalar y=3"),
    _move("atleast_3d(*tensors)", "atleast_3d(x) | x=2x3", "a, b = atleast_3d([x, y]); a*b | x=scalar y=3"),
    _move("flatten(input, start_dim=0, end_dim=-1)", "flatten(x) | x=2x3", "flatten(x, 1) | x=2x2x2"),
    _move("ravel(input)", "x.ravel() | x=2x3"),
    _move("squeeze(input, dim=())", "x.squeeze(1) | x=2x1x3", torch=kernel("general.squeeze")),
    _move("unsqueeze(input, dim)", "x.unsqueeze(0) | x=2x3"),
    _move("transpose(input, dim0, dim1)", "transpose(x, 0, 1) | x=2x3", aliases=("swapaxes", "swapdims")),
    _move("t(input)", "x.t() | x=2x3", "torch.t(x) | x=3"),
    _move("T(input)", "x.T | x=2x3", torch=kernel("arrange.reverse_axes")),
    _move("mT(input)", "x.mT | x=2x2x3", torch=kernel("general.matrix_transpose")),
    _move(
        "H(input)",
        "x.H | x=2x3",
        torch=kernel("arrange.adjoint_matrix"),
        complex="conj(T(input))",
    ),
    _move(
        "mH(input)",
        "x.mH | x=2x2x3",
        torch=kernel("arrange.adjoint_matrices"),
        aliases=("adjoint",),
        complex="conj(mT(input))",
    ),
    _move("permute(input, *dims)", "x.permute(1, 0, 2) | x=2x3x2", torch="torch.Tensor.permute"),
    _move("movedim(input, source, destination)", "movedim(x, 0, 2) | x=2x3x2", aliases=("moveaxis",)),
    _move("expand(input, *sizes)", "x.expand(2, 3) | x=3", "x.expand(-1, 4) | x=3x1", torch="torch.Tensor.expand"),
    _move("expand_as(input, other)", "x.expand_as(y) | x=3 y=2x3", torch="torch.Tensor.expand_as"),
    _move("broadcast_to(input, size)", "broadcast_to(x, (2, 3)) | x=3"),
    _move("broadcast_tensors(*tensors)", "a, b = broadcast_tensors(x, y); a*b*b | x=3 y=2x1"),
    _move(
        "meshgrid(*tensors, indexing=None)",
        'a, b = meshgrid(x, y, indexing="ij"); a*b*b | x=2 y=3',
        'meshgrid([x, y], indexing="xy")[0] | x=2 y=3',
    ),
    _move("cartesian_prod(*tensors)", "cartesian_prod(x, y) | x=2 y=3"),
    _move(
        "combinations(input, r=2, with_replacement=False)", "combinations(x) | x=4", "combinations(x, 2, True) | x=3"
    ),
    _move("repeat(input, *repeats)", "x.repeat(2, 2) | x=2x3", torch="torch.Tensor.repeat"),
    _move(
        "tile(input, dims)", "tile(x, (2, 2)) | x=3", "x.tile(2, 1) | x=2x2", overloads=("Tensor.tile(input, *dims)",)
    ),
    _move(
        "repeat_interleave(input, repeats, dim=None, *, output_size=None)",
        "repeat_interleave(x, 2, dim=0) | x=2x3",
        "x.repeat_interleave(tensor([1, 2, 0]), 1) | x=2x3",
        integers=("repeats",),
    ),
    _move("flip(input, *dims)", "flip(x, (0,)) | x=4", torch="torch.Tensor.flip"),
    _move("fliplr(input)", "fliplr(x) | x=2x3"),
    _move("flipud(input)", "flipud(x) | x=2x3"),
    _move("rot90(input, k=1, dims=(0, 1))", "rot90(x) | x=2x3"),
    _move("roll(input, shifts, dims=None)", "roll(x, 1, 0) | x=4"),
    _move(
        "cat(tensors, dim=0)",
        "cat([x, y]) | x=2x3 y=1x3",
        "cat((x, x), dim=1) | x=2x2",
        aliases=("concat", "concatenate"),
    ),
    _move("stack(tensors, dim=0)", "stack([x, y], dim=1) | x=3 y=3"),
    _move("hstack(tensors)", "hstack((x, y)) | x=2 y=3"),
    _move("dstack(tensors)", "dstack((x, y)) | x=2x3 y=2x3"),
    _move("column_stack(tensors)", "column_stack((x, y)) | x=3 y=3x2"),
    _move("block_diag(*tensors)", "block_diag(x, y) | x=2x3 y=2"),
    _move("vstack(tensors)", "vstack((x, y)) | x=3 y=3", aliases=("row_stack",)),
    _move("chunk(input, chunks, dim=0)", "a, b = chunk(x, 2); a*b | x=4x2"),
    _move(
        "split(tensor, split_size_or_sections, dim=0)",
        "split(x, 2)[1] | x=4x2",
        "a, b = x.split([1, 2], dim=1); a*b | x=2x3",
        overloads=("Tensor.split(input, split_size, dim=0)",),
    ),
    _move("split_with_sizes(input, split_sizes, dim=0)", "split_with_sizes(x, [1, 3])[1] | x=4x2"),
    _move(
        "tensor_split(input, indices_or_sections, dim=0)",
        "a, b, c = tensor_split(x, 3); a*b[0] | x=4x2",
        "tensor_split(x, [1, 3], dim=1)[1] | x=2x4",
        "x.tensor_split(indices=(1, 2))[2] | x=4",
        overloads=(
            "tensor_split(input, *, indices, dim=0)",
            "tensor_split(input, *, sections, dim=0)",
            "tensor_split(input, *, tensor_indices_or_sections, dim=0)",
        ),
    ),
    _move(
        "hsplit(input, indices_or_sections)",
        "hsplit(x, 2)[1] | x=2x4",
        overloads=("hsplit(input, *, indices)", "hsplit(input, *, sections)"),
    ),
    _move(
        "vsplit(input, indices_or_sections)",
        "vsplit(x, 2)[1] | x=4x2",
        overloads=("vsplit(input, *, indices)", "vsplit(input, *, sections)"),
    ),
    _move(
        "dsplit(input, indices_or_sections)",
        "dsplit(x, [1, 3])[1] | x=2x1x4",
        overloads=("dsplit(input, *, indices)", "dsplit(input, *, sections)"),
    ),
    _move("unsafe_chunk(input, chunks, dim=0)", "unsafe_chunk(x, 2)[1] | x=4x2"),
    _move("unsafe_split(tensor, split_size, dim=0)", "unsafe_split(x, 2)[1] | x=4x2"),
    _move("unsafe_split_with_sizes(input, split_sizes, dim=0)", "torch.unsafe_split_with_sizes(x, [1, 3])[1] | x=4x2"),
    _move("unbind(input, dim=0)", "a, b = unbind(x); a*b | x=2x3"),
    _move("narrow(input, dim, start, length)", "narrow(x, 0, 1, 2) | x=4x2"),
    _move("select(input, dim, index)", "select(x, 0, 1) | x=3x2"),
    _move(
        "getitem(input, index)",
        "X[0, 1:] | X=3x3",
        "X[..., None] | X=2x2",
        "X[:, ::2] | X=2x5",
        torch="operator.getitem",
        integers=("index",),
        below={"index": "_least_indexed(input, index)"},
    ),
    _move("diagonal(input, offset=0, dim1=0, dim2=1)", "diagonal(x) | x=3x3", "diagonal(x, 1) | x=3x4"),
    _move(
        "linalg.diagonal(A, *, offset=0, dim1=-2, dim2=-1)",
        "torch.linalg.diagonal(A) | A=2x3x3",
        "torch.linalg.diagonal(A, offset=1, dim1=0) | A=2x3x3",
    ),
    _move("diag(input, diagonal=0)", "diag(x) | x=3", "diag(x) | x=3x3"),
    _move("diag_embed(input, offset=0, dim1=-2, dim2=-1)", "diag_embed(x) | x=2x3"),
    _move("diagflat(input, offset=0)", "diagflat(x, 1) | x=2x2"),
    _move(
        "as_strided(input, size, stride, storage_offset=None)",
        "as_strided(x, (2, 2), (1, 2)) | x=2x3",
        "as_strided(x, (3, 2), (1, 1), 1) | x=6",
        torch=kernel("arrange.as_strided"),
    ),
    _move("tril(input, diagonal=0)", "tril(x) | x=3x3"),
    _move("triu(input, diagonal=0)", "triu(x, 1) | x=3x3"),
    _move("gather(input, dim, index)", "gather(x, 0, tensor([[1, 0]])) | x=2x2", **ALONG),
    _move("index_select(input, dim, index)", "index_select(x, 0, tensor([2, 0, 2])) | x=3x2", **ALONG),
    _move(
        "take_along_dim(input, indices, dim=None)",
        "take_along_dim(x, tensor([[1, 0]]), 0) | x=2x2",
        "take_along_dim(x, tensor([3, 0, 0])) | x=2x2",
        integers=("indices",),
        below={"indices": "input.numel() if dim is None else input.shape[dim]"},
    ),
    _move(
        "take(input, index)",
        "take(x, tensor([0, 3])) | x=2x2",
        integers=("index",),
        below={"index": "input.numel()"},
    ),
    _move(
        "masked_fill(input, mask, value)",
        "masked_fill(x, x > 1, 0.5) | x=2x3",
        torch="torch.masked_fill",
        truths=("mask",),
    ),
    _move("masked_scatter(input, mask, source)", "masked_scatter(x, tensor([[True, False, True]]), y) | x=2x3 y=6"),
    _move(
        "index_fill(input, dim, index, value)",
        "index_fill(x, 1, tensor([0, 2]), y) | x=2x3 y=scalar",
        "x.index_fill(0, tensor([1]), 0.5) | x=2x3",
        integers=("index",),
    ),
    _move("fill(input, value)", "fill(x, y) | x=2x3 y=scalar", "x.fill(0.5)*x | x=3"),
    _move("select_scatter(input, src, dim, index)", "select_scatter(x, y, 0, 1) | x=3x2 y=2"),
    _move(
        "slice_scatter(input, src, dim=0, start=None, end=None, step=1)",
        "slice_scatter(x, y, 1, 0, 4, 2) | x=2x4 y=2x2",
        "slice_scatter(x, y, start=1) | x=3x2 y=2x2",
    ),
    _move(
        "diagonal_scatter(input, src, offset=0, dim1=0, dim2=1)",
        "diagonal_scatter(x, y) | x=3x3 y=3",
        "diagonal_scatter(x, y, 1) | x=3x4 y=3",
    ),
    _move(
        "as_strided_scatter(input, src, size, stride, storage_offset=None)",
        "as_strided_scatter(zeros(2, 3), y, (2, 2), (1, 2)) | y=2x2",
        torch=kernel("arrange.as_strided_scatter"),
    ),
    _move("masked_select(input, mask)", "masked_select(x, x > 0).sum() | x=2x3"),
    _move("clone(input)", "x.clone() | x=2"),
    *COPIES,
    _move("contiguous(input)", "x.T.contiguous() | x=2x3", torch="torch.Tensor.contiguous"),
    _move("unfold(input, dimension, size, step)", "x.unfold(0, 3, 1) | x=6", torch="torch.Tensor.unfold"),
    _move(
        "pad(input, pad, mode='constant', value=None)",
        "F.pad(x, (1, 2)) | x=3",
        "F.pad(x, (1, 1), mode='reflect') | x=1x4",
        torch="torch.nn.functional.pad",
    ),
    FAMILY.composite(
        "view_as_real(input)",
        "stack([real(input), imag(input)], -1)",
        "view_as_real(torch.complex(x, y)) | x=2x3 y=2x3",
        complex=ALIKE,
    ),
    FAMILY.composite(
        "view_as_complex(input)",
        "complex(input[..., 0], input[..., 1])",
        "view_as_complex(x).abs() | x=3x2",
    ),
    FAMILY.helper("_least_indexed(input, index)", "the least length of the axes that tensors index"),
    FAMILY.helper("_rows(input, dim)", MOVES, Kind.MOVEMENT),
    FAMILY.helper("_at(input, index)", MOVES, Kind.MOVEMENT),
    FAMILY.helper("_windows(input, size, stride, dilation)", MOVES, Kind.MOVEMENT),
)
