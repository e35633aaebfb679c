"""What a reader is told about one op of the table: plain data, for any format."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Example:
    """A program that calls the op, and the command that verifies it at a random point of its domain."""

    program: str
    command: str


@dataclass(frozen=True, slots=True)
class DerivedGradient:
    """The gradient of a program by each of its leaves, as derived; `grad_output` in it is the upstream gradient."""

    program: str
    formulas: dict[str, str]


@dataclass(frozen=True, slots=True)
class OpPage:
    """One op; `overloads` are PyTorch's other signatures of its name, each with its definition.

    `definition` reads as its kind demands: a formula, a program, an entry in index notation, an equation, a sentence.
    """

    name: str
    family: str
    kind: str
    signature: str
    aliases: tuple[str, ...]
    torch: str
    definition: str
    overloads: dict[str, str] = field(default_factory=dict)
    domain: dict[str, str] = field(default_factory=dict)
    kinks: str | None = None
    jumps: str | None = None
    examples: tuple[Example, ...] = ()
    derivative: DerivedGradient | None = None
