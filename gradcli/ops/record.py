"""One op of the table: what PyTorch calls it, and what it *is*; never what its derivative is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The way in which an op is defined."""

    POINTWISE = "pointwise"  # a scalar formula
    COMPOSITE = "composite"  # a program over other ops
    INDEXED = "indexed"  # an entry of the output in index notation
    MOVEMENT = "movement"  # every entry of the output is an entry of an input (or a zero)
    IMPLICIT = "implicit"  # the equation that the output solves
    CONSTANT = "constant"  # has no derivative: factories, comparisons, integer results


@dataclass(frozen=True, slots=True)
class Op:
    """One op: its names in PyTorch, its callable, its definition, and where random test points come from.

    `signature` is PyTorch's, as text: `softmax(input, dim, dtype=None)`. Its name is the op's name.
    `torch` is the dotted name of the callable. `definition` reads as its kind demands:
    a formula over the parameters (pointwise), a program whose last statement is the result (composite),
    an entry such as `input[..., i, k] * other[..., k, j]` with the free indices in `entry` (indexed: indices that are
    not free are summed, term by term), a residual that vanishes at the solution (implicit), nothing (movement, constant).
    """

    signature: str
    torch: str
    kind: Kind
    definition: str
    family: str
    entry: str = ""
    aliases: tuple[str, ...] = ()
    domain: dict[str, str] = field(default_factory=dict)
    kinks: str | None = None
    examples: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the op's name, qualified only where PyTorch has two ops of one name (`linalg.norm`)."""
        return self.signature.partition("(")[0]
