"""One op of the table: what PyTorch calls it, and what it *is*; never what its derivative is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum


class Kind(StrEnum):
    """The way in which an op is defined."""

    POINTWISE = "pointwise"  # a scalar formula
    COMPOSITE = "composite"  # a program over other ops
    INDEXED = "indexed"  # an entry of the output in index notation
    MOVEMENT = "movement"  # every entry of the output is an entry of an input (or a constant)
    IMPLICIT = "implicit"  # the equation that the output solves
    CONSTANT = "constant"  # its derivative is zero or does not exist: factories, comparisons, integer results


ALIKE = "alike"


@dataclass(frozen=True, slots=True)
class Op:
    """One op: its names in PyTorch, its callable, its definition, and where random test points come from.

    `signature` is PyTorch's, as text: `softmax(input, dim)`; its name is the op's name. `torch` is the dotted name of
    the callable, called as the user's program calls it. `definition` reads as its kind demands:

    - pointwise: a formula over the parameters;
    - composite: a program whose last statement is the result;
    - indexed: an entry such as `input[..., i, k] * other[..., k, j]`; the indices in `entry` are free, every other one
      is summed, term by term; `along` names the parameter that says which axis is the last one written;
    - implicit: a residual in index notation that vanishes at the result `out`;
    - movement, constant: a sentence, because the callable itself is the definition.

    `kinks` is a condition over the parameters that holds where the derivative is one-sided, `discontinuities` one that holds
    where the value jumps, so that there is no derivative. `domain` gives the interval
    or the kind of matrix that a parameter is drawn from (`(0, inf)`, `invertible`). `examples` are programs with the
    shapes of their leaves: `softmax(x, dim=-1) | x=2x3`.

    `symmetric` names parameters that are symmetric matrices, of which PyTorch may read one triangle alone: the gradient
    is that of the symmetric part. `convention` says in what else PyTorch's gradient is, by intent, not the derivative.

    `complex` is the definition where an argument is complex: a program, or a formula for a pointwise op; `ALIKE` says
    that the definition holds for complex numbers as it stands. Without one, a composite op is one of real numbers.
    Formulas and entries without one are taken as they stand: they hold where they use analytic functions alone, and
    those that compare values are refused. What moves real data moves complex data.

    `overloads` are PyTorch's other signatures of the same name, each a record of its own: `var(input, unbiased)`. The
    first that a call fits is the one that is meant. A parameter may say what fits it: `max(input, other: Tensor)`,
    `max(input, dim: int)`. One whose name begins with `Tensor.` is a method only: `Tensor.where(input, condition)`.
    """

    signature: str
    torch: str
    kind: Kind
    definition: str
    family: str
    entry: str = ""
    along: str | None = None
    aliases: tuple[str, ...] = ()
    domain: dict[str, str] = field(default_factory=dict)
    kinks: str | None = None
    discontinuities: str | None = None
    symmetric: tuple[str, ...] = ()
    convention: str | None = None
    examples: tuple[str, ...] = ()
    overloads: tuple[Op, ...] = ()
    complex: str | None = None

    @property
    def name(self) -> str:
        """Return the op's name, qualified only where PyTorch has two ops of one name (`linalg.norm`)."""
        return self.signature.partition("(")[0]

    def of_complex_numbers(self) -> Op | None:
        """Return the op as it is defined where an argument is complex; None if it is one of real numbers."""
        if self.complex is None and self.kind is Kind.COMPOSITE:
            return None
        if self.complex is None or self.complex == ALIKE:
            return self
        kind = Kind.POINTWISE if self.kind is Kind.POINTWISE else Kind.COMPOSITE
        return replace(self, kind=kind, definition=self.complex)
