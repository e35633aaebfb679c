"""The tape as a request for formulas: who reads whom, at which indices.

A node whose entries have no index notation here (an implicit definition, a reshape that merges axes, a gather) is left
without a definition: a formula can name it, but none leads through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from gradcli.derivation.formulas import (
    AffineRead,
    CallNodes,
    FormulaNode,
    FormulaRequest,
    MatrixFunction,
    NodeDefinition,
    Operand,
    WantedContribution,
)
from gradcli.derivation.messages import DerivativeRequest
from gradcli.errors import NotSupportedError
from gradcli.execution.formulas.axes import axes_of
from gradcli.execution.formulas.constants import STEPPED, constant, name_of, text_of
from gradcli.execution.formulas.matrix_functions import matrix_functions, products_of
from gradcli.execution.formulas.moves import moved, moving, read_of
from gradcli.execution.formulas.operands import is_moved, made_of, named, read_by_constant
from gradcli.execution.formulas.picks import Words, pick_of
from gradcli.execution.formulas.picks import definition as definition_of_pick
from gradcli.execution.formulas.plain_definitions import is_called
from gradcli.execution.formulas.reached import is_small, read_by
from gradcli.execution.formulas.shifts import compared, shifts
from gradcli.execution.forward.trace import TracedCall, TracedTensor, replaced
from gradcli.execution.reference import layout
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.layout import Layout
from gradcli.execution.reference.movement import holds_numbers
from gradcli.execution.reference.nodes import Node, nodes_in
from gradcli.execution.reference.tape import STATIC
from gradcli.ops.record import Kind, Op
from gradcli.ops.signature import defaults

# The places, counted in a flattened tensor, that indices along one of its axes mean.
POSITIONS = "_positions"
# The step functions that sympy has no word for.
STEPS = frozenset({"trunc"})
# For all formulas of a program.
SECONDS = 1.0


def gradients_request(
    decomposition: Decomposition, names: Mapping[TracedTensor, str], upstream: float | None
) -> FormulaRequest | None:
    """Return the request for the gradients of all named tensors; None if the program is too large, or complex.

    `upstream` is what every entry of the upstream gradient is; None if it is a tensor.
    """
    if decomposition.is_complex or not is_small(decomposition):
        return None
    numbers = {node: number for number, node in enumerate(decomposition.tape.nodes)}
    wanted = [(name, traced) for traced, name in names.items() if traced.tensor.requires_grad]
    gradients = tuple((name, numbers[decomposition.nodes[traced]]) for name, traced in wanted)
    return as_request(decomposition, names, upstream, wanted=gradients)


def as_request(
    decomposition: Decomposition,
    names: Mapping[TracedTensor, str],
    upstream: float | None,
    *,
    wanted: Sequence[tuple[str, int]] = (),
    contributions: Sequence[WantedContribution] = (),
    matrices: bool = False,
    products: bool = False,
) -> FormulaRequest:
    """Return the tape of a real program as a request, however large the program is.

    With `matrices`, inverses, determinants and exponentials of matrices have their closed derivatives; with `products`
    those of all entries, or along an axis, too.
    """
    tape_names = {
        node: called
        for traced, name in reversed([*names.items()])
        for node, called in named(decomposition.nodes[traced], name)
    }
    graph = _Graph(decomposition, tape_names, matrices=matrices, products=products)
    read = read_by(decomposition)
    return FormulaRequest(
        tuple([graph.node(node) if node in read else graph.unread(node) for node in decomposition.tape.nodes])
        + tuple(graph.beside),
        tuple(graph.call(group.call, group.nodes) for group in decomposition.calls if group.nodes),
        graph.numbers[decomposition.nodes[decomposition.trace.output]],
        upstream,
        tuple(wanted),
        SECONDS,
        tuple(contributions),
    )


class _Graph:
    """The nodes of a tape as data: their numbers, their names, and the calls that made them."""

    def __init__(
        self, decomposition: Decomposition, names: Mapping[Node, str], *, matrices: bool, products: bool
    ) -> None:
        self.decomposition = decomposition
        self.names = names
        self.numbers: dict[Node, int] = {node: number for number, node in enumerate(decomposition.tape.nodes)}
        self.has_texts = matrices
        # The constants that no node of the tape is.
        self.beside: list[FormulaNode] = []
        self.matrices = matrix_functions(decomposition, self.numbers) if matrices else {}
        self.matrices |= products_of(decomposition, self.numbers) if products else {}
        self.calls: dict[Node, TracedCall] = {
            part: group.call for group in decomposition.calls for part in decomposition.parts(group.call.outputs)
        }

        # What has no definition is no constant: nothing is known of the gradients of what it was given.
        self.gaps = {
            part: self._given(group.call)
            for group in decomposition.calls
            if group.error is not None
            for part in decomposition.parts(group.call.outputs)
        }
        self.shifts, self.compared = shifts(decomposition), compared(decomposition)
        self.picking = {
            part
            for group in decomposition.calls
            if is_called(group.call) or any(self._is_pick(node) for node in group.nodes)
            for part in decomposition.parts(group.call.outputs)
        }

    def _is_pick(self, node: Node) -> bool:
        """Tell whether the data says which entries a node reads."""
        return is_moved(node) and not self._is_fixed(node)

    def _given(self, call: TracedCall) -> tuple[int, ...]:
        known = [traced for traced in call.inputs if traced in self.decomposition.nodes]
        return tuple(self.numbers[part] for part in self.decomposition.parts(known))

    def call(self, call: TracedCall, nodes: Sequence[Node]) -> CallNodes:
        """Return one call, and the nodes of its definition."""
        return CallNodes(
            nodes=tuple(self.numbers[node] for node in nodes),
            inputs=self._given(call),
            outputs=tuple(self.numbers[part] for part in self.decomposition.parts(call.outputs)),
        )

    def node(self, node: Node) -> FormulaNode:
        """Return one node, with its definition if that has an index notation."""
        if node in self.gaps:
            return FormulaNode(tuple(node.tensor.shape), self.names.get(node), self.gaps[node])
        matrix = self.matrices.get(node) or self._step(node)
        if matrix is not None:
            shape, inputs = tuple(node.tensor.shape), matrix.operands if node.edges else ()
            return FormulaNode(shape, self.names.get(node), inputs, matrix=matrix)
        definition = read = move = None
        if is_moved(node):
            read = self._read(node)
            move = moved(node, self.numbers) if read is None and self.has_texts and self._is_fixed(node) else None
            definition = self._picked(node) if read is None and move is None and self.has_texts else None
        elif node.edges:
            definition = self._primitive(node)
        else:
            read = self._constant_read(node)
            definition = self._constant(node) if read is None else None
        inputs = tuple(self.numbers[edge.source] for edge in node.edges)
        shape = tuple(node.tensor.shape)
        name, is_shift, stands = self._called(node), node in self.shifts, self._stands(node)
        return FormulaNode(shape, name, inputs, definition, read, is_shift, None, move, stands, self._is_step(node))

    def _is_step(self, node: Node) -> bool:
        """Tell whether a constant of a definition is one that nothing but a jump changes, or that is only compared."""
        is_constant = self.has_texts and not node.edges and node.origin is not None and node not in self.names
        return is_constant and (node.origin[0].name in STEPPED or node in self.compared)

    def _stands(self, node: Node) -> bool:
        """Tell whether a node is what a call returns that picks entries: its name says more than the sum that it is."""
        return self.has_texts and node in self.picking

    def _picked(self, node: Node) -> NodeDefinition | None:
        """Return the definition of a tensor that is read at indices which have a text; None of any other."""
        pick = pick_of(node, Words(partial(name_of, names=self.names), self._made_by))
        if pick is None:
            return None
        first = len(self.numbers) + len(self.beside)
        self.beside += [FormulaNode(one.shape, one.text, stands=True, is_step=True) for one in pick.one_hots]
        return definition_of_pick(pick, node, self.numbers, range(first, first + len(pick.one_hots)))

    def unread(self, node: Node) -> FormulaNode:
        """Return a node that nothing on the way to the output reads."""
        return FormulaNode(tuple(node.tensor.shape), self.names.get(node), ())

    def _primitive(self, node: Node) -> NodeDefinition | None:
        request = node.edges[0].request
        if made_of(node) is None or request.unknown is not None:
            return None
        return self._defined(node.edges[0].layout, request, made_of(node)[1])

    def _defined(
        self, shown: Layout, request: DerivativeRequest, operands: Mapping[str, Node]
    ) -> NodeDefinition | None:
        result, axes = axes_of(shown.result), {name: axes_of(shown.views[name]) for name in operands}
        seen = [Operand(name, self.numbers[operands[name]], own) for name, own in axes.items() if own is not None]
        if result is None or len(seen) < len(operands):
            return None
        return NodeDefinition(request, result, tuple(seen))

    def _read(self, node: Node) -> AffineRead | None:
        edge, *others = moving(node) or node.edges
        if edge.request.unknown is not None or others or edge.request.formula.startswith("delta"):
            return None
        if not self._is_fixed(node):
            return None
        indices = read_of(edge, tuple(node.tensor.shape))
        return None if indices is None else AffineRead(self.numbers[edge.source], indices)

    def _is_fixed(self, node: Node) -> bool:
        """Tell whether it is the program, and not the data, that says which entries are read.

        The numbers that an op moves cannot say where they go; only indices and masks among its arguments can, and do
        not where the program spells them out.
        """
        others = [one for one in nodes_in(made_of(node)[1]) if not holds_numbers(one)]
        return all(self._is_spelled(one) for one in others)

    def _is_spelled(self, node: Node) -> bool:
        """Tell whether a tensor of whole numbers, or of truth values, is one that the program spells out."""
        if node.origin is not None and node.origin[0].name == POSITIONS:
            return all(self._is_spelled(one) for one in nodes_in(node.origin[1]) if not one.tensor.is_floating_point())
        return node in self.calls and not self.calls[node].inputs

    def _constant(self, node: Node) -> NodeDefinition | None:
        """Return the definition of a constant that is a pointwise formula of other values."""
        op, bound = self._made_by(node)
        formula = None if op is None or node in self.shifts else _constant_formula(op)
        operands = {name: value for name, value in bound.items() if isinstance(value, Node)}
        if formula is None or any(node not in self.numbers for node in operands.values()):
            return None
        shapes = {name: tuple(value.tensor.shape) for name, value in operands.items()}
        try:
            shown = layout.pointwise(formula, shapes, tuple(node.tensor.shape))
        except NotSupportedError:  # more axes than there are labels
            return None
        numbers = {name: value for name, value in bound.items() if value is None or isinstance(value, STATIC)}
        if len(numbers) + len(operands) < len(bound):
            return None
        request = DerivativeRequest(
            shown.formula, tuple(shown.axes.items()), tuple(sorted(numbers.items())), shown.out, ()
        )
        return self._defined(shown, request, operands)

    def _called(self, node: Node) -> str | None:
        """Return what formulas may call a node."""
        is_literal = not node.edges and node.origin is None and node not in self.names and not node.tensor.ndim
        own = constant(float(node.tensor)) if is_literal else None
        return own or self._number(node) or self.names.get(node) or self._text(node)

    def _number(self, node: Node) -> str | None:
        """Return the number that all entries of a tensor are which the program spells out; None of any other node."""
        is_spelled = self.has_texts and node.tensor.is_floating_point() and self._is_spelled(node)
        values = {*node.tensor.reshape(-1).tolist()} if is_spelled else set()
        return constant(values.pop()) if len(values) == 1 else None

    def _text(self, node: Node) -> str | None:
        """Return a constant of a definition as an expression, where formulas may name it."""
        return text_of(node, self.names) if self.has_texts else None

    def _step(self, node: Node) -> MatrixFunction | None:
        """Return a constant of a definition that is a step function of a value; None of any other node."""
        if node.edges or node.origin is None or node in self.names or not self.has_texts:
            return None
        op, bound = node.origin
        given = [*nodes_in(bound)]
        return MatrixFunction(op.name, (self.numbers[given[0]],)) if op.name in STEPS and len(given) == 1 else None

    def _constant_read(self, node: Node) -> AffineRead | None:
        """Return how a constant reads another value, which a definition holds or formulas may name; None of others."""
        found = read_by_constant(node, self.numbers) if self.has_texts else None
        if found is None:
            return None
        is_known = found.is_held or (node not in self.names and self._called(found.source) is not None)
        return AffineRead(self.numbers[found.source], found.indices) if is_known else None

    def _made_by(self, node: Node) -> tuple[Op | None, Mapping[str, Any]]:
        if node.origin is not None:
            made: tuple[Op, Mapping[str, Any]] = node.origin
            return made
        if (call := self.calls.get(node)) is None:
            return None, {}
        bound: Mapping[str, Any] = replaced(call.arguments.bound, self.decomposition.nodes.__getitem__)
        return call.op, {**defaults(call.op.signature), **bound}


def _constant_formula(op: Op) -> str | None:
    return op.definition if op.kind is Kind.POINTWISE else op.formula
