"""`torch.masked`: entries that a mask leaves out are replaced by what changes nothing."""

from __future__ import annotations

from gradcli.ops.family import Family
from gradcli.ops.record import Op

FAMILY = Family("masked")

MASK = "tensor([[True, False, True], [False, True, True]])"
VARIANCE = """x = input if mask is None else where(mask, input, 0)
n = ones_like(input) if mask is None else where(mask, ones_like(input), 0)
m = sum(x, dim, True)/sum(n, dim, True)
d = n*(input - m)
c = correction if correction is not None else 1 if unbiased is None or unbiased else 0
y = sum(d*d, dim, keepdim)/clamp_min(sum(n, dim, keepdim) - c, 0)
"""


def _reduce(name: str, left_out: str, reduced: str, rest: str = "dim=None, *, keepdim=False") -> Op:
    """Return an op over entries; those that the mask leaves out are replaced by `left_out`."""
    axis = ", 0" if rest.startswith("dim,") else ""
    return FAMILY.composite(
        f"masked.{name}(input, {rest}, mask=None)",
        f"x = input if mask is None else where(mask, input, {left_out}); {reduced}",
        f"torch.masked.{name}(x{axis}, mask={MASK}) | x=2x3",
        f"torch.masked.{name}(x, dim=1) | x=2x3",
    )


MASKED: tuple[Op, ...] = (
    _reduce("sum", "0", "sum(x, dim, keepdim)"),
    _reduce("prod", "1", "prod(x, dim, keepdim)"),
    _reduce("amax", "-inf", "amax(x, dim, keepdim)"),
    _reduce("amin", "inf", "amin(x, dim, keepdim)"),
    _reduce(
        "mean",
        "0",
        "n = ones_like(input) if mask is None else where(mask, ones_like(input), 0); sum(x, dim, keepdim)/sum(n, dim, keepdim)",
    ),
    _reduce("logsumexp", "-inf", "logsumexp(x, dim, keepdim)"),
    _reduce("cumsum", "0", "cumsum(x, dim)", "dim, *"),
    _reduce("cumprod", "1", "cumprod(x, dim)", "dim, *"),
    _reduce("softmax", "-inf", "softmax(x, dim)", "dim, *"),
    FAMILY.composite(
        "masked.log_softmax(input, dim, *, mask=None)",
        "log_softmax(input if mask is None else where(mask, input, -inf), dim)",
        f"torch.masked.log_softmax(x, 0, mask={MASK})[:, 2] | x=2x3",
    ),
    _reduce("softmin", "inf", "softmax(-x, dim)", "dim, *"),
    FAMILY.composite(
        "masked.median(input, dim=-1, *, keepdim=False, mask=None)",
        "x = input if mask is None else masked_fill(input, logical_not(mask), 0*inf); nanmedian(x, dim, keepdim)[0]",
        f"torch.masked.median(x, 1, mask={MASK}) | x=2x3",
    ),
    FAMILY.composite(
        "masked.norm(input, ord=2.0, dim=None, *, keepdim=False, mask=None)",
        """x = input if mask is None else where(mask, input, inf if ord == -inf else 0)
linalg.vector_norm(x, ord, dim, keepdim)""",
        f"torch.masked.norm(x, 2, mask={MASK}) | x=2x3",
        f"torch.masked.norm(x, 3, 1, keepdim=True, mask={MASK}) | x=2x3",
    ),
    FAMILY.composite(
        "masked.normalize(input, ord, dim, *, eps=1e-12, mask=None)",
        """x = input if mask is None else where(mask, input, 0)
x/clamp_min(torch.masked.norm(input, ord, dim, keepdim=True, mask=mask), eps)""",
        f"torch.masked.normalize(x, 2, 1, mask={MASK}) | x=2x3",
    ),
    FAMILY.composite(
        "masked.var(input, dim=None, unbiased=None, *, correction=None, keepdim=False, mask=None)",
        f"{VARIANCE}y",
        f"torch.masked.var(x, mask={MASK}) | x=2x3",
        f"torch.masked.var(x, 1, False, keepdim=True, mask={MASK}) | x=2x3",
    ),
    FAMILY.composite(
        "masked.std(input, dim=None, unbiased=None, *, correction=None, keepdim=False, mask=None)",
        f"{VARIANCE}_root(y)",
        f"torch.masked.std(x, mask={MASK}) | x=2x3",
        f"torch.masked.std(x, 1, correction=0, mask={MASK}) | x=2x3",
    ),
    FAMILY.composite(
        "masked.logaddexp(input, other, *, input_mask=None, other_mask=None)",
        """a = input if input_mask is None else where(input_mask, input, -inf)
b = other if other_mask is None else where(other_mask, other, -inf)
logaddexp(a, b)""",
        f"torch.masked.logaddexp(x, y, input_mask={MASK}) | x=2x3 y=2x3",
    ),
)
