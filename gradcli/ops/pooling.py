"""Pools: one number for each window; a maximum's place is a constant of the forward run."""

from __future__ import annotations

from gradcli.ops.family import MOVES, Family
from gradcli.ops.record import Kind, Op

FAMILY = Family("pooling", "torch.nn.functional", kernels="windows")
# Where fractional pooling begins its windows: for each image and channel, a number for each axis.
RANDOM_PLACES = "[[[0.2, 0.7], [0.4, 0.5]]]"
LETTERS = ("i,ai->...a", "ij,ai,bj->...ab", "ijk,ai,bj,ck->...abc")


def _max_pool(axes: int, *examples: str) -> Op:
    name = f"max_pool{axes}d"
    windows = f"_pool_windows(input, {axes}, kernel_size, stride, padding, dilation, ceil_mode, -inf)"
    options = "kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False"
    return FAMILY.composite(
        f"{name}(input, {options})",
        f"""windows = {windows}
y = _at(windows, argmax(windows, -1))
(y, _pool_indices("{name}", input, kernel_size, stride, padding, dilation, ceil_mode)) if return_indices else y""",
        *examples,
        kinks=f"_tied({windows}, -1, 1)",
    )


def _average(axes: int, override: str, *examples: str) -> Op:
    options = f"kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True{override}"
    divisor = "divisor_override" if override else "None"
    return FAMILY.composite(
        f"avg_pool{axes}d(input, {options})",
        f"""windows = _pool_windows(input, {axes}, kernel_size, stride, padding, 1, ceil_mode, 0)
sum(windows, -1)/_pool_divisor(input.shape, {axes}, kernel_size, stride, padding, ceil_mode, count_include_pad, {divisor})""",
        *examples,
    )


def _adaptive_average(axes: int, *examples: str) -> Op:
    matrices = ", ".join(f"w[{axis}]" for axis in range(axes))
    return FAMILY.composite(
        f"adaptive_avg_pool{axes}d(input, output_size)",
        f"""w = _adaptive_weights(input.shape[-{axes}:], output_size)
einsum("...{LETTERS[axes - 1]}", input, {matrices})""",
        *examples,
    )


def _adaptive_max(axes: int, *examples: str) -> Op:
    name = f"adaptive_max_pool{axes}d"
    windows = f"_adaptive_windows(input, {axes}, output_size)"
    return FAMILY.composite(
        f"{name}(input, output_size, return_indices=False)",
        f"""windows = {windows}
y = _at(windows, argmax(windows, -1))
(y, _pool_indices("{name}", input, output_size)) if return_indices else y""",
        *examples,
        kinks=f"_tied({windows}, -1, 1)",
    )


def _power_average(axes: int, *examples: str) -> Op:
    return FAMILY.composite(
        f"lp_pool{axes}d(input, norm_type, kernel_size, stride=None, ceil_mode=False)",
        f"""windows = _pool_windows(input**norm_type, {axes}, kernel_size, stride, 0, 1, ceil_mode, 0)
d = _pool_divisor(input.shape, {axes}, kernel_size, stride, 0, ceil_mode, True, None)
(sum(windows, -1)*(windows.shape[-1]/d))**(1/norm_type)""",
        *examples,
    )


def _fractional(axes: int, *examples: str) -> Op:
    name = f"fractional_max_pool{axes}d"
    return FAMILY.composite(
        f"{name}(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None)",
        f"""places = _pool_indices("{name}", input, kernel_size, output_size, output_ratio, False, _random_samples)
y = reshape(gather(flatten(input, -{axes}), -1, flatten(places, -{axes})), *places.shape)
(y, places) if return_indices else y""",
        *examples,
    )


def _unpool(axes: int, *examples: str) -> Op:
    options = "kernel_size, stride=None, padding=0, output_size=None"
    return FAMILY.movement(f"max_unpool{axes}d(input, indices, {options})", *examples)


POOLING: tuple[Op, ...] = (
    _max_pool(1, "F.max_pool1d(x, 2) | x=2x6", "F.max_pool1d(x, 3, 2, 1, 2, True) | x=1x2x8"),
    _max_pool(
        2,
        "F.max_pool2d(x, 2) | x=2x4x4",
        "F.max_pool2d(x, (3, 2), stride=2, padding=1, ceil_mode=True) | x=1x2x4x5",
        "F.max_pool2d(x, 2, return_indices=True)[0] | x=1x4x4",
    ),
    _max_pool(3, "F.max_pool3d(x, 2, stride=1) | x=1x1x3x3x3"),
    _average(1, "", "F.avg_pool1d(x, 2) | x=2x6", "F.avg_pool1d(x, 3, 2, 1, True, False) | x=1x2x6"),
    _average(
        2,
        ", divisor_override=None",
        "F.avg_pool2d(x, 2) | x=2x4x4",
        "F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False) | x=1x2x4x6",
        "F.avg_pool2d(x, (2, 1), divisor_override=3) | x=1x4x3",
    ),
    _average(3, ", divisor_override=None", "F.avg_pool3d(x, 2, padding=1, ceil_mode=True) | x=1x1x3x4x3"),
    _adaptive_average(1, "F.adaptive_avg_pool1d(x, 3) | x=2x5"),
    _adaptive_average(2, "F.adaptive_avg_pool2d(x, (2, None)) | x=1x5x3"),
    _adaptive_average(3, "F.adaptive_avg_pool3d(x, 2) | x=1x3x4x5"),
    _adaptive_max(1, "F.adaptive_max_pool1d(x, 3) | x=2x5"),
    _adaptive_max(2, "F.adaptive_max_pool2d(x, (2, None)) | x=1x5x3"),
    _adaptive_max(3, "F.adaptive_max_pool3d(x, 2, return_indices=True)[0] | x=1x3x4x5"),
    _power_average(1, "F.lp_pool1d(x, 2, 3) | x=2x6", "F.lp_pool1d(x, 2, 2, ceil_mode=True) | x=2x5"),
    _power_average(2, "F.lp_pool2d(x, 4, 2) | x=1x4x4"),
    _power_average(3, "F.lp_pool3d(x, 2, 2) | x=1x2x2x4"),
    _fractional(
        2,
        f"F.fractional_max_pool2d(x, 2, 3, _random_samples=tensor({RANDOM_PLACES})) | x=1x2x5x6",
        f"F.fractional_max_pool2d(x, 2, output_ratio=(0.5, 0.5), return_indices=True, _random_samples=tensor({RANDOM_PLACES}))[0] | x=1x2x6x6",
    ),
    _fractional(3, "F.fractional_max_pool3d(x, 2, 2, _random_samples=tensor([[[0.3, 0.6, 0.1]]])) | x=1x1x4x4x5"),
    _unpool(1, "F.max_unpool1d(x, tensor([[0, 3]]), 2) | x=1x2"),
    _unpool(2, "F.max_unpool2d(x, tensor([[[0, 3], [8, 10]]]), 2) | x=1x2x2"),
    _unpool(3, "F.max_unpool3d(x, tensor([[[[5]]]]), 2) | x=1x1x1x1"),
    FAMILY.helper(
        "_pool_windows(input, count, kernel_size, stride, padding, dilation, ceil_mode, fill)", MOVES, Kind.MOVEMENT
    ),
    FAMILY.helper("_adaptive_windows(input, count, output_size)", MOVES, Kind.MOVEMENT),
    FAMILY.helper(
        "_pool_divisor(shape, count, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)",
        "how many entries each window counts",
    ),
    FAMILY.helper("_adaptive_weights(sizes, output_size)", "the averaging matrix of each axis"),
    FAMILY.helper("_pool_indices(name, input, *arguments)", "where the largest entry of each window stands"),
)
