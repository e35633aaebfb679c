"""Ops along a sequence: running products, differences, and integrals by the trapezoidal rule."""

from __future__ import annotations

from gradcli.ops.family import MOVES, Family
from gradcli.ops.record import ALIKE, Kind, Op

FAMILY = Family("sequences", kernels="arrange")

# Every prefix at once: those of an even number of entries are the prefixes of pairs, which are half as many, and one more
# entry makes the others of them. No division, so that an entry may be zero.
RUNNING = """x = movedim(input, dim, -1) if input.ndim > 0 else reshape(input, (1,))
levels = ()
while x.shape[-1] > 1:
    levels = levels + (x,)
    a, b = x[..., :x.shape[-1] - 1:2], x[..., 1::2]
    x = {combined}
while _count(levels) > 0:
    entries, levels = levels[-1], levels[:-1]
    b = entries[..., 2::2]
    a = x[..., :b.shape[-1]]
    x = _alternating(entries[..., :1], x, {combined})
movedim(x, -1, dim) if input.ndim > 0 else reshape(x, ())"""

WIDTHS = """while x.ndim < y.ndim and x.ndim > 1:
    x = unsqueeze(x, 0)
x = x if x.ndim == 1 else movedim(x, dim, -1)
y = movedim(y, dim, -1)
areas = (x[..., 1:] - x[..., :-1])*(y[..., 1:] + y[..., :-1])/2
"""
STEPS = "y = movedim(y, dim, -1); areas = dx*(y[..., 1:] + y[..., :-1])/2\n"

# Inside, the slope of the parabola through three points that follow each other: where they are evenly spaced, it does
# not depend on the middle one. At the edges as `edge_order` says.
SLOPES = """axes = _axes(input, dim)
result = ()
for place in range(_count(axes)):
    x = movedim(input, axes[place], -1)
    points = {points}
    h = points[1:] - points[:-1]
    s = (x[..., 1:] - x[..., :-1])/h
    if {even}:
        inner = (x[..., 2:] - x[..., :-2])/(h[:-1] + h[1:])
    else:
        inner = (h[:-1]*s[..., 1:] + h[1:]*s[..., :-1])/(h[:-1] + h[1:])
    first = s[..., :1] if edge_order == 1 else 2*s[..., :1] - inner[..., :1]
    last = s[..., -1:] if edge_order == 1 else 2*s[..., -1:] - inner[..., -1:]
    result = result + (movedim(cat([first, inner, last], -1), -1, axes[place]),)
result"""


def _integral(name: str, result: str) -> Op:
    return FAMILY.composite(
        f"{name}(y, *, dx=1, dim=-1)",
        STEPS + result,
        f"{name}(y) | y=2x4",
        f"{name}(y, dx=0.5, dim=0) | y=3x2",
        f"{name}(y, x) | y=2x4 x=4",
        f"{name}(y, x, dim=0) | y=3x2 x=3x2",
        overloads=(FAMILY.composite(f"{name}(y, x: Tensor, *, dim=-1)", WIDTHS + result),),
    )


SEQUENCES: tuple[Op, ...] = (
    FAMILY.composite(
        "cumprod(input, dim)",
        RUNNING.format(combined="a*b"),
        "cumprod(x, 0) | x=5",
        "cumprod(x, dim=1) | x=2x4",
        complex=ALIKE,
    ),
    FAMILY.composite(
        "logcumsumexp(input, dim)",
        RUNNING.format(combined="logaddexp(a, b)"),
        "logcumsumexp(x, 0) | x=5",
        "logcumsumexp(x, dim=1) | x=2x4",
    ),
    FAMILY.composite(
        "linalg.vander(x, *, N=None)",
        """x = x if x.ndim > 0 else reshape(x, (1,))
n = x.shape[-1] if N is None else N
powers = x.unsqueeze(-1).expand(x.shape + (n - 1,))
cumprod(cat([ones(x.shape + (1,)), powers], -1), -1)""",
        "torch.linalg.vander(x) | x=3",
        "torch.linalg.vander(x, N=4) | x=2x3",
        complex=ALIKE,
    ),
    FAMILY.composite(
        "vander(x, N=None, increasing=False)",
        """n = x.shape[0] if N is None else N
powers = x.unsqueeze(-1).expand((x.shape[0], n))
rows = cumprod(cat([ones((x.shape[0], 1)), powers], -1)[:, :n], -1)
rows if increasing else rows.flip(-1)""",
        # PyTorch has no backward of it.
        "vander(detach(x), 4)*y | x=3 y=3x4",
        "vander(detach(x), 2, True)*y | x=3 y=3x2",
    ),
    FAMILY.composite(
        "diff(input, n=1, dim=-1, prepend=None, append=None)",
        """x = input if prepend is None else cat([prepend, input], dim)
x = x if append is None else cat([x, append], dim)
for _ in range(n):
    last = x.shape[dim] - 1
    x = narrow(x, dim, 1, last) - narrow(x, dim, 0, last) if last > -1 else x
x""",
        "diff(x) | x=5",
        "diff(x, 2, 0) | x=4x2",
        "diff(x, prepend=y, append=y) | x=2x3 y=2x1",
        complex=ALIKE,
    ),
    FAMILY.composite(
        "gradient(input, *, spacing: scalar = None, dim=None, edge_order=1)",
        SLOPES.format(even="True", points="arange(x.shape[-1])*(1 if spacing is None else spacing)"),
        "gradient(x)[0] | x=5",
        "a, b = gradient(x, spacing=0.5, edge_order=2); a*b | x=3x4",
        "a, b = gradient(x, dim=(1, 0), spacing=[y, z]); a*b | x=3x4 y=4 z=3",
        "a, b = gradient(x, spacing=[0.5, 2]); a*b | x=3x4",
        overloads=(
            FAMILY.composite(
                "gradient(input, *, spacing: list, dim=None, edge_order=1)",
                SLOPES.format(
                    even="not is_tensor(spacing[place])",
                    points="spacing[place] if is_tensor(spacing[place]) else arange(x.shape[-1])*spacing[place]",
                ),
            ),
        ),
    ),
    _integral("trapezoid", "sum(areas, -1)"),
    _integral("trapz", "sum(areas, -1)"),
    _integral("cumulative_trapezoid", "movedim(cumsum(areas, -1), -1, dim)"),
    FAMILY.helper("_axes(input, dim)", "the axes that `dim` means, None meaning all"),
    FAMILY.helper("_count(items)", "how many there are"),
    FAMILY.helper("_alternating(first, odd, even)", MOVES, Kind.MOVEMENT),
)
