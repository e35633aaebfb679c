"""A program as data: frozen statement nodes, with the expressions of `nodes.py`, each with its span in the source.

The parser makes them from text; the interpreter runs them; formulas in the op table consist of the same nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from gradcli.errors import Span
from gradcli.language.nodes import (
    Attribute,
    BooleanOperation,
    Builtin,
    Call,
    Class,
    Compare,
    Comprehension,
    Conditional,
    Dictionary,
    Ellipsis,
    Expression,
    Function,
    Gradient,
    Index,
    Leaf,
    Literal,
    Name,
    Pattern,
    Rest,
    Sequence,
    Slice,
    Starred,
)

__all__ = [
    "Assign",
    "Attribute",
    "BooleanOperation",
    "Builtin",
    "Call",
    "Class",
    "Compare",
    "Comprehension",
    "Conditional",
    "Dictionary",
    "Differentiate",
    "Each",
    "Ellipsis",
    "Evaluate",
    "Expression",
    "Fill",
    "For",
    "Function",
    "GradMode",
    "Gradient",
    "If",
    "InPlace",
    "Index",
    "Leaf",
    "Leave",
    "Literal",
    "Name",
    "Pattern",
    "Program",
    "Raise",
    "Rest",
    "Return",
    "Sequence",
    "SetAttribute",
    "SetItem",
    "Slice",
    "Starred",
    "Statement",
    "Try",
    "Unpack",
    "While",
]


@dataclass(frozen=True, slots=True)
class Assign:
    """`targets = value`; more than one target unpacks a tuple."""

    targets: tuple[Name, ...]
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Unpack:
    """`a, (b, c) = value`, and `first, *rest = value`."""

    pattern: Pattern
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Evaluate:
    """An expression as a statement; the last one of a program is its output."""

    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class If:
    """`if test: ... else: ...`; `elif` is a nested If."""

    test: Expression
    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class While:
    """`while test: ...`."""

    test: Expression
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class For:
    """`for target in range(...): ...`; `bounds` are range's one to three arguments."""

    target: Name
    bounds: tuple[Expression, ...]
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Each:
    """`for targets in iterable: ...`, over a list, a tuple or the rows of a tensor."""

    targets: Pattern
    iterable: Expression
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class SetAttribute:
    """`self.name = value`, and `x.requires_grad = False`."""

    owner: Expression
    name: str
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class SetItem:
    """`x[index] = value`."""

    index: Index
    value: Expression
    is_quiet: bool
    """Whether autograd does not see it: `x.data[index] = value`."""
    span: Span


@dataclass(frozen=True, slots=True)
class Fill:
    """`target.fill_(...)`: other numbers in the place of a tensor's own, before it is used."""

    target: Expression
    value: Call
    is_quiet: bool
    """Whether autograd does not see it: it is `.data` that is filled, or `torch.nn.init` that fills."""
    span: Span


@dataclass(frozen=True, slots=True)
class Return:
    """`return value`, inside a function."""

    value: Expression | None
    span: Span


@dataclass(frozen=True, slots=True)
class Raise:
    """`raise ValueError(...)`."""

    span: Span


@dataclass(frozen=True, slots=True)
class Try:
    """`try: ... except: ...`; `name` is what the error is called there."""

    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]
    name: Name | None
    span: Span


@dataclass(frozen=True, slots=True)
class Leave:
    """`break`, or `continue`, inside a loop."""

    is_break: bool
    span: Span


@dataclass(frozen=True, slots=True)
class InPlace:
    """`target += value`: `value` is the call that the two sides come to, such as `add(target, value)`."""

    target: Name
    value: Call
    span: Span


@dataclass(frozen=True, slots=True)
class GradMode:
    """`with torch.no_grad():` or `with torch.enable_grad():`."""

    enabled: bool
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Differentiate:
    """`output.backward(upstream)`, or `torch.autograd.grad(output, wrt, upstream)`: where a program's run ends."""

    output: Expression
    upstream: Expression | None
    wrt: Expression | None
    span: Span
    allow_unused: bool = False


Statement: TypeAlias = (
    "Assign | Evaluate | If | While | For | Each | InPlace | GradMode | Differentiate"
    " | SetAttribute | SetItem | Fill | Return | Leave | Unpack | Raise | Try"
)


@dataclass(frozen=True, slots=True)
class Program:
    """A parsed program; `leaves` are the names read before they are assigned, in order of first appearance."""

    source: str
    statements: tuple[Statement, ...]
    leaves: tuple[Name, ...]
    made: tuple[Name, ...] = ()
    """The leaves that the program makes itself, in the order in which they are written."""
    retained: tuple[str, ...] = ()
    """The tensors on which it calls `retain_grad()`."""
    notes: tuple[str, ...] = ()
    """What is to be said of how it is read."""
    further: Span | None = None
    """Where it differentiates a gradient."""
    command: str | None = None
    """The command that shows what it asks for, where only that one does: a Jacobian, say."""

    def text(self, node: Expression | Statement) -> str:
        """Return a node's source text with white space folded."""
        return " ".join(self.source[node.span.start : node.span.end].split())
