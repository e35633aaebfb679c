"""Expressions as data: frozen nodes, each with its span in the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from gradcli.errors import Span


@dataclass(frozen=True, slots=True)
class Name:
    """A variable: a leaf, or something assigned before."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Rest:
    """`*name` where values are unpacked: those that are left over, in a list."""

    name: Name


Pattern: TypeAlias = "Name | Rest | tuple[Pattern, ...]"
"""The names that are assigned where values are unpacked, as nested as these."""


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
    is_tree: bool = False
    """Whether a list, a tuple or a dictionary is made one of leaves."""


@dataclass(frozen=True, slots=True)
class Gradient:
    """`torch.autograd.grad(outputs, inputs, upstream, create_graph=True)`, with which the program goes on to compute.

    Its value is a tuple, with an item for each input.
    """

    outputs: Expression
    inputs: Expression
    upstream: Expression | None
    allow_unused: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the program's own: a `def`, or a `lambda`, whose body is what it returns."""

    name: str
    parameters: tuple[str, ...]
    defaults: tuple[Expression, ...]
    """Of the last parameters."""
    body: tuple[Any, ...]
    """Its statements."""
    span: Span
    rest: str | None = None
    """The parameter `*rest`."""
    options: str | None = None
    """The parameter `**options`."""
    outer: tuple[str, ...] = ()
    """The names that it assigns outside of itself: `global` and `nonlocal`."""
    is_property: bool = False
    """Whether it is called without brackets."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all parameters."""
        return (*self.parameters, *(name for name in (self.rest, self.options) if name is not None))


@dataclass(frozen=True, slots=True)
class Class:
    """A class of the program's own, such as a module with `__init__` and `forward`."""

    name: str
    methods: tuple[Function, ...]
    span: Span
    values: tuple[tuple[str, Expression], ...] = ()
    """The numbers and texts that stand in its body, by name."""


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
    is_dictionary: bool = False
    """Whether it makes a dictionary of its elements, which are pairs."""


@dataclass(frozen=True, slots=True)
class Starred:
    """`*items` among the arguments of a call."""

    value: Expression
    span: Span


Expression: TypeAlias = (
    "Name | Literal | Call | Attribute | Index | Sequence | Compare | BooleanOperation | Conditional | Leaf"
    " | Function | Class | Builtin | Comprehension | Starred | Dictionary | Gradient"
)
