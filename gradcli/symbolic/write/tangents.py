"""The derivative along tangents, composed forward: the tangent of every node from those of what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy
from sympy import Expr

from gradcli.derivation.formulas import Axes, MatrixFunction, NodeDefinition
from gradcli.symbolic.derive.differentiate import readings
from gradcli.symbolic.derive.entries import scalar, tensor
from gradcli.symbolic.write import matrices, moves, prods
from gradcli.symbolic.write.compose import Composition, checked, entry_of_definition, sources_of
from gradcli.symbolic.write.entry_reader import EntryReader
from gradcli.symbolic.write.scope import NoFormulaError, Scope, Template
from gradcli.symbolic.write.sums import total
from gradcli.symbolic.write.tidy import merge_branches

# Before the name of an operand: its tangent.
MARK = "tangent_of_"


@dataclass(slots=True)
class Tangents:
    """The tangents of nodes; they stand in the place of entries where a node only moves others' entries."""

    composition: Composition
    known: Mapping[int, Template]
    """Those that are given."""
    found: dict[int, Template] = field(default_factory=dict)
    adjoints: dict[int, Template] = field(default_factory=dict)

    scope: Scope = field(init=False)
    """The index symbols of the composition."""
    is_differentiated: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Share the composition's symbols."""
        self.scope = self.composition.scope

    def shape(self, place: int) -> tuple[int, ...]:
        """Return a node's shape."""
        return self.composition.shape(place)

    def entry(self, place: int) -> Template:
        """Return a node's tangent; NoFormulaError if it has none in index notation."""
        if place not in self.found:
            self.found[place] = checked(self.known[place] if place in self.known else self._entry(place))
        return self.found[place]

    def _entry(self, place: int) -> Template:
        node = self.composition.nodes[place]
        symbols = self.scope.fresh(node.shape)
        if not node.inputs or node.is_shift:
            return Template(symbols, sympy.S.Zero)
        found = self.composition.softmaxes.get(place)
        if found is not None and found.exponential == place:
            body = self.composition.entry(place).at(symbols) * self.entry(found.input).at(symbols)
            return Template(symbols, body)
        if node.read is not None:
            return Template(symbols, self.entry(node.read.source).at(sources_of(node.read.indices, symbols)))
        if node.move is not None:
            return moves.value(self, place, node.move)
        if node.matrix is not None:
            return self._of_matrices(place, node.matrix)
        if node.definition is None:
            raise NoFormulaError
        return self._defined(place, node.definition)

    def _defined(self, place: int, definition: NodeDefinition) -> Template:
        """Return the sum over operands of the derivative by each place that is read, times its tangent."""
        node, entry = self.composition.nodes[place], entry_of_definition(definition)
        reader = _TangentReader(self.composition, node, definition, entry, None, self)
        terms: list[Expr] = []
        for operand in definition.operands:
            if self.entry(operand.node).body == 0:
                continue
            for _, read in readings(entry, operand.name):
                name = MARK + operand.name
                tangent = tensor(name)[read.indices] if read.indices else scalar(name)
                terms.append(merge_branches(read.derivative * tangent))
        symbols = self.scope.fresh(node.shape)
        bound = reader.bind(definition.request.out, definition.result, symbols)
        return Template(symbols, reader.expand(tuple(terms), bound))

    def _of_matrices(self, place: int, function: MatrixFunction) -> Template:
        """Return the tangent of an inverse, of a solution, of an exponential, of a determinant, or of a product."""
        if function.name == "prod":
            return prods.tangent(self.composition, place, function, self.entry(function.operands[0]))
        if function.name == "exp":
            operand = function.operands[0]
            return matrices.along(self.composition, self.composition.entry(operand), self.entry(operand))
        inverse = matrices.inverse(self.composition, place, function)
        moved = self.entry(function.operands[0])
        *batch, row, column = self.scope.fresh(self.shape(function.operands[0]))
        if function.name not in {"inv", "solve"}:
            body = self._summed(inverse.at([*batch, row, column]) * moved.at([*batch, column, row]), row, column)
            factor = matrices.value(self.composition, place, function).at(batch) if function.name == "det" else 1
            return Template(tuple(batch), factor * body)
        return self._of_equation(place, function, inverse, moved)

    def _of_equation(self, place: int, function: MatrixFunction, inverse: Template, moved: Template) -> Template:
        """Return inv(A) (dB - dA Y) of Y = inv(A) B."""
        *batch, row, column = symbols = self.scope.fresh(self.shape(place))
        *_, first, second = self.scope.fresh(self.shape(function.operands[0]))
        result = matrices.value(self.composition, place, function)
        body = -self._summed(
            inverse.at([*batch, row, first]) * moved.at([*batch, first, second]) * result.at([*batch, second, column]),
            second,
            first,
        )
        if function.name == "solve":
            right = self.entry(function.operands[1]).at([*batch, first, column])
            body += self._summed(inverse.at([*batch, row, first]) * right, first)
        return Template(symbols, body)

    def _summed(self, body: Expr, *indices: Expr) -> Expr:
        return total(body, indices, self.scope.sizes)


@dataclass(slots=True)
class _TangentReader(EntryReader):
    """Reads the tangents of operands too, by their marked names."""

    tangents: Tangents | None = None

    def names(self) -> list[str]:
        """Return the names of what a term may read."""
        operands = [operand.name for operand in self.definition.operands]
        return [*operands, *(MARK + name for name in operands)]

    def axes(self, name: str) -> Axes:
        """Return the original axes behind each axis of what has a name."""
        return self.definition.operand(name.removeprefix(MARK)).axes

    def template(self, name: str) -> Template:
        """Return the value of an operand, or its tangent."""
        assert self.tangents is not None  # noqa: S101 (it is given)
        node = self.definition.operand(name.removeprefix(MARK)).node
        return self.tangents.entry(node) if name.startswith(MARK) else self.composition.entry(node)
