"""How far two gradients may be apart and still agree: the one place where this is said.

Works on anything with a tensor's methods, and imports neither torch nor sympy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

# Normwise tolerances of the lower precisions: |a - r| <= relative * max|r| + absolute.
NORMWISE = {
    "float32": (1e-5, 1.2e-7),
    "complex64": (1e-5, 1.2e-7),
    "float16": (1e-2, 9.8e-4),
    "bfloat16": (5e-2, 7.9e-3),
}
# Of double precision: |a - r| <= relative * |r| + absolute * max|r|.
ELEMENTWISE = (1e-9, 1e-13)
# How near two tensors are that count as equal, relative to the largest entry.
CLOSENESS = ELEMENTWISE[0]
# The smallest normal number of double precision: below it digits are lost, and some machines write 0.
SMALLEST = 2.0**-1022


@dataclass(frozen=True, slots=True)
class Tolerance:
    """|a - r| <= relative * |r| + absolute * max|r|; or normwise: relative * max|r| + absolute."""

    relative: float
    absolute: float
    normwise: bool = False

    @staticmethod
    def of(dtype: str, rtol: float | None = None, atol: float | None = None) -> Tolerance:
        """Return the tolerance of a dtype, overridden where the user says so."""
        relative, absolute = NORMWISE.get(dtype, ELEMENTWISE)
        chosen = (relative if rtol is None else rtol, absolute if atol is None else atol)
        return Tolerance(*chosen, normwise=dtype in NORMWISE)

    @staticmethod
    def is_usual(dtype: str, rtol: float, atol: float) -> bool:
        """Tell whether the numbers are those of a dtype."""
        return (rtol, atol) == NORMWISE.get(dtype, ELEMENTWISE)

    def least(self, scale: float) -> float:
        """Return what is allowed for any entry of a gradient whose largest entry is `scale`."""
        return self.relative * scale + self.absolute if self.normwise else self.absolute * scale

    def allowed(self, reference: Any) -> Any:
        """Return how far from each entry of the reference a gradient may be."""
        size = reference.abs()
        largest = _largest_finite(size)
        if self.normwise:
            return size * 0 + (self.relative * largest + self.absolute)
        return size * self.relative + (self.absolute * largest + SMALLEST)

    def agrees(self, gradient: Any, reference: Any, more: Any = 0.0) -> Any:
        """Return which entries agree: NaN with nothing, infinity with itself only. `more` is allowed on top."""
        same = gradient == reference
        near = (gradient - reference).abs() <= self.allowed(reference) + more
        return same | (near & reference.isfinite())


def _largest_finite(size: Any) -> float:
    largest = float(size.max()) if size.numel() else 0.0
    if math.isfinite(largest):
        return largest
    finite = size[size.isfinite()]
    return float(finite.max()) if finite.numel() else 0.0


def is_close(tensor: Any, reference: Any, closeness: float = CLOSENESS, scale: float | None = None) -> bool:
    """Return whether every entry is near the reference's, relative to its largest entry, or to `scale`."""
    if not reference.numel():
        return True
    largest = reference.abs().max() if scale is None else scale
    # Everything is near infinity, relative to that.
    return bool(largest < math.inf) and bool(((tensor - reference).abs() <= closeness * largest).all())
