"""Distances between rows, and rearrangements of channels."""

from __future__ import annotations

from gradcli.ops.record import Kind, Op

MOVES = "every entry of the result is an entry of an input"


def _distance(signature: str, definition: str, *examples: str, kinks: str, torch: str = "torch.nn.functional") -> Op:
    name = signature.partition("(")[0]
    return Op(signature, f"{torch}.{name}", Kind.COMPOSITE, definition, "distances", kinks=kinks, examples=examples)


def _move(signature: str, *examples: str, torch: str = "torch") -> Op:
    name = signature.partition("(")[0]
    return Op(signature, f"{torch}.{name}", Kind.MOVEMENT, MOVES, "distances", examples=examples)


DISTANCES: tuple[Op, ...] = (
    _distance(
        "pairwise_distance(x1, x2, p=2.0, eps=1e-06, keepdim=False)",
        "linalg.vector_norm(x1 - x2 + eps, p, -1, keepdim)",
        "F.pairwise_distance(x, y) | x=2x3 y=2x3",
        "F.pairwise_distance(x, y, 1, keepdim=True) | x=2x3 y=3",
        kinks="linalg.vector_norm(x1 - x2 + eps, p, -1, keepdim) == 0",
    ),
    _distance(
        "cdist(x1, x2, p=2.0, compute_mode='use_mm_for_euclid_dist_if_necessary')",
        "linalg.vector_norm(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, -1)",
        "torch.cdist(x, y) | x=2x3 y=4x3",
        "torch.cdist(x, y, 1.0) | x=2x2x3 y=2x3",
        "torch.cdist(x, y, 3.0) | x=2x3 y=2x3",
        "torch.cdist(x, y, inf) | x=2x3 y=2x3",
        torch="torch",
        kinks="linalg.vector_norm(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, -1) == 0",
    ),
    _distance(
        "pdist(input, p=2.0)",
        "i, j = unbind(_upper_pairs(input.shape[0])); linalg.vector_norm(input[i] - input[j], p, -1)",
        "F.pdist(x) | x=4x3",
        "F.pdist(x, 1.0) | x=3x2",
        kinks="i, j = unbind(_upper_pairs(input.shape[0])); linalg.vector_norm(input[i] - input[j], p, -1) == 0",
    ),
    Op(
        "_upper_pairs(count)",
        "gradcli.execution.kernels.layers.upper_pairs",
        Kind.CONSTANT,
        "all pairs of rows",
        "distances",
    ),
    _move("pixel_shuffle(input, upscale_factor)", "F.pixel_shuffle(x, 2) | x=1x4x2x3"),
    _move("pixel_unshuffle(input, downscale_factor)", "F.pixel_unshuffle(x, 2) | x=1x2x4"),
    _move("channel_shuffle(input, groups)", "F.channel_shuffle(x, 2) | x=1x4x2"),
    _move("constant_pad_nd(input, pad, value=0)", "torch.constant_pad_nd(x, (1, 2), 0.5) | x=2x3"),
)
