"""Distances between rows, and rearrangements of channels."""

from __future__ import annotations

from gradcli.ops.family import Family, kernel
from gradcli.ops.record import Op

FAMILY = Family("distances", "torch.nn.functional")

DISTANCES: tuple[Op, ...] = (
    FAMILY.composite(
        "pairwise_distance(x1, x2, p=2.0, eps=1e-06, keepdim=False)",
        "linalg.vector_norm(x1 - x2 + eps, p, -1, keepdim)",
        "F.pairwise_distance(x, y) | x=2x3 y=2x3",
        "F.pairwise_distance(x, y, 1, keepdim=True) | x=2x3 y=3",
        kinks="amax(abs(x1 - x2 + eps), -1, keepdim) == 0",
    ),
    FAMILY.composite(
        "cdist(x1, x2, p=2.0, compute_mode='use_mm_for_euclid_dist_if_necessary')",
        "linalg.vector_norm(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, -1)",
        "torch.cdist(x, y) | x=2x3 y=4x3",
        "torch.cdist(x, y, 1.0) | x=2x2x3 y=2x3",
        "torch.cdist(x, y, 3.0) | x=2x3 y=2x3",
        "torch.cdist(x, y, inf) | x=2x3 y=2x3",
        torch="torch.cdist",
        kinks="amax(abs(unsqueeze(x1, -2) - unsqueeze(x2, -3)), -1) == 0",
    ),
    FAMILY.composite(
        "pdist(input, p=2.0)",
        "i, j = unbind(_upper_pairs(input.shape[0])); linalg.vector_norm(input[i] - input[j], p, -1)",
        "F.pdist(x) | x=4x3",
        "F.pdist(x, 1.0) | x=3x2",
        kinks="i, j = unbind(_upper_pairs(input.shape[0])); amax(abs(input[i] - input[j]), -1) == 0",
        crashes="input.shape[0] == 0",
    ),
    FAMILY.constant("_upper_pairs(count)", "all pairs of rows", torch=kernel("layers.upper_pairs")),
    FAMILY.movement(
        "pixel_shuffle(input, upscale_factor)", "F.pixel_shuffle(x, 2) | x=1x4x2x3", torch="torch.pixel_shuffle"
    ),
    FAMILY.movement(
        "pixel_unshuffle(input, downscale_factor)", "F.pixel_unshuffle(x, 2) | x=1x2x4", torch="torch.pixel_unshuffle"
    ),
    FAMILY.movement(
        "channel_shuffle(input, groups)", "F.channel_shuffle(x, 2) | x=1x4x2", torch="torch.channel_shuffle"
    ),
    FAMILY.movement(
        "constant_pad_nd(input, pad, value=0)",
        "torch.constant_pad_nd(x, (1, 2), 0.5) | x=2x3",
        torch="torch.constant_pad_nd",
    ),
)
