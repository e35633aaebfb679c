"""Ops that only move data: each entry of the result is an entry of an input, or a constant.

The callable is its own definition: applied to numbered entries, it shows where every entry of its result comes from.
"""

from __future__ import annotations

from gradcli.ops.record import Kind, Op

DEFINITION = "every entry of the result is an entry of an input"


def _move(signature: str, *examples: str, torch: str = "", aliases: tuple[str, ...] = ()) -> Op:
    name = signature.partition("(")[0]
    return Op(
        signature, torch or f"torch.{name}", Kind.MOVEMENT, DEFINITION, "movement", aliases=aliases, examples=examples
    )


MOVEMENT: tuple[Op, ...] = (
    _move(
        "reshape(input, *shape)",
        "x.reshape(3, 2) | x=2x3",
        "torch.reshape(x, (6,)) | x=2x3",
        torch="gradcli.execution.kernels.reshape",
    ),
    _move("view(input, *shape)", "x.view(3, 2) | x=2x3", torch="torch.Tensor.view"),
    _move("flatten(input, start_dim=0, end_dim=-1)", "flatten(x) | x=2x3", "flatten(x, 1) | x=2x2x2"),
    _move("ravel(input)", "x.ravel() | x=2x3"),
    _move("squeeze(input, dim=())", "x.squeeze(1) | x=2x1x3", torch="gradcli.execution.kernels.squeeze"),
    _move("unsqueeze(input, dim)", "x.unsqueeze(0) | x=2x3"),
    _move("transpose(input, dim0, dim1)", "transpose(x, 0, 1) | x=2x3", aliases=("swapaxes", "swapdims")),
    _move("t(input)", "x.T | x=2x3", "x.t() | x=2x3"),
    _move("mT(input)", "x.mT | x=2x2x3", torch="gradcli.execution.kernels.matrix_transpose"),
    _move("permute(input, *dims)", "x.permute(1, 0, 2) | x=2x3x2", torch="torch.Tensor.permute"),
    _move("movedim(input, source, destination)", "movedim(x, 0, 2) | x=2x3x2", aliases=("moveaxis",)),
    _move("expand(input, *sizes)", "x.expand(2, 3) | x=3", "x.expand(-1, 4) | x=3x1", torch="torch.Tensor.expand"),
    _move("expand_as(input, other)", "x.expand_as(y) | x=3 y=2x3", torch="torch.Tensor.expand_as"),
    _move("broadcast_to(input, size)", "broadcast_to(x, (2, 3)) | x=3"),
    _move("repeat(input, *repeats)", "x.repeat(2, 2) | x=2x3", torch="torch.Tensor.repeat"),
    _move("tile(input, dims)", "tile(x, (2, 2)) | x=3"),
    _move("repeat_interleave(input, repeats, dim=None)", "repeat_interleave(x, 2, dim=0) | x=2x3"),
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
    _move("vstack(tensors)", "vstack((x, y)) | x=3 y=3", aliases=("row_stack",)),
    _move("chunk(input, chunks, dim=0)", "a, b = chunk(x, 2); a*b | x=4x2"),
    _move("split(tensor, split_size_or_sections, dim=0)", "split(x, 2)[1] | x=4x2"),
    _move("unbind(input, dim=0)", "a, b = unbind(x); a*b | x=2x3"),
    _move("narrow(input, dim, start, length)", "narrow(x, 0, 1, 2) | x=4x2"),
    _move("select(input, dim, index)", "select(x, 0, 1) | x=3x2"),
    _move(
        "getitem(input, index)",
        "X[0, 1:] | X=3x3",
        "X[..., None] | X=2x2",
        "X[:, ::2] | X=2x5",
        torch="operator.getitem",
    ),
    _move("diagonal(input, offset=0, dim1=0, dim2=1)", "diagonal(x) | x=3x3", "diagonal(x, 1) | x=3x4"),
    _move("diag(input, diagonal=0)", "diag(x) | x=3", "diag(x) | x=3x3"),
    _move("diag_embed(input, offset=0, dim1=-2, dim2=-1)", "diag_embed(x) | x=2x3"),
    _move("tril(input, diagonal=0)", "tril(x) | x=3x3"),
    _move("triu(input, diagonal=0)", "triu(x, 1) | x=3x3"),
    _move("gather(input, dim, index)", "gather(x, 0, tensor([[1, 0]])) | x=2x2"),
    _move("index_select(input, dim, index)", "index_select(x, 0, tensor([2, 0, 2])) | x=3x2"),
    _move("take(input, index)", "take(x, tensor([0, 3])) | x=2x2"),
    _move("masked_fill(input, mask, value)", "masked_fill(x, x > 1, 0.5) | x=2x3", torch="torch.masked_fill"),
    _move("masked_select(input, mask)", "masked_select(x, x > 0).sum() | x=2x3"),
    _move("clone(input)", "x.clone() | x=2"),
    _move("contiguous(input)", "x.T.contiguous() | x=2x3", torch="torch.Tensor.contiguous"),
    _move("unfold(input, dimension, size, step)", "x.unfold(0, 3, 1) | x=6", torch="torch.Tensor.unfold"),
    _move(
        "pad(input, pad, mode='constant', value=None)",
        "F.pad(x, (1, 2)) | x=3",
        "F.pad(x, (1, 1), mode='reflect') | x=1x4",
        torch="torch.nn.functional.pad",
    ),
    _move("_rows(input, dim)", torch="gradcli.execution.kernels.rows"),
    _move("_at(input, index)", torch="gradcli.execution.kernels.at"),
    Op(
        "_windows(input, size, stride, dilation)",
        "gradcli.execution.kernels.windows",
        Kind.MOVEMENT,
        DEFINITION,
        "movement",
    ),
)
