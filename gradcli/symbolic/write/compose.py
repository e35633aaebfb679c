"""A whole program's gradients in index notation: entries substituted into each other, adjoints composed in reverse.

Every node of a request has an entry (its value at given indices) and an adjoint (the output's derivative with respect
to that entry). Both are kept as a template over fresh index symbols. An axis of length 1 is always read at index 0, so
its index is not a symbol. Sizes are numbers here, so a sum has numeric limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import sympy
from sympy import Expr, Indexed, Integer, Ne, Piecewise, Symbol

from gradcli.derivation.formulas import AffineIndex, AffineRead, Axes, FormulaNode, Move, NodeDefinition
from gradcli.derivation.tensor_program import COTANGENT
from gradcli.symbolic.derive.derive import entry_of
from gradcli.symbolic.derive.differentiate import ADJOINT_LABELS, Length, vector_jacobian_product
from gradcli.symbolic.derive.entries import Entry, index_labels, labels, scalar
from gradcli.symbolic.write import matrices, moves
from gradcli.symbolic.write.scope import Indices, NoFormulaError, Scope, Template
from gradcli.symbolic.write.softmax import Softmax, find_softmaxes, stand_ins
from gradcli.symbolic.write.sums import iverson, solve_index, total
from gradcli.symbolic.write.tidy import beside_points, merge_branches

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
        node = self.nodes[place]
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
        if move.reshaped is None and node.name is not None:
            return self._opaque(place, node)
        return checked(moves.value(self, place, move))

    def _opaque(self, place: int, node: FormulaNode) -> Template:
        if node.name is None:
            raise NoFormulaError
        return self.scope.tensor(place, "t", node.name, node.shape)

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


@dataclass(slots=True)
class EntryReader:
    """Puts operands' entries in the places where a definition, or its derivative, reads them."""

    composition: Composition
    node: FormulaNode
    definition: NodeDefinition
    entry: Entry
    upstream: int | None = None

    def bind(self, letters: str, axes: Axes, symbols: Indices) -> dict[Symbol, Indices]:
        """Return what labels stand for: the indices of the original axes behind each presented one."""
        return {
            label: tuple(symbols[axis] for axis in group) for label, group in zip(labels(letters), axes, strict=True)
        }

    def expand(self, terms: tuple[Expr, ...], bound: Mapping[Symbol, Indices]) -> Expr:
        """Return a sum of terms with all operands in place, and every label summed that is not bound."""
        named = [self.composition.scope.with_names(_arithmetic(term)) for term in terms]
        return sympy.Add(*[self._term(term, dict(bound)) for term in named])

    def _term(self, term: Expr, bound: dict[Symbol, Indices]) -> Expr:
        scope, lengths = self.composition.scope, self._lengths()
        summed: list[Symbol] = []
        for label in sorted(index_labels(term) - set(bound), key=str):
            bound[label] = scope.fresh(lengths[label])
            summed += [symbol for symbol in bound[label] if isinstance(symbol, Symbol)]
        places = {atom: self._read(atom, bound) for atom in self._atoms(term)}
        counts = {atom: Integer(prod(lengths[_label(atom)])) for atom in term.atoms(Length)}
        single = {label: (indices or (Integer(0),))[0] for label, indices in bound.items() if len(indices) <= 1}
        body = _conditions(term, places).xreplace(places | counts | single)
        if index_labels(body):
            raise NoFormulaError
        return total(merge_branches(body), summed, scope.sizes)

    def names(self) -> list[str]:
        """Return the names of what a term may read."""
        return [*(operand.name for operand in self.definition.operands), COTANGENT]

    def _atoms(self, term: Expr) -> list[Expr]:
        names = self.names()
        found = [atom for atom in term.atoms(Indexed) if atom.base.label.name in names]
        found += [scalar(name) for name in names if not self.axes(name) and scalar(name) in term.free_symbols]
        return sorted(found, key=sympy.default_sort_key)

    def axes(self, name: str) -> Axes:
        """Return the original axes behind each axis of what has a name."""
        return self.definition.result if name == COTANGENT else self.definition.operand(name).axes

    def _lengths(self) -> dict[Symbol, tuple[int, ...]]:
        """Return the lengths of the axes behind every label of the definition."""
        shape = self.node.shape
        lengths = {
            label: tuple(shape[axis] for axis in group)
            for label, group in zip(labels(self.definition.request.out), self.definition.result, strict=True)
        }
        for term in self.entry.terms:
            for atom in sorted(term.atoms(Indexed), key=sympy.default_sort_key):
                name = atom.base.label.name
                shape = self.composition.shape(self.definition.operand(name).node)
                for index, group in zip(atom.indices, self.axes(name), strict=True):
                    if isinstance(index, Symbol):
                        lengths.setdefault(index, tuple(shape[axis] for axis in group))
        return lengths

    def _read(self, atom: Expr, bound: Mapping[Symbol, Indices]) -> Expr:
        """Return what stands at one place: an operand's entry, or the upstream gradient's."""
        name = atom.base.label.name if isinstance(atom, Indexed) else atom.name
        template = self.template(name)
        indices: list[Expr] = [Integer(0)] * len(template.symbols)
        for label, group in zip(getattr(atom, "indices", ()), self.axes(name), strict=True):
            for axis, index in zip(group, _indices(label, bound, len(group)), strict=True):
                indices[axis] = index
        return template.at(indices)

    def template(self, name: str) -> Template:
        """Return the value of what has a name."""
        if name == COTANGENT:
            assert self.upstream is not None  # noqa: S101 (only derivatives read the upstream gradient)
            return self.composition.adjoints[self.upstream]
        return self.composition.entry(self.definition.operand(name).node)


def _arithmetic(term: Any) -> Expr:
    """Return a condition as 1 where it holds and 0 elsewhere."""
    return term if isinstance(term, Expr) else Piecewise((Integer(1), term), (Integer(0), True))


def _indices(label: Expr, bound: Mapping[Symbol, Indices], count: int) -> Indices:
    if label in bound and len(bound[label]) == count:
        return bound[label]
    if count == 0:
        return ()
    single = {known: indices[0] for known, indices in bound.items() if len(indices) == 1}
    if count != 1 or not index_labels(label) <= set(single):
        raise NoFormulaError
    return (label.xreplace(single),)


def _conditions(term: Expr, places: Mapping[Expr, Expr]) -> Expr:
    """Return a term with `operand != 0` replaced by the condition that an operand is (1 if it holds, else 0)."""
    found = {}
    for atom, value in places.items():
        if isinstance(value, Piecewise) and [branch.expr for branch in value.args] == [1, 0]:
            found[Ne(atom, 0)] = value.args[0].cond
    return term.xreplace(found)


def _label(length: Length) -> Symbol:
    return labels(length.name.removeprefix("length_"))[0]


def sources_of(read: Sequence[AffineIndex], symbols: Indices) -> Indices:
    """Return the indices at which a source is read."""
    return tuple(
        Integer(index.base) if index.axis is None else index.base + index.step * symbols[index.axis] for index in read
    )


def entry_of_definition(definition: NodeDefinition) -> Entry:
    """Return the entry that a definition stands for."""
    entry = entry_of(definition.request)
    return Entry(tuple(merge_branches(term) for term in entry.terms), entry.out)


def _adjoint_of(definition: NodeDefinition, name: str) -> Entry:
    rank = len(definition.operand(name).axes)
    entry = vector_jacobian_product(entry_of(definition.request), name, rank)
    return Entry(tuple(merge_branches(term) for term in entry.terms), entry.out)


def checked(template: Template) -> Template:
    """Return a template; NoFormulaError if it is too large, or sympy divided by 0 on the way: IEEE 754 may not."""
    if template.body.count_ops() > LARGEST or beside_points(template.body).has(sympy.zoo, sympy.nan):
        raise NoFormulaError
    return template
