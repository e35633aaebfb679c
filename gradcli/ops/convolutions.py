"""Convolutions: every window of the input times the weight, summed over channels and offsets."""

from __future__ import annotations

from gradcli.ops.family import MOVES, Family
from gradcli.ops.record import Kind, Op

FAMILY = Family("convolutions", "torch.nn.functional", kernels="windows")

CONVOLUTION = """n = weight.ndim - 2
x = input if input.ndim == n + 2 else unsqueeze(input, 0)
x = pad(x, _margins(padding, weight.shape[2:], dilation))
x = _patches(x, weight.shape[2:], stride, dilation)
w = flatten(weight, 2)
y = flatten(einsum("ngc...k,gock->ngo...", _split_axis(x, 1, groups), _split_axis(w, 0, groups)), 1, 2)
y = y if bias is None else y + reshape(bias, _channel_shape(n))
y if input.ndim == n + 2 else squeeze(y, 0)"""

# The input with zeros between its entries, convolved with the weight turned round.
TRANSPOSED = """n = weight.ndim - 2
x = input if input.ndim == n + 2 else unsqueeze(input, 0)
x = pad(_insert_zeros(x, n, stride), _transposed_margins(weight.shape[2:], padding, output_padding, dilation))
x = _patches(x, weight.shape[2:], 1, dilation)
w = flip(flatten(weight, 2), (-1,))
y = flatten(einsum("ngc...k,gcok->ngo...", _split_axis(x, 1, groups), _split_axis(w, 0, groups)), 1, 2)
y = y if bias is None else y + reshape(bias, _channel_shape(n))
y if input.ndim == n + 2 else squeeze(y, 0)"""


def _convolution(axes: int, *examples: str) -> Op:
    signature = f"conv{axes}d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)"
    return FAMILY.composite(signature, CONVOLUTION, *examples)


def _transposed(axes: int, *examples: str) -> Op:
    options = "bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1"
    return FAMILY.composite(f"conv_transpose{axes}d(input, weight, {options})", TRANSPOSED, *examples)


CONVOLUTIONS: tuple[Op, ...] = (
    _convolution(
        1,
        "F.conv1d(x, w, b, stride=2, padding=1) | x=2x2x6 w=3x2x3 b=3",
        "F.conv1d(x, w, groups=2) | x=1x4x5 w=2x2x3",
        "F.conv1d(x, w, padding='same', dilation=2) | x=2x5 w=3x2x2",
    ),
    _convolution(
        2,
        "F.conv2d(x, w, b, stride=(1, 2), padding=(1, 0)) | x=2x2x4x5 w=3x2x2x3 b=3",
        "F.conv2d(x, w, padding='same', groups=2) | x=4x3x4 w=2x2x3x3",
        "F.conv2d(x, w, None, 1, 'valid', (2, 1)) | x=1x1x5x4 w=2x1x2x2",
    ),
    _convolution(3, "F.conv3d(x, w, b, padding=1, stride=2) | x=1x2x3x3x4 w=2x2x2x2x2 b=2"),
    _transposed(
        1,
        "F.conv_transpose1d(x, w, b, stride=2, padding=1, output_padding=1) | x=2x2x4 w=2x3x3 b=3",
        "F.conv_transpose1d(x, w, groups=2, dilation=2) | x=4x3 w=4x1x2",
    ),
    _transposed(2, "F.conv_transpose2d(x, w, b, stride=(2, 1), padding=(1, 0)) | x=1x2x3x3 w=2x2x3x2 b=2"),
    _transposed(3, "F.conv_transpose3d(x, w, stride=2) | x=1x1x2x2x2 w=1x2x2x2x2"),
    FAMILY.composite(
        "fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1)",
        """x = input if input.ndim == 3 else unsqueeze(input, 0)
y = sum(_landings(x, output_size, kernel_size, dilation, padding, stride), -1)
y if input.ndim == 3 else squeeze(y, 0)""",
        "F.fold(x, (3, 4), (2, 2), padding=1, stride=(2, 1)) | x=1x8x10",
        "F.fold(x, 3, 2) | x=4x4",
    ),
    FAMILY.movement(
        "nn.functional.unfold(input, kernel_size, dilation=1, padding=0, stride=1)",
        "F.unfold(x, (2, 2), padding=1) | x=1x2x3x3",
        "F.unfold(x, 2, stride=2) | x=2x4x4",
        torch="torch.nn.functional.unfold",
    ),
    FAMILY.helper("_patches(input, size, stride, dilation)", MOVES, Kind.MOVEMENT),
    FAMILY.helper("_split_axis(input, dim, groups)", MOVES, Kind.MOVEMENT),
    FAMILY.helper("_insert_zeros(input, count, stride)", MOVES, Kind.MOVEMENT),
    FAMILY.helper("_landings(input, output_size, kernel_size, dilation, padding, stride)", MOVES, Kind.MOVEMENT),
    FAMILY.helper("_margins(padding, size, dilation)", "a convolution's padding, as `pad` takes it"),
    FAMILY.helper(
        "_transposed_margins(size, padding, output_padding, dilation)",
        "the padding of a transposed convolution's input",
    ),
    FAMILY.helper("_channel_shape(count)", "the shape in which a vector over channels broadcasts"),
)
