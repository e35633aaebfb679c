"""What is known of ops of the table over the real numbers beside their definitions."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from gradcli.ops.record import Op

# Ops that look at nothing of a tensor of real numbers but its shape.
OF_SHAPES = frozenset(
    {"numel", "zeros_like", "ones_like", "full_like", "dim", "size", "is_tensor", "len", "new_zeros", "_last_rank"}
)
# Formulas of ops that the table calls constants: truth values, and what is rounded.
CONSTANTS: dict[str, str] = {
    "logical_and": "input*other",
    "bitwise_and": "input*other",
    "logical_or": "input + other - input*other",
    "bitwise_or": "input + other - input*other",
    "logical_not": "1 - input",
    "bitwise_not": "1 - input",
}
# Over the real numbers every value is finite.
CONSTANTS |= {"isnan": "0", "isinf": "0", "isposinf": "0", "isneginf": "0", "isfinite": "1"}
CONSTANTS |= dict.fromkeys(("signbit", "_signbit"), "where(input < 0, 1, 0)") | {"angle": "where(input < 0, pi, 0)"}
QUOTIENT = "floor(input/other) if rounding == 'floor' else "
CONSTANTS |= {
    "trunc": "where(input < 0, ceil(input), floor(input))",
    "_steps": QUOTIENT + "where(input/other < 0, ceil(input/other), floor(input/other))",
    "floor_divide": "floor(input/other)",
    "_integer": "where(input < 0, ceil(input), floor(input))",
    "round": "where(input - floor(input) == 0.5, 2*floor((floor(input) + 1)/2), floor(input + 0.5))",
}
# What is asked of floats, and false of real numbers.
OF_FLOATS = frozenset({"_out_of_range"})


def with_fields(op: Op, result: Any) -> Any:
    """Return a tuple of results with the names that PyTorch gives them."""
    if not op.fields or not isinstance(result, tuple):
        return result
    return namedtuple("Results", op.fields)(*result)  # noqa: PYI024 (the names are those of the record)
