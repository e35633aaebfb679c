"""Ops that write entries of one tensor into another: replaced, added up, or reduced where several meet."""

from __future__ import annotations

from typing import Any

from gradcli.ops.family import Family
from gradcli.ops.record import Kind, Op

FAMILY = Family("scatter", kernels="scatter")
WRITTEN = "every entry of the result is an entry of an input; the last one written counts"

# What `scatter_reduce` and `index_reduce` have in common: `s` are the entries, `t` the positions they are written to.
REDUCED = """n = (numel(input),)
old = reshape(input, (-1,))
count = _counted(t, n)
if reduce == 'sum':
    y = _summed_into(s, t, n)
elif reduce == 'mean':
    y = _summed_into(s, t, n)/(count + 1 if include_self else clamp_min(count, 1))
    old = old/(count + 1) if include_self else old
elif reduce == 'prod':
    y = prod(_grouped(s, t, n, 1), 1)
elif reduce == 'amax':
    y = _grouped(s, t, n, -inf)
    y = amax(cat([unsqueeze(old, 1), y], 1) if include_self else y, 1)
elif reduce == 'amin':
    y = _grouped(s, t, n, inf)
    y = amin(cat([unsqueeze(old, 1), y], 1) if include_self else y, 1)
if not include_self:
    y = where(count > 0, y, old)
elif reduce == 'sum' or reduce == 'mean':
    y = old + y
elif reduce == 'prod':
    y = old*y
reshape(y, input.shape)"""


def _write(signature: str, *examples: str, **more: Any) -> Op:
    return FAMILY.movement(signature, *examples, definition=WRITTEN, **more)


SCATTER: tuple[Op, ...] = (
    _write(
        "scatter(input, dim, index, src: Tensor)",
        "scatter(x, 0, tensor([[1, 0, 1]]), y) | x=2x3 y=1x3",
        "x.scatter(1, tensor([[0], [2]]), 0.5)*x | x=2x3",
        "torch.scatter(x, 1, tensor([[0], [2]]), value=2) | x=2x3",
        overloads=(
            _write("scatter(input, dim, index, value)", integers=("index",), below={"index": "input.shape[dim]"}),
        ),
        integers=("index",),
    ),
    _write(
        "index_copy(input, dim, index, source)",
        "index_copy(x, 1, tensor([2, 0]), y) | x=2x3 y=2x2",
        integers=("index",),
    ),
    FAMILY.composite(
        "scatter_add(input, dim, index, src)",
        """t = _positions(input, dim, index)
input + reshape(_summed_into(reshape(_within(src, index), (-1,)), t, (numel(input),)), input.shape)""",
        "scatter_add(x, 0, tensor([[1, 0, 1], [1, 1, 0]]), y) | x=2x3 y=2x3",
        "x.scatter_add(1, tensor([[0, 0], [2, 0]]), y) | x=2x3 y=2x2",
        integers=("index",),
        below={"index": "input.shape[dim]"},
    ),
    FAMILY.composite(
        "scatter_reduce(input, dim, index, src, reduce, *, include_self=True)",
        f"t = _positions(input, dim, index); s = reshape(_within(src, index), (-1,))\n{REDUCED}",
        'scatter_reduce(x, 0, tensor([[1, 0, 1], [1, 1, 0]]), y, "sum") | x=2x3 y=2x3',
        'scatter_reduce(x, 1, tensor([[1, 0, 1], [1, 1, 0]]), y, "prod") | x=2x3 y=2x3',
        'scatter_reduce(x, 0, tensor([1, 1, 3]), y, "mean", include_self=False) | x=4 y=3',
        'x.scatter_reduce(0, tensor([1, 1, 3]), y, reduce="amax") | x=4 y=3',
        'x.scatter_reduce(0, tensor([1, 1, 3]), y, reduce="amin", include_self=False) | x=4 y=3',
        integers=("index",),
        below={"index": "input.shape[dim]"},
    ),
    FAMILY.composite(
        "index_add(input, dim, index, source, *, alpha=1)",
        """t = _places(input, dim, index)
input + alpha*reshape(_summed_into(reshape(source, (-1,)), t, (numel(input),)), input.shape)""",
        "index_add(x, 0, tensor([1, 1]), y) | x=2x3 y=2x3",
        "x.index_add(1, tensor([2, 0]), y, alpha=2) | x=2x3 y=2x2",
        integers=("index",),
        below={"index": "input.shape[dim]"},
    ),
    FAMILY.composite(
        "index_reduce(input, dim, index, source, reduce, *, include_self=True)",
        f"t = _places(input, dim, index); s = reshape(source, (-1,))\n{REDUCED}",
        'index_reduce(x, 0, tensor([1, 1]), y, "prod") | x=2x3 y=2x3',
        'index_reduce(x, 1, tensor([2, 0, 2]), y, "mean") | x=2x3 y=2x3',
        'index_reduce(x, 1, tensor([2, 0, 2]), y, "amin", include_self=False) | x=2x3 y=2x3',
        integers=("index",),
        below={"index": "input.shape[dim]"},
    ),
    FAMILY.composite(
        "index_put(input, indices, values, accumulate=False)",
        """t = _indexed(input, indices)
if accumulate:
    s = reshape(broadcast_to(values, t.shape), (-1,))
    y = input + reshape(_summed_into(s, reshape(t, (-1,)), (numel(input),)), input.shape)
else:
    y = _index_put(input, indices, values)
y""",
        "index_put(x, (tensor([1, 0]),), y) | x=2x3 y=3",
        "x.index_put((tensor([1, 1]), tensor([0, 0])), y, accumulate=True) | x=2x3 y=2",
        integers=("indices",),
    ),
    FAMILY.composite(
        "put(input, index, source, accumulate=False)",
        """if accumulate:
    t = _wrapped(input, index)
    y = input + reshape(_summed_into(reshape(source, (-1,)), t, (numel(input),)), input.shape)
else:
    y = _put(input, index, source)
y""",
        "put(x, tensor([1, -1]), y) | x=2x3 y=2",
        "put(x, tensor([1, 1]), y, True) | x=2x3 y=2",
        integers=("index",),
    ),
    FAMILY.composite(
        # Without `offsets` and `unsafe`: PyTorch checks neither, and reads and writes beside the data.
        "segment_reduce(data, reduce, *, lengths, axis=0, initial=None)",
        """t = _segments(data, lengths, axis); s = reshape(data, (-1,))
start = _segment_start(data, lengths, axis, reduce, initial)
n = (numel(start),)
old = reshape(start, (-1,))
if reduce == 'sum':
    y = old + _summed_into(s, t, n)
elif reduce == 'mean':
    count = _counted(t, n)
    y = where(count > 0, (old + _summed_into(s, t, n))/clamp_min(count, 1), old/count if initial is None else old)
elif reduce == 'prod':
    y = old*prod(_grouped(s, t, n, 1), 1)
elif reduce == 'max':
    y = amax(cat([unsqueeze(old, 1), _grouped(s, t, n, -inf)], 1), 1)
elif reduce == 'min':
    y = amin(cat([unsqueeze(old, 1), _grouped(s, t, n, inf)], 1), 1)
reshape(y, start.shape)""",
        'segment_reduce(x, "sum", lengths=tensor([2, 0, 2])) | x=4x2',
        'segment_reduce(x, "mean", lengths=tensor([1, 3]), initial=2) | x=4',
        'segment_reduce(x, "prod", lengths=tensor([1, 3])) | x=4x2',
        'torch.segment_reduce(x, "max", lengths=tensor([[1, 2], [3, 0]]), axis=1, initial=-9) | x=2x3',
        'segment_reduce(x, "min", lengths=tensor([2, 2])) | x=4x2',
        integers=("lengths",),
    ),
    _write("_index_put(input, indices, values)", torch="torch.index_put"),
    _write("_put(input, index, source)", torch="torch.Tensor.put"),
    FAMILY.helper("_within(input, index)", "the entries that have an index", Kind.MOVEMENT),
    FAMILY.helper("_grouped(input, targets, size, fill)", "a row for each target, filled up", Kind.MOVEMENT),
    FAMILY.helper("_summed_into(input, targets, size)", "delta(i, targets[j])*input[j]", Kind.INDEXED, entry="i"),
    FAMILY.helper("_counted(targets, size)", "how many entries are written to each position"),
    FAMILY.helper("_segments(data, lengths, axis)", "the flat position of each entry's segment"),
    FAMILY.helper("_segment_start(data, lengths, axis, reduce, initial)", "what each segment is before its entries"),
    FAMILY.helper("_positions(input, dim, index)", "the flat positions that `scatter` writes to"),
    FAMILY.helper("_places(input, dim, index)", "the flat positions that `index_add` writes to"),
    FAMILY.helper("_indexed(input, indices)", "the flat positions that `index_put` writes to"),
    FAMILY.helper("_wrapped(input, index)", "the flat positions that `put` writes to"),
)
