"""Normalisation layers and attention."""

from __future__ import annotations

from gradcli.ops.record import Kind, Op

NORMALISATION: tuple[Op, ...] = (
    Op(
        "layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05)",
        "torch.nn.functional.layer_norm",
        Kind.COMPOSITE,
        """dims = _last(len(normalized_shape))
d = input - mean(input, dims, True)
y = d/sqrt(mean(d*d, dims, True) + eps)
y = y if weight is None else y*weight
y if bias is None else y + bias""",
        "normalisation",
        examples=("F.layer_norm(x, (4,)) | x=3x4", "F.layer_norm(x, (4,), w, b) | x=3x4 w=4 b=4"),
    ),
    Op(
        "rms_norm(input, normalized_shape, weight=None, eps=None)",
        "torch.nn.functional.rms_norm",
        Kind.COMPOSITE,
        """y = input/sqrt(mean(input*input, _last(len(normalized_shape)), True) + (2.220446049250313e-16 if eps is None else eps))
y if weight is None else y*weight""",
        "normalisation",
        examples=("F.rms_norm(x, (4,), w) | x=3x4 w=4",),
    ),
    Op(
        "normalize(input, p=2.0, dim=1, eps=1e-12)",
        "torch.nn.functional.normalize",
        Kind.COMPOSITE,
        "input/clamp_min(linalg.vector_norm(input, p, dim, True), eps)",
        "normalisation",
        examples=("F.normalize(x) | x=2x3",),
    ),
    Op(
        "cosine_similarity(x1, x2, dim=1, eps=1e-08)",
        "torch.nn.functional.cosine_similarity",
        Kind.COMPOSITE,
        "sum(x1*x2, dim)/(clamp_min(_root(sum(x1*x1, dim)), eps)*clamp_min(_root(sum(x2*x2, dim)), eps))",
        "normalisation",
        examples=("F.cosine_similarity(x, y, dim=1) | x=2x3 y=2x3",),
    ),
    Op(
        "_last(count)",
        "gradcli.execution.kernels.last_axes",
        Kind.CONSTANT,
        "the last axes, as negative numbers",
        "normalisation",
    ),
    Op(
        "len(value)",
        "builtins.len",
        Kind.CONSTANT,
        "the length of a tuple, a list or a tensor's first axis",
        "normalisation",
    ),
)
