"""A program as data: frozen expression and statement nodes, each with its span in the source.

The parser makes them from text; the interpreter runs them; formulas in the op table consist of the same nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from gradcli.errors import Span


@dataclass(frozen=True, slots=True)
class Name:
    """A variable: a leaf, or something assigned before."""

    name: str
    span: Span


Pattern: TypeAlias = "Name | tuple[Pattern, ...]"
"""The names that a loop assigns in each round, as nested as what is unpacked."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, string, True, False or None; `symbol` is set for a named constant such as pi."""

    value: int | float | complex | bool | str | None
    span: Span
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """An op applied to arguments; operators are calls too (`a + b` is `add`) and keep their sign in `operator`."""

    function: str
    arguments: tuple[Expression, ...]
    keywords: tuple[tuple[str, Expression], ...]
    span: Span
    function_span: Span
    operator: str | None = None
    method: bool = False
    qualified: bool = False
    """Whether it is written with PyTorch's prefix, and so means none of the program's own functions."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute such as `.T`, `.shape` or `.values`."""

    value: Expression
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Slice:
    """One `start:stop:step` inside an index."""

    start: Expression | None
    stop: Expression | None
    step: Expression | None
    span: Span


@dataclass(frozen=True, slots=True)
class Ellipsis:
    """`...` inside an index."""

    span: Span


@dataclass(frozen=True, slots=True)
class Index:
    """`value[items]`; `X[0]` and `X[0,]` both have one item."""

    value: Expression
    items: tuple[Expression | Slice | Ellipsis, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Sequence:
    """A tuple or a list."""

    items: tuple[Expression, ...]
    span: Span
    is_list: bool


@dataclass(frozen=True, slots=True)
class Dictionary:
    """`{key: value}`."""

    keys: tuple[Expression, ...]
    values: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Compare:
    """`left operator right`, one of < <= > >= == != (and `is`, `is not` in definitions)."""

    operator: str
    left: Expression
    right: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class BooleanOperation:
    """`and`, `or`, `not` over Python truth values."""

    operator: str
    operands: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Conditional:
    """`then if test else otherwise`; only the branch taken is run."""

    test: Expression
    then: Expression
    otherwise: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Leaf:
    """A tensor that is made a leaf: `torch.ones(2, requires_grad=True)`, `x.requires_grad_()`, `nn.Parameter(x)`."""

    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the program's own: a `def`, or a `lambda`, whose body is what it returns."""

    name: str
    parameters: tuple[str, ...]
    defaults: tuple[Expression, ...]
    """Of the last parameters."""
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Class:
    """A class of the program's own, such as a module with `__init__` and `forward`."""

    name: str
    methods: tuple[Function, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function that is handed on by its name: `torch.relu`."""

    function: str
    span: Span


@dataclass(frozen=True, slots=True)
class Comprehension:
    """`[element for targets in iterable if test]`, and a generator, which is a list here."""

    element: Expression
    targets: Pattern
    iterable: Expression
    test: Expression | None
    span: Span


@dataclass(frozen=True, slots=True)
class Starred:
    """`*items` among the arguments of a call."""

    value: Expression
    span: Span


Expression: TypeAlias = (
    "Name | Literal | Call | Attribute | Index | Sequence | Compare | BooleanOperation | Conditional | Leaf"
    " | Function | Class | Builtin | Comprehension | Starred | Dictionary"
)


@dataclass(frozen=True, slots=True)
class Assign:
    """`targets = value`; more than one target unpacks a tuple."""

    targets: tuple[Name, ...]
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
    """`self.name = value`."""

    owner: Name
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
    "Assign | Evaluate | If | While | For | Each | InPlace | GradMode | Differentiate | SetAttribute | SetItem | Fill | Return"
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
