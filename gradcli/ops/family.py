"""How a family of the table writes its records: what all of them share is said once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.ops.record import Kind, Op

MOVES = "every entry of the result is an entry of an input"


def kernel(name: str) -> str:
    """Return the dotted name of a callable in `execution/kernels`: `kernel("windows.patches")`."""
    return f"gradcli.execution.kernels.{name}"


@dataclass(frozen=True, slots=True)
class Family:
    """Makes the records of one family.

    Each method takes a record's signature, its definition and its examples; whatever else a record holds is given by
    the name of its field.
    """

    name: str
    """The heading under which the ops are listed."""

    module: str = "torch"
    """The module in which PyTorch keeps the functions; `torch="…"` names a callable that is somewhere else."""

    kernels: str = ""
    """The module of `execution/kernels` that holds the family's helpers."""

    def record(self, kind: Kind, signature: str, definition: str, *examples: str, torch: str = "", **more: Any) -> Op:
        """Return a record whose callable has the op's own name in the family's module."""
        dotted = torch or f"{self.module}.{signature.partition('(')[0]}"
        return Op(signature, dotted, kind, definition, self.name, examples=examples, **more)

    def pointwise(self, signature: str, definition: str, *examples: str, **more: Any) -> Op:
        """Return an op that is a scalar formula."""
        return self.record(Kind.POINTWISE, signature, definition, *examples, **more)

    def composite(self, signature: str, definition: str, *examples: str, **more: Any) -> Op:
        """Return an op that is a program over other ops."""
        return self.record(Kind.COMPOSITE, signature, definition, *examples, **more)

    def indexed(self, signature: str, definition: str, *examples: str, **more: Any) -> Op:
        """Return an op whose entries are written in index notation."""
        return self.record(Kind.INDEXED, signature, definition, *examples, **more)

    def implicit(self, signature: str, definition: str, *examples: str, **more: Any) -> Op:
        """Return an op that is a matrix, or a stack of them, determined by the equation that it solves."""
        return self.record(Kind.IMPLICIT, signature, definition, *examples, entry="ij", **more)

    def movement(self, signature: str, *examples: str, definition: str = MOVES, **more: Any) -> Op:
        """Return an op that only moves entries."""
        return self.record(Kind.MOVEMENT, signature, definition, *examples, **more)

    def constant(self, signature: str, definition: str, *examples: str, **more: Any) -> Op:
        """Return an op that no gradient passes."""
        return self.record(Kind.CONSTANT, signature, definition, *examples, **more)

    def helper(self, signature: str, definition: str, kind: Kind = Kind.CONSTANT, **more: Any) -> Op:
        """Return an op that only definitions call, `_name(...)`; its callable is `name` among the family's kernels."""
        name = signature.partition("(")[0].removeprefix("_")
        return self.record(kind, signature, definition, **{"torch": kernel(f"{self.kernels}.{name}"), **more})
