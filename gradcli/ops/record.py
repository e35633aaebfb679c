"""One op of the table: what PyTorch calls it, and what it *is*; never what its derivative is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from gradcli.ops.remedies import Remedy


class Kind(StrEnum):
    """The way in which an op is defined."""

    POINTWISE = "pointwise"  # a scalar formula
    COMPOSITE = "composite"  # a program over other ops
    INDEXED = "indexed"  # an entry of the output in index notation
    EINSUM = "einsum"  # the index notation that the call itself gives, as its first argument
    MOVEMENT = "movement"  # every entry of the output is an entry of an input (or a constant)
    IMPLICIT = "implicit"  # the equation that the output solves
    CONSTANT = "constant"  # its derivative is zero or does not exist: factories, comparisons, integer results


ALIKE = "alike"


@dataclass(frozen=True, slots=True)
class FusedBackward:
    """PyTorch's own kernel of a backward: the gradient that arrives, times the derivative, in one pass over memory."""

    call: str
    """A call of `torch.ops.aten`: of parameters, of the gradient `g`, and of the result, `out`."""

    is_differentiable: bool = True
    """Whether PyTorch has a derivative of it."""

    @property
    def name(self) -> str:
        """Return the kernel's name."""
        return self.call.partition("(")[0]


@dataclass(frozen=True, slots=True)
class Op:
    """One op: its names in PyTorch, its callable, its definition, and where random test points come from."""

    signature: str
    """PyTorch's own, as text: `softmax(input, dim)`. Its name is the op's name; one that begins with `Tensor.` is a
    method only. A parameter may say what fits it: `max(input, other: Tensor)`, `max(input, dim: int)`."""

    torch: str
    """The dotted name of the callable, called as the user's program calls it."""

    kind: Kind
    """How `definition` is to be read."""

    definition: str
    """What the op is.

    - pointwise: a formula over the parameters;
    - composite: a program whose last statement is the result;
    - indexed: an entry such as `input[..., i, k] * other[..., k, j]`; an index that is not in `entry` is summed;
    - implicit: a residual in index notation that vanishes at the result `out`;
    - einsum, movement, constant: a sentence, because the call or the callable itself is the definition."""

    family: str
    """The heading under which the op is listed."""

    entry: str = ""
    """The free indices of an indexed or implicit definition: every other one is summed, term by term."""

    along: str | None = None
    """The parameter of an indexed op that says which axis is the last one written."""

    aliases: tuple[str, ...] = ()
    """PyTorch's other names of the same function."""

    domain: dict[str, str] = field(default_factory=dict)
    """The interval, or the kind of matrix, that a parameter is drawn from: `(0, inf)`, `invertible`."""

    integers: tuple[str, ...] = ()
    """Parameters that PyTorch takes only as integers where it refuses floats: class labels, indices."""

    below: dict[str, str] = field(default_factory=dict)
    """What the integers of a parameter are below, from 0 on, as a program over the parameters: `input.shape[dim]`."""

    truths: tuple[str, ...] = ()
    """Parameters that PyTorch takes only as truth values: masks, conditions."""

    kinks: str | None = None
    """A condition over the parameters that holds where the derivative is one-sided."""

    discontinuities: str | None = None
    """A condition over the parameters that holds where the value jumps, so that there is no derivative."""

    cuts: str | None = None
    """The same where an argument is complex, if that is another condition: the cuts of the plane, across which PyTorch
    takes another branch."""

    crashes: str | None = None
    """A condition over the parameters at which PyTorch's own code ends the process: the call is refused."""

    symmetric: tuple[str, ...] = ()
    """Parameters that are symmetric matrices, of which PyTorch may read only one triangle: the gradient is that of the
    symmetric part."""

    signs: dict[int, int] = field(default_factory=dict)
    """The results, by their places, whose vectors are determined but for their signs, or phases, which an algorithm
    chooses; each with the axis that runs along a vector. Those that PyTorch found are taken."""

    ordered: tuple[int, ...] = ()
    """The results, by their places, whose last axis is in an order that an algorithm chooses: that in which PyTorch
    found the first of them is taken."""

    convention: str | None = None
    """In what else PyTorch's gradient is, by intent, not the derivative."""

    examples: tuple[str, ...] = ()
    """Programs with the shapes of their leaves: `softmax(x, dim=-1) | x=2x3`."""

    overloads: tuple[Op, ...] = ()
    """PyTorch's other signatures of the same name, each a record: `var(input, unbiased)`. A call means the first that
    fits."""

    complex: str | None = None
    """The definition if an argument is complex: a program, or a formula for a pointwise op; `ALIKE` says that
    `definition` holds for complex numbers as it stands. Without one, a composite op is one of real numbers. Formulas
    and entries without one are taken as they stand: they hold if they use only analytic functions, and those that
    compare values are refused. What moves real data moves complex data."""

    fields: tuple[str, ...] = ()
    """The fields of the named tuple that PyTorch returns: `("values", "indices")`."""

    product: tuple[str, str] | None = None
    """The two operands that a matrix product multiplies. The result's last two axes are the product's own; those before
    them broadcast."""

    formula: str | None = None
    """The value of a constant op as a formula, if it has one."""

    fused: FusedBackward | None = None
    """PyTorch's own kernel of the backward by the first parameter, for code that `derive` writes. No derivative is taken
    from it: the code is compared with the derived one, and with autograd, before it is shown."""

    published: dict[str, str] = field(default_factory=dict)
    """What such code adds to the gradient of a parameter where the derived formula is slower, loses digits, or is not
    finite where autograd's is: a formula of parameters, of the gradient `g`, and of the result, `out`. No derivative is
    taken from it either."""

    stable: dict[str, str] = field(default_factory=dict)
    """The same as `published` where that one loses digits: of the code that `--stable` asks for."""

    remedy: tuple[Remedy, ...] = ()
    """What may avoid a NaN or an infinity that the op makes, in the order in which they are tried."""

    @property
    def name(self) -> str:
        """Return the op's name, qualified only where PyTorch has two ops of one name (`linalg.norm`)."""
        return self.signature.partition("(")[0]

    @property
    def is_entrywise(self) -> bool:
        """Return whether each entry of the result is a formula of one entry of each operand."""
        return self.kind is Kind.POINTWISE or self.formula is not None

    def of_complex_numbers(self) -> Op | None:
        """Return the op as it is defined where an argument is complex; None if it is one of real numbers."""
        if self.complex is None and self.kind is Kind.COMPOSITE:
            return None
        if self.complex is None or self.complex == ALIKE:
            return self
        kind = Kind.POINTWISE if self.kind is Kind.POINTWISE else Kind.COMPOSITE
        return replace(self, kind=kind, definition=self.complex)
