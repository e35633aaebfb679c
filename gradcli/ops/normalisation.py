"""Normalisation layers and attention."""

from __future__ import annotations

from gradcli.ops.record import Kind, Op

KERNELS = "gradcli.execution.kernels.layers"

SCALED = """y = y if weight is None else y*reshape(weight, _over_channels(input.ndim))
y if bias is None else y + reshape(bias, _over_channels(input.ndim))"""


def _norm(signature: str, definition: str, *examples: str, torch: str | None = None) -> Op:
    name = signature.partition("(")[0]
    dotted = torch or f"torch.nn.functional.{name}"
    return Op(signature, dotted, Kind.COMPOSITE, definition, "normalisation", examples=examples)


def _shape(signature: str, definition: str) -> Op:
    name = signature.partition("(")[0].removeprefix("_")
    return Op(signature, f"{KERNELS}.{name}", Kind.CONSTANT, definition, "normalisation")


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
        examples=(
            "F.layer_norm(x, (4,)) | x=3x4",
            "F.layer_norm(x, (4,), w, b) | x=3x4 w=4 b=4",
            "F.layer_norm(x, (3, 4), w, eps=0.1) | x=2x3x4 w=3x4",
        ),
    ),
    _norm(
        "native_layer_norm(input, normalized_shape, weight, bias, eps)",
        """dims = _last(len(normalized_shape))
m = mean(input, dims, True)
r = 1/sqrt(mean((input - m)**2, dims, True) + eps)
y = (input - m)*r
y = y if weight is None else y*weight
(y if bias is None else y + bias, m, r)""",
        "torch.native_layer_norm(x, (4,), w, b, 1e-5)[0] | x=3x4 w=4 b=4",
        torch="torch.native_layer_norm",
    ),
    _norm(
        "group_norm(input, num_groups, weight=None, bias=None, eps=1e-05)",
        f"""x = reshape(input, _grouped_shape(input.shape, num_groups))
d = x - mean(x, -1, True)
y = reshape(d/sqrt(mean(d*d, -1, True) + eps), input.shape)
{SCALED}""",
        "F.group_norm(x, 2, w, b) | x=2x4x3 w=4 b=4",
        "F.group_norm(x, 3, eps=0.1) | x=2x3x2x2",
    ),
    _norm(
        "native_group_norm(input, weight, bias, N, C, HxW, group, eps)",
        """x = reshape(input, (N, group, -1))
m = mean(x, -1, True)
r = 1/sqrt(mean((x - m)**2, -1, True) + eps)
y = reshape((x - m)*r, (N, C, HxW))
y = y if weight is None else y*reshape(weight, (1, C, 1))
y = y if bias is None else y + reshape(bias, (1, C, 1))
(reshape(y, input.shape), reshape(m, (N, group)), reshape(r, (N, group)))""",
        "torch.native_group_norm(x, w, b, 2, 4, 3, 2, 1e-5)[0] | x=2x4x3 w=4 b=4",
        torch="torch.native_group_norm",
    ),
    _norm(
        "batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05)",
        f"""if training:
    dims = _later_axes(input.ndim, 0)
    m = mean(input, dims, True); v = mean((input - m)**2, dims, True)
else:
    m = reshape(running_mean, _over_channels(input.ndim)); v = reshape(running_var, _over_channels(input.ndim))
y = (input - m)/sqrt(v + eps)
{SCALED}""",
        "F.batch_norm(x, None, None, w, b, training=True) | x=4x2x3 w=2 b=2",
        "F.batch_norm(x, detach(m), detach(v*v), w) | x=4x2 m=2 v=2 w=2",
        torch=f"{KERNELS}.batch_norm",
    ),
    _norm(
        "native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)",
        """dims = _later_axes(input.ndim, 0)
if training:
    m = mean(input, dims, True); v = mean((input - m)**2, dims, True)
else:
    m = reshape(running_mean, _over_channels(input.ndim)); v = reshape(running_var, _over_channels(input.ndim))
r = 1/sqrt(v + eps)
y = (input - m)*r
y = y if weight is None else y*reshape(weight, _over_channels(input.ndim))
y = y if bias is None else y + reshape(bias, _over_channels(input.ndim))
(y, reshape(m, (-1,)) if training else zeros(0), reshape(r, (-1,)) if training else zeros(0))""",
        "torch.native_batch_norm(x, w, b, detach(m), detach(v*v), False, 0.1, 1e-5)[0] | x=4x2 w=2 b=2 m=2 v=2",
        "torch.native_batch_norm(x, w, b, None, None, True, 0.1, 1e-5)[0] | x=4x2x3 w=2 b=2",
        torch=f"{KERNELS}.native_batch_norm",
    ),
    _norm(
        "instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-05)",
        f"""if use_input_stats:
    dims = _later_axes(input.ndim, 2)
    m = mean(input, dims, True); v = mean((input - m)**2, dims, True)
else:
    m = reshape(running_mean, _over_channels(input.ndim)); v = reshape(running_var, _over_channels(input.ndim))
y = (input - m)/sqrt(v + eps)
{SCALED}""",
        "F.instance_norm(x, None, None, w, b) | x=2x2x3 w=2 b=2",
        torch=f"{KERNELS}.instance_norm",
    ),
    _norm(
        "local_response_norm(input, size, alpha=0.0001, beta=0.75, k=1.0)",
        """margins = (0, 0, size//2, (size - 1)//2)
squares = reshape(input*input, (input.shape[0], 1, input.shape[1], -1))
near = sum(_patches(pad(squares, margins), (size, 1), 1, 1), -1)/size
input/reshape(k + alpha*near, input.shape)**beta""",
        "F.local_response_norm(x, 3, alpha=0.5) | x=2x4x3",
        "F.local_response_norm(x, 2, 0.5, 0.6, 2.0) | x=1x4x2x2",
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
    _shape("_grouped_shape(shape, groups)", "(N, groups, everything of a group)"),
    _shape("_later_axes(rank, first)", "the axes that a norm averages over"),
    _shape("_over_channels(rank)", "the shape in which a vector over channels broadcasts"),
    Op(
        "_last(count)",
        "gradcli.execution.kernels.general.last_axes",
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
