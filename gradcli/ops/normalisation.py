"""Normalisation layers."""

from __future__ import annotations

from gradcli.ops.family import Family, kernel
from gradcli.ops.record import Op

FAMILY = Family("normalisation", "torch.nn.functional", kernels="layers")

SCALED = """y = y if weight is None else y*reshape(weight, _over_channels(input.ndim))
y if bias is None else y + reshape(bias, _over_channels(input.ndim))"""


NORMALISATION: tuple[Op, ...] = (
    FAMILY.composite(
        "layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05)",
        """dims = _last(len(normalized_shape))
d = input - mean(input, dims, True)
y = d/sqrt(mean(d*d, dims, True) + eps)
y = y if weight is None else y*weight
y if bias is None else y + bias""",
        "F.layer_norm(x, (4,)) | x=3x4",
        "F.layer_norm(x, (4,), w, b) | x=3x4 w=4 b=4",
        "F.layer_norm(x, (3, 4), w, eps=0.1) | x=2x3x4 w=3x4",
    ),
    FAMILY.composite(
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
    FAMILY.composite(
        "group_norm(input, num_groups, weight=None, bias=None, eps=1e-05)",
        f"""x = reshape(input, _grouped_shape(input.shape, num_groups))
d = x - mean(x, -1, True)
y = reshape(d/sqrt(mean(d*d, -1, True) + eps), input.shape)
{SCALED}""",
        "F.group_norm(x, 2, w, b) | x=2x4x3 w=4 b=4",
        "F.group_norm(x, 3, eps=0.1) | x=2x3x2x2",
    ),
    FAMILY.composite(
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
    FAMILY.composite(
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
        torch=kernel("layers.batch_norm"),
    ),
    FAMILY.composite(
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
        torch=kernel("layers.native_batch_norm"),
        crashes="""c = input.shape[1]
(input.shape[0] == 0 or c == 0
 or (weight is not None and weight.shape != (c,)) or (bias is not None and bias.shape != (c,))
 or (running_mean is not None and running_mean.shape != (c,)) or (running_var is not None and running_var.shape != (c,)))""",
    ),
    FAMILY.composite(
        "instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-05)",
        f"""if use_input_stats:
    dims = _later_axes(input.ndim, 2)
    m = mean(input, dims, True); v = mean((input - m)**2, dims, True)
else:
    m = reshape(running_mean, _over_channels(input.ndim)); v = reshape(running_var, _over_channels(input.ndim))
y = (input - m)/sqrt(v + eps)
{SCALED}""",
        "F.instance_norm(x, None, None, w, b) | x=2x2x3 w=2 b=2",
        torch=kernel("layers.instance_norm"),
    ),
    FAMILY.composite(
        "local_response_norm(input, size, alpha=0.0001, beta=0.75, k=1.0)",
        """margins = (0, 0, size//2, (size - 1)//2)
squares = reshape(input*input, (input.shape[0], 1, input.shape[1], -1))
near = sum(_patches(pad(squares, margins), (size, 1), 1, 1), -1)/size
input/reshape(k + alpha*near, input.shape)**beta""",
        "F.local_response_norm(x, 3, alpha=0.5) | x=2x4x3",
        "F.local_response_norm(x, 2, 0.5, 0.6, 2.0) | x=1x4x2x2",
    ),
    FAMILY.composite(
        "rms_norm(input, normalized_shape, weight=None, eps=None)",
        """y = input/sqrt(mean(input*input, _last(len(normalized_shape)), True) + (2.220446049250313e-16 if eps is None else eps))
y if weight is None else y*weight""",
        "F.rms_norm(x, (4,), w) | x=3x4 w=4",
    ),
    FAMILY.composite(
        "normalize(input, p=2.0, dim=1, eps=1e-12)",
        "input/clamp_min(linalg.vector_norm(input, p, dim, True), eps)",
        "F.normalize(x) | x=2x3",
    ),
    FAMILY.composite(
        "cosine_similarity(x1, x2, dim=1, eps=1e-08)",
        "sum(x1*x2, dim)/(clamp_min(_root(sum(x1*x1, dim)), eps)*clamp_min(_root(sum(x2*x2, dim)), eps))",
        "F.cosine_similarity(x, y, dim=1) | x=2x3 y=2x3",
    ),
    FAMILY.helper("_grouped_shape(shape, groups)", "(N, groups, everything of a group)"),
    FAMILY.helper("_later_axes(rank, first)", "the axes that a norm averages over"),
    FAMILY.helper("_over_channels(rank)", "the shape in which a vector over channels broadcasts"),
    FAMILY.constant("_last(count)", "the last axes, as negative numbers", torch=kernel("general.last_axes")),
    FAMILY.constant("len(value)", "the length of a tuple, a list or a tensor's first axis", torch="builtins.len"),
)
