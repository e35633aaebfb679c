"""Rows looked up by index."""

from __future__ import annotations

from gradcli.ops.family import MOVES, Family
from gradcli.ops.record import Kind, Op

FAMILY = Family("embedding", "torch.nn.functional", kernels="layers")

# These options change the weight or its gradient behind its back.
CHECKED = """if max_norm is not None:
    w = _refuse("max_norm changes the weight in place")
elif scale_grad_by_freq:
    w = _refuse("scale_grad_by_freq asks for something else than the gradient")
else:
    w = weight"""

# The row at `padding_idx` is a constant: of the rows that are asked for, for the weight may be of gigabytes.
ROWS = f"""{CHECKED}
rows = w[input]
if padding_idx is not None:
    rows = where(_row_mask(w.shape[0], padding_idx)[input], detach(rows), rows)
rows"""

# PyTorch takes indices and table in either order.
BAG = f"""if _is_floating(input):
    table = input; input = weight; weight = table
{CHECKED}
if padding_idx is not None:
    w = where(_row_mask(w.shape[0], padding_idx), detach(w), w)
rows = reshape(w[input], (-1, w.shape[-1]))
members = _bags(input, offsets, include_last_offset, padding_idx, weight.shape[0])
counts = members*1.0
if mode == 'max':
    found = _bagged(rows, members); found = _at(found, argmax(found, -1))
    y = where(found == -inf, 0, found)
elif mode == 'mean':
    y = einsum("be,ed->bd", counts/clamp_min(sum(counts, -1, True), 1), rows)
elif per_sample_weights is None:
    y = einsum("be,ed->bd", counts, rows)
else:
    y = einsum("be,e,ed->bd", counts, reshape(per_sample_weights, (-1,)), rows)
y"""


EMBEDDING: tuple[Op, ...] = (
    FAMILY.composite(
        "embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False)",
        ROWS,
        "F.embedding(tensor([[2, 0], [2, 1]]), w) | w=3x2",
        "F.embedding(tensor([2, 0, 1]), w, padding_idx=-1) | w=3x2",
        convention="the row padding_idx is given no gradient",
        integers=("input",),
        below={"input": "weight.shape[0]"},
    ),
    FAMILY.composite(
        "embedding_bag(input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode='mean', sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None)",
        BAG,
        "F.embedding_bag(tensor([[2, 0], [2, 1]]), w) | w=3x2",
        "F.embedding_bag(tensor([2, 0, 1]), w, tensor([0, 2]), mode='sum', per_sample_weights=s) | w=3x2 s=3",
        "F.embedding_bag(tensor([[0, 1], [2, 1]]), w, mode='max') | w=3x2",
        kinks="_tied(_bagged(reshape(weight[input], (-1, weight.shape[-1])), _bags(input, offsets, include_last_offset, padding_idx, weight.shape[0])), -1, 1) if mode == 'max' else False",
        convention="the row padding_idx is given no gradient",
        integers=(
            "input",
            "offsets",
        ),
        below={"input": "weight.shape[0]"},
    ),
    FAMILY.constant(
        "one_hot(tensor, num_classes=-1)",
        "1 at the index, else 0",
        "F.one_hot(tensor([2, 0]), 3)*x | x=2x3",
        integers=("tensor",),
        below={"tensor": "num_classes"},
    ),
    FAMILY.helper("_is_floating(value)", "whether a value is a tensor of real numbers"),
    FAMILY.helper("_row_mask(rows, index)", "true at one row"),
    FAMILY.helper("_bags(indices, offsets, include_last_offset, padding_idx, rows)", "which entries each bag counts"),
    FAMILY.helper("_bagged(entries, membership)", MOVES, Kind.MOVEMENT),
)
