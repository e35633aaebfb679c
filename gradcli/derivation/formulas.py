"""What the execution side asks of the symbolic side's writer: a program's graph, and the formulas that come back.

Nodes, and everything that refers to them, are numbered in the order of the forward run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from gradcli.derivation.messages import DerivativeRequest
from gradcli.derivation.moves import AffineIndex, Move, indices_from, move_from

# The original axes behind each axis that a definition sees; those of length 1 are left out.
Axes: TypeAlias = tuple[tuple[int, ...], ...]
LONGEST = 300  # characters; a longer formula is of no help beside a gradient
# The tangent whose entries are all 1.
UNIT = "1"


@dataclass(frozen=True, slots=True)
class Formula:
    """One formula."""

    text: str
    """As PyTorch's, or Python's, text."""
    latex: str
    """As LaTeX."""
    entry: str = ""
    """One entry of it in index notation, in terms of elementary functions alone; empty unless it was asked for."""
    raw: str = ""
    """The text before it was rewritten for readers, where that has yet to be compared with it; else empty."""


@dataclass(frozen=True, slots=True)
class AffineRead:
    """A tensor whose entries are those of a source, at indices that are affine in its own: x[2*i + 1, 0, j]."""

    source: int
    """The node that is read."""
    indices: tuple[AffineIndex, ...]
    """The index along each axis of the source."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A node as an operand of a definition."""

    name: str
    """What the definition calls it."""
    node: int
    """The node."""
    axes: Axes
    """Its axes, as the definition sees them."""


@dataclass(frozen=True, slots=True)
class NodeDefinition:
    """A tensor whose entries are given by an op's definition."""

    request: DerivativeRequest
    """The definition, and the operands that it is differentiated by."""
    result: Axes
    """The axes of the result, as the definition sees them."""
    operands: tuple[Operand, ...]
    """The operands, constants among them."""

    def operand(self, name: str) -> Operand:
        """Return the operand of a name."""
        return next(operand for operand in self.operands if operand.name == name)


@dataclass(frozen=True, slots=True)
class MatrixFunction:
    """A function of matrices."""

    name: str
    """`inv`, `solve`, `exp`, `det`, `logdet` or `slogdet`, whose logarithm this is; of any tensor `prod` or `trunc`."""
    operands: tuple[int, ...]
    """The nodes that it is a function of."""
    axis: int | None = None
    """The axis that a product is along; None for all of them."""


@dataclass(frozen=True, slots=True)
class FormulaNode:
    """One value of the forward run; without a definition and a read, a formula can only name it."""

    shape: tuple[int, ...]
    """Its shape."""
    name: str | None
    """Its name in the program, or its source text."""
    inputs: tuple[int, ...] = ()
    """The nodes that gradients go on to."""
    definition: NodeDefinition | None = None
    """Its definition, if it has one in index notation."""
    read: AffineRead | None = None
    """What it reads, if it is a tensor that was only moved."""
    is_shift: bool = False
    """A detached maximum that keeps exponentials in range: no value depends on it."""
    matrix: MatrixFunction | None = None
    """What it is of matrices, where its derivative has a closed form in terms of an inverse."""
    move: Move | None = None
    """How it is made of others' entries, if it is no reading of one tensor's."""
    stands: bool = False
    """Whether formulas call it by its name, rather than write how its entries are found."""
    is_step: bool = False
    """Whether it is a constant that nothing but a jump changes, or that values are only compared with."""


@dataclass(frozen=True, slots=True)
class CallNodes:
    """One call of the program, and the nodes of its definition."""

    nodes: tuple[int, ...]
    """The nodes of its definition."""
    inputs: tuple[int, ...]
    """The tensors that it was given."""
    outputs: tuple[int, ...]
    """The tensors that it returned."""


@dataclass(frozen=True, slots=True)
class WantedContribution:
    """A formula that is wanted of a single call: what it contributes to the gradient of one input."""

    key: str
    """What the formula is called in the answer."""
    call: int
    """The call's place among the `calls` of the request."""
    input: int
    """The input's node."""
    local: bool
    """Wanted as a local derivative: the gradient of the call's result is taken for 1."""


@dataclass(frozen=True, slots=True)
class FormulaRequest:
    """A program's graph, and the gradients that are wanted as formulas."""

    nodes: tuple[FormulaNode, ...]
    """All values, in the order of the forward run."""
    calls: tuple[CallNodes, ...]
    """All calls, likewise."""
    output: int
    """The node that is differentiated."""
    upstream: float | None
    """What every entry of the upstream gradient is; None if it is a tensor."""
    wanted: tuple[tuple[str, int], ...]
    """The tensors whose gradient is wanted: name and node."""
    seconds: float
    """The time for all formulas; what was not found by then is left out of the answer."""
    contributions: tuple[WantedContribution, ...] = ()
    """The formulas of single calls that are wanted."""
    upstream_name: str = "grad_output"
    """What the upstream gradient is called."""
    longest: int = LONGEST
    """How many characters a formula may have; a longer one is left out of the answer."""
    closed: bool = False
    """Whether only formulas in terms of the leaves are wanted."""
    entries: bool = False
    """Whether each is wanted in index notation too."""
    symmetric: tuple[int, ...] = ()
    """The nodes that are equal to their transpose."""
    second: tuple[tuple[str, int, int], ...] = ()
    """The second derivatives that are wanted: name, and the nodes by which the output is differentiated in turn."""
    tangents: tuple[tuple[str, int], ...] = ()
    """The directions in which nodes move: what each is called, and the node; UNIT is 1 in every entry."""
    pushed: str | None = None
    """What the output's derivative along the tangents is called in the answer; None if it is not wanted."""
    mapped: tuple[tuple[str, int], ...] = ()
    """The Jacobians that are wanted: name, and the node that the output is differentiated by."""
    positive: tuple[int, ...] = ()
    """The nodes whose entries are positive."""
    curved: tuple[tuple[str, int], ...] = ()
    """The Hessian-vector products that are wanted: name, and the node whose gradient is differentiated along them."""
    lengths: tuple[str, ...] = ()
    """The names of lengths, which no index has."""

    def to_data(self) -> dict[str, Any]:
        """Return the request as JSON data."""
        return asdict(self)

    @staticmethod
    def from_data(data: dict[str, Any]) -> FormulaRequest:
        """Return the request that `to_data` made the data of."""
        return FormulaRequest(
            tuple(_node(node) for node in data["nodes"]),
            tuple(CallNodes(tuple(c["nodes"]), tuple(c["inputs"]), tuple(c["outputs"])) for c in data["calls"]),
            data["output"],
            data["upstream"],
            tuple((name, node) for name, node in data["wanted"]),
            data["seconds"],
            tuple(WantedContribution(**contribution) for contribution in data["contributions"]),
            data["upstream_name"],
            data["longest"],
            data["closed"],
            data["entries"],
            tuple(data["symmetric"]),
            tuple((name, row, column) for name, row, column in data["second"]),
            tuple((name, node) for name, node in data["tangents"]),
            data["pushed"],
            tuple((name, node) for name, node in data["mapped"]),
            tuple(data["positive"]),
            tuple((name, node) for name, node in data["curved"]),
            tuple(data["lengths"]),
        )


def formulas_to_data(formulas: dict[str, Formula]) -> dict[str, Any]:
    """Return an answer as JSON data."""
    return {name: asdict(formula) for name, formula in formulas.items()}


def formulas_from_data(data: dict[str, Any]) -> dict[str, Formula]:
    """Return the answer that `formulas_to_data` made the data of."""
    return {name: Formula(**formula) for name, formula in data.items()}


def _node(data: dict[str, Any]) -> FormulaNode:
    definition, read, matrix = data["definition"], data["read"], data["matrix"]
    return FormulaNode(
        tuple(data["shape"]),
        data["name"],
        tuple(data["inputs"]),
        None if definition is None else _definition(definition),
        None if read is None else AffineRead(read["source"], indices_from(read["indices"])),
        data["is_shift"],
        None if matrix is None else MatrixFunction(matrix["name"], tuple(matrix["operands"]), matrix["axis"]),
        None if data["move"] is None else move_from(data["move"]),
        data["stands"],
        data["is_step"],
    )


def _definition(data: dict[str, Any]) -> NodeDefinition:
    request = DerivativeRequest.from_data(data["request"])
    operands = tuple(Operand(item["name"], item["node"], _axes(item["axes"])) for item in data["operands"])
    return NodeDefinition(request, _axes(data["result"]), operands)


def _axes(data: Iterable[Iterable[int]]) -> Axes:
    return tuple(tuple(axes) for axes in data)
