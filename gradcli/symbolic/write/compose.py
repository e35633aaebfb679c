"""A whole program's gradients in index notation: entries substituted into each other, adjoints composed in reverse.

Every node of a request has an entry (its value at given indices) and an adjoint (the output's derivative with respect
to that entry). Both are kept as a template over fresh index symbols. An axis of length 1 is always read at index 0, so
its index is not a symbol. Sizes are numbers here, so a sum has numeric limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sympy
from sympy import Expr, Integer, Symbol

from gradcli.derivation.formulas import AffineRead, FormulaNode, NodeDefinition
from gradcli.derivation.moves import AffineIndex, Move
from gradcli.symbolic.derive.derive import entry_of
from gradcli.symbolic.derive.differentiate import ADJOINT_LABELS, vector_jacobian_product
from gradcli.symbolic.derive.entries import Entry
from gradcli.symbolic.write import matrices, moves
from gradcli.symbolic.write.conditions import iverson
from gradcli.symbolic.write.constants import with_constants
from gradcli.symbolic.write.entry_reader import EntryReader
from gradcli.symbolic.write.scope import Indices, NoFormulaError, Scope, Template
from gradcli.symbolic.write.softmax import Softmax, find_softmaxes, stand_ins
from gradcli.symbolic.write.standing import PREFIX
from gradcli.symbolic.write.sums import solve_index, total
from gradcli.symbolic.write.tidy import beside_points, merge_branches

# What a constant of one number is called.
NUMBER = re.compile(r"\d+(\.\d+)?(e-?\d+)?")
# A unit matrix.
UNIT = re.compile(r"eye\(\d+\)")
# The products of two numbers each.
GRID = re.compile(r"outer\(arange\(\d+\), arange\(\d+\)\)")
LARGEST = 300  # operations in one expression; what is larger is not a formula to read


@dataclass(slots=True)
class Composition:
    """Entries and adjoints of some nodes of a request; the nodes in `cut` stand for themselves."""

    scope: Scope
    nodes: Sequence[FormulaNode]
    cut: Mapping[int, Template]
    entries: dict[int, Template] = field(default_factory=dict)
    adjoints: dict[int, Template] = field(default_factory=dict)
    blocked: set[int] = field(default_factory=set)
    softmaxes: dict[int, Softmax] = field(default_factory=dict)
    is_differentiated: bool = False
    """Whether what is composed is differentiated once more: no value is a tensor of its own then."""
    is_spelled: bool = False
    """Whether a tensor of others' entries, such as a diagonal matrix, is written by these even where it has a name."""

    def with_softmax(self) -> Composition:
        """Write exponentials that are summed as a softmax."""
        for found in find_softmaxes(self.nodes):
            if found.exponential not in self.cut and found.total not in self.cut:
                self.softmaxes |= {found.exponential: found, found.total: found}
        return self

    def shape(self, place: int) -> tuple[int, ...]:
        """Return a node's shape."""
        return self.nodes[place].shape

    def entry(self, place: int) -> Template:
        """Return a node's value; NoFormulaError if it has none in index notation."""
        if place not in self.entries:
            self.entries[place] = self.cut[place] if place in self.cut else self._entry(place)
        return self.entries[place]

    def _entry(self, place: int) -> Template:
        """Return a node's value by its definition; where it has none to write, or formulas call it so, by its name."""
        node = self.nodes[place]
        if node.stands and node.name is not None and not self.is_differentiated:
            return self._opaque(place, node)
        try:
            return self._found(place, node)
        except NoFormulaError:
            if node.name is None or not node.inputs:
                raise
            return self._opaque(place, node)

    def _found(self, place: int, node: FormulaNode) -> Template:
        if place in self.softmaxes:
            return self._exponential(place)
        if node.is_shift:
            return Template(self.scope.fresh(node.shape), Integer(0))
        if node.read is not None:
            symbols = self.scope.fresh(node.shape)
            return Template(symbols, self.entry(node.read.source).at(sources_of(node.read.indices, symbols)))
        if node.matrix is not None:
            return checked(matrices.value(self, place, node.matrix))
        if node.move is not None:
            return self._put_together(place, node, node.move)
        if node.definition is None:
            return self._opaque(place, node)
        return checked(self._defined(node, node.definition))

    def _exponential(self, place: int) -> Template:
        """Return exp(x) as softmax(x) times its sum, or that sum."""
        found = self.softmaxes[place]
        entries = stand_ins(self.scope, self.nodes, found, self.entry(found.input))
        self.entries[found.exponential], self.entries[found.total] = entries
        return self.entries[place]

    def _put_together(self, place: int, node: FormulaNode, move: Move) -> Template:
        is_spelled = self.is_spelled and move.is_whole and not move.gathers
        if move.reshaped is None and move.overwritten is None and node.name is not None and not is_spelled:
            return self._opaque(place, node)
        return checked(moves.value(self, place, move))

    def _opaque(self, place: int, node: FormulaNode) -> Template:
        if node.name is None:
            raise NoFormulaError
        if NUMBER.fullmatch(node.name):
            return Template(self.scope.fresh(node.shape), with_constants(sympy.Rational(node.name)))
        if self.is_spelled and GRID.fullmatch(node.name):
            symbols = self.scope.fresh(node.shape)
            return Template(symbols, sympy.Mul(*symbols))
        if UNIT.fullmatch(node.name):
            symbols = self.scope.fresh(node.shape)
            return Template(symbols, sympy.KroneckerDelta(*symbols))
        return self.scope.tensor(place, PREFIX if node.is_step else "t", node.name, node.shape)

    def _defined(self, node: FormulaNode, definition: NodeDefinition) -> Template:
        entry = entry_of_definition(definition)
        reader = EntryReader(self, node, definition, entry)
        symbols = self.scope.fresh(node.shape)
        bound = reader.bind(definition.request.out, definition.result, symbols)
        return Template(symbols, reader.expand(entry.terms, bound))

    def run(self, order: Iterable[int], targets: Mapping[int, Template]) -> None:
        """Take the adjoints in `targets` through the nodes in `order` (the last first) to everything that they read."""
        self.adjoints |= targets
        for place in order:
            node = self.nodes[place]
            if place in self.blocked:
                self.blocked.update(node.inputs)
            elif place in self.adjoints and node.inputs:
                self._through(place, node)

    def _through(self, place: int, node: FormulaNode) -> None:
        if node.read is not None:
            self._read_back(place, node.read)
        elif node.matrix is not None:
            self._give(node.inputs, matrices.contributions(self, place, node.matrix))
        elif node.move is not None:
            self._give(node.inputs, moves.contributions(self, place, node.move))
        elif node.definition is None:
            self.blocked.update(node.inputs)
        else:
            for name in node.definition.request.wrt:
                self._pull_back(place, node, node.definition, name)

    def _add(self, place: int, symbols: Indices, body: Expr) -> None:
        known = self.adjoints.get(place)
        body = body if known is None else known.at(symbols) + body
        try:
            self.adjoints[place] = checked(Template(symbols, body))
        except NoFormulaError:
            self.blocked.add(place)

    def _pull_back(self, place: int, node: FormulaNode, definition: NodeDefinition, name: str) -> None:
        """Add what a defined node contributes to the adjoint of one operand."""
        operand = definition.operand(name)
        try:
            if place in self.softmaxes and self.softmaxes[place].exponential == place:
                given = self.adjoints[place]
                return self._add(operand.node, given.symbols, given.body * self.entry(place).at(given.symbols))
            product = _adjoint_of(definition, name)
            reader = EntryReader(self, node, definition, entry_of_definition(definition), place)
            symbols = self.scope.fresh(self.shape(operand.node))
            bound = reader.bind(ADJOINT_LABELS[: len(operand.axes)], operand.axes, symbols)
            self._add(operand.node, symbols, reader.expand(product.terms, bound))
        except NoFormulaError:
            self.blocked.add(operand.node)

    def _give(self, operands: Iterable[int], found: Iterable[tuple[int, Indices, Expr]]) -> None:
        """Add what is contributed to the adjoints of operands."""
        try:
            for operand, symbols, body in found:
                self._add(operand, symbols, body)
        except NoFormulaError:
            self.blocked.update(operands)

    def _read_back(self, place: int, read: AffineRead) -> None:
        """Add the adjoint of a moved tensor to its source's, at the indices that the result reads."""
        symbols = self.scope.fresh(self.shape(read.source))
        given = self.adjoints[place]
        known: dict[Symbol, Expr] = {}
        conditions: list[Expr] = []
        for symbol, affine in zip(symbols, read.indices, strict=True):
            index = None if affine.axis is None else given.symbols[affine.axis]
            solved, condition = solve_index(symbol, affine.base, affine.step, index, known, self.scope.sizes)
            known |= solved
            conditions.append(condition)
        summed = [symbol for symbol in given.symbols if isinstance(symbol, Symbol) and symbol not in known]
        body = total(given.body, summed, self.scope.sizes)
        self._add(read.source, symbols, iverson(conditions) * body.xreplace(known))


def sources_of(read: Sequence[AffineIndex], symbols: Indices) -> Indices:
    """Return the indices at which a source is read."""
    return tuple(
        Integer(index.base) if index.axis is None else index.base + index.step * symbols[index.axis] for index in read
    )


def entry_of_definition(definition: NodeDefinition) -> Entry:
    """Return the entry that a definition stands for."""
    return _readable(entry_of(definition.request))


def _adjoint_of(definition: NodeDefinition, name: str) -> Entry:
    rank = len(definition.operand(name).axes)
    return _readable(vector_jacobian_product(entry_of(definition.request), name, rank))


def _readable(entry: Entry) -> Entry:
    return Entry(tuple(merge_branches(with_constants(term)) for term in entry.terms), entry.out)


def checked(template: Template) -> Template:
    """Return a template; NoFormulaError if it is too large, or sympy divided by 0 on the way: IEEE 754 may not."""
    if template.body.count_ops() > LARGEST or beside_points(template.body).has(sympy.zoo, sympy.nan):
        raise NoFormulaError
    return template
