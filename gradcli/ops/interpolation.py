"""Resampling of images: each axis times a matrix, or pixels read between places that have a gradient themselves."""

from __future__ import annotations

from gradcli.ops.family import MOVES, Family, kernel
from gradcli.ops.record import Kind, Op

FAMILY = Family("interpolation", "torch.nn.functional", kernels="resampling")

RESIZED = """if mode == 'nearest' or mode == 'nearest-exact':
    y = _nearest(input, input.ndim - 2, size, scale_factor, recompute_scale_factor, mode == 'nearest-exact')
else:
    w = _resampling_weights(input.shape[2:], size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    if input.ndim == 3:
        y = einsum("...i,ai->...a", input, w[0])
    elif input.ndim == 4:
        y = einsum("...ij,ai,bj->...ab", input, w[0], w[1])
    else:
        y = einsum("...ijk,ai,bj,ck->...abc", input, w[0], w[1], w[2])
y"""

# Where a grid's coordinate lies, in entries; then what the padding mode makes of places outside.
PLACED = """x = (coordinate + 1)*(size - 1)/2 if align_corners else ((coordinate + 1)*size - 1)/2
y = _reflected(x, size, align_corners) if padding_mode == 'reflection' else x
y if padding_mode == 'zeros' else clamp(y, 0, size - 1)"""

# A mirror at each end: at the outer entries' centres, or at their outer edges.
REFLECTED = """low = 0 if align_corners else -0.5
span = size - 1 if align_corners else size
if span == 0:
    y = 0*place
else:
    d = abs(place - low)
    flips = floor(d/span)
    r = d - span*flips
    y = low + where(flips - 2*floor(flips/2) == 0, r, span - r)
y"""


def _corners(axes: int) -> str:
    """Return the program that weighs the 2ⁿ pixels around a place with the products of their distances."""
    letters = "xyz"[:axes]
    lines = [f"{a}0 = _whole({a}); {a}s = unsqueeze({a} - {a}0, 1)" for a in letters]
    terms = []
    for corner in range(2**axes):
        far = [bool(corner >> place & 1) for place in range(axes)]
        places = ", ".join(f"{a}0 + 1" if f else f"{a}0" for a, f in reversed(list(zip(letters, far, strict=True))))
        weights = "*".join(f"{a}s" if f else f"(1 - {a}s)" for a, f in zip(letters, far, strict=True))
        terms.append(f"_pixels(input, {places})*{weights}")
    return "\n".join([*lines, "result = " + " + ".join(terms)])


def _indented(text: str, depth: int = 1) -> str:
    return "\n".join("    " * depth + line for line in text.splitlines())


GRID_SAMPLE = f"""corners = False if align_corners is None else align_corners
cubic = mode == 'bicubic'
if cubic:
    x = _place(grid[..., 0], input.shape[-1], 'zeros', corners)
    y = _place(grid[..., 1], input.shape[-2], 'zeros', corners)
else:
    x = _place(grid[..., 0], input.shape[-1], padding_mode, corners)
    y = _place(grid[..., 1], input.shape[-2], padding_mode, corners)
z = _place(grid[..., 2], input.shape[-3], padding_mode, corners) if input.ndim == 5 else None
if cubic:
    result = 0
    x0 = _whole(x); xs = unsqueeze(x - x0, 1); y0 = _whole(y); ys = unsqueeze(y - y0, 1)
    for i in range(-1, 3):
        row = _tap(y0 + i, input.shape[-2], padding_mode, corners)
        for j in range(-1, 3):
            column = _tap(x0 + j, input.shape[-1], padding_mode, corners)
            result = result + _pixels(input, row, column)*_keys(abs(ys - i))*_keys(abs(xs - j))
elif mode == 'nearest':
    result = _pixels(input, _rounded(y), _rounded(x)) if z is None else _pixels(input, _rounded(z), _rounded(y), _rounded(x))
elif z is None:
{_indented(_corners(2))}
else:
{_indented(_corners(3))}
result"""


def _sampler(axes: int, *examples: str) -> Op:
    """Return the function below `grid_sample`, which takes its modes as numbers."""
    calls = [
        (mode, padding, f"grid_sample(input, grid, '{name}', '{rule}', align_corners)")
        for mode, name in enumerate(("bilinear", "nearest", "bicubic"))
        for padding, rule in enumerate(("zeros", "border", "reflection"))
    ]
    cases = " else ".join(f"{c} if interpolation_mode == {m} and padding_mode == {p}" for m, p, c in calls[:-1])
    name = f"grid_sampler_{axes}d"
    signature = f"{name}(input, grid, interpolation_mode, padding_mode, align_corners)"
    definition = f"{cases} else {calls[-1][2]}"
    return FAMILY.composite(signature, definition, *examples, torch=f"torch.{name}")


INTERPOLATION: tuple[Op, ...] = (
    FAMILY.composite(
        "interpolate(input, size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None, antialias=False)",
        RESIZED,
        "F.interpolate(x, 5) | x=1x2x3",
        "F.interpolate(x, scale_factor=1.7, mode='linear') | x=1x2x5",
        "F.interpolate(x, (3, 7), mode='bilinear', align_corners=True) | x=1x1x4x4",
        "F.interpolate(x, (3, 7), mode='bicubic') | x=1x1x4x4",
        "F.interpolate(x, (2, 3), mode='bilinear', antialias=True) | x=1x1x5x6",
        "F.interpolate(x, 3, mode='area') | x=1x1x4x5",
        "F.interpolate(x, scale_factor=2, mode='trilinear') | x=1x1x2x2x3",
        "F.interpolate(x, 2, mode='nearest-exact') | x=1x1x5",
    ),
    FAMILY.composite(
        "upsample(input, size=None, scale_factor=None, mode='nearest', align_corners=None)",
        "interpolate(input, size, scale_factor, mode, align_corners)",
        "F.upsample(x, scale_factor=2) | x=1x1x3",
    ),
    FAMILY.composite(
        "upsample_nearest(input, size=None, scale_factor=None)",
        "interpolate(input, size, scale_factor, mode='nearest')",
        "F.upsample_nearest(x, (3, 4)) | x=1x1x2x2",
    ),
    FAMILY.composite(
        "upsample_bilinear(input, size=None, scale_factor=None)",
        "interpolate(input, size, scale_factor, mode='bilinear', align_corners=True)",
        "F.upsample_bilinear(x, (3, 4)) | x=1x1x2x2",
    ),
    FAMILY.composite(
        "grid_sample(input, grid, mode='bilinear', padding_mode='zeros', align_corners=None)",
        GRID_SAMPLE,
        "F.grid_sample(x, g) | x=1x2x3x4 g=1x2x2x2",
        "F.grid_sample(x, g, padding_mode='reflection', align_corners=True) | x=1x1x3x4 g=1x2x3x2",
        "F.grid_sample(x, g, padding_mode='border') | x=1x1x2x3x2 g=1x1x2x2x3",
        "F.grid_sample(x, tanh(g), mode='bicubic', padding_mode='border') | x=1x1x4x4 g=1x2x2x2",
        "F.grid_sample(x, detach(g), mode='nearest') | x=1x1x4x4 g=1x2x2x2",
        kinks="_on_pixels(input.shape, grid, align_corners) if mode == 'bilinear' else False",
    ),
    _sampler(2, "torch.grid_sampler_2d(x, g, 0, 1, False) | x=1x2x3x4 g=1x2x2x2"),
    _sampler(3, "torch.grid_sampler_3d(x, g, 0, 0, True) | x=1x1x2x3x2 g=1x1x2x2x3"),
    FAMILY.composite(
        "affine_grid(theta, size, align_corners=None)",
        'einsum("nij,...j->n...i", theta, _base_grid(size[2:], align_corners))',
        "F.affine_grid(t, (2, 1, 3, 4)) | t=2x2x3",
        "F.affine_grid(t, (1, 1, 2, 3, 2), align_corners=True) | t=1x3x4",
    ),
    FAMILY.helper("_place(coordinate, size, padding_mode, align_corners)", PLACED, Kind.COMPOSITE),
    FAMILY.helper("_reflected(place, size, align_corners)", REFLECTED, Kind.COMPOSITE),
    FAMILY.pointwise(
        "_keys(distance)",
        "where(distance <= 1, (1.25*distance - 2.25)*distance**2 + 1, -0.75*(((distance - 5)*distance + 8)*distance - 4))",
        torch=kernel("resampling.cubic_weight"),
    ),
    FAMILY.helper("_nearest(input, count, size, scale_factor, recompute, centred)", MOVES, Kind.MOVEMENT),
    FAMILY.helper("_pixels(input, *places)", MOVES, Kind.MOVEMENT),
    FAMILY.helper(
        "_resampling_weights(sizes, size, scale_factor, mode, align_corners, recompute, antialias)",
        "the matrix of each axis, from what the mode means",
    ),
    FAMILY.helper("_whole(input)", "the largest integer that is not larger"),
    FAMILY.helper("_rounded(input)", "the nearest integer"),
    FAMILY.helper("_tap(place, size, padding_mode, align_corners)", "the entry that stands for one outside"),
    FAMILY.helper("_on_pixels(shape, grid, align_corners)", "whether some place is a pixel's own"),
    FAMILY.helper("_base_grid(sizes, align_corners)", "the places of a grid's points"),
)
