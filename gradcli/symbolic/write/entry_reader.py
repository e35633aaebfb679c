"""A definition's entry, or its derivative's, over the entries of its operands in a composition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isinf, isnan, prod
from typing import Any

import sympy
from sympy import Expr, Indexed, Integer, Ne, Piecewise, Sum, Symbol
from sympy.core.relational import Relational

from gradcli.derivation.formulas import Axes, FormulaNode, NodeDefinition
from gradcli.derivation.tensor_program import COTANGENT
from gradcli.symbolic.derive.differentiate import Length
from gradcli.symbolic.derive.entries import Entry, index_labels, labels, scalar
from gradcli.symbolic.derive.translate import number
from gradcli.symbolic.write.scope import Composed, Indices, NoFormulaError, Template
from gradcli.symbolic.write.standing import shown_by_formula
from gradcli.symbolic.write.sums import total
from gradcli.symbolic.write.tidy import merge_branches


@dataclass(slots=True)
class EntryReader:
    """Puts operands' entries in the places where a definition, or its derivative, reads them."""

    composition: Composed
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
        numbers = self._numbers()
        named = [self.composition.scope.with_names(_arithmetic(term).xreplace(numbers)) for term in terms]
        return sympy.Add(*[self._term(term, dict(bound)) for term in named])

    def _numbers(self) -> dict[Symbol, Expr]:
        """Return what the parameters are that stand in a definition by their names, as one that is infinite does."""
        given = dict(self.definition.request.numbers)
        known = {name: value for name, value in given.items() if isinstance(value, int | float) and not isnan(value)}
        return {
            scalar(name): self.composition.scope.infinity(value) if isinf(value) else number(value)
            for name, value in known.items()
            if not isinstance(value, bool)
        }

    def _term(self, term: Expr, bound: dict[Symbol, Indices]) -> Expr:
        scope, lengths = self.composition.scope, self._lengths()
        summed: list[Symbol] = []
        for label in sorted(index_labels(term) - set(bound), key=str):
            bound[label] = scope.fresh(lengths[label])
            summed += [symbol for symbol in bound[label] if isinstance(symbol, Symbol)]
        places = {atom: self._read(atom, bound) for atom in self._atoms(term)}
        counts = {atom: Integer(prod(lengths[_label(atom)])) for atom in term.atoms(Length)}
        single = {label: (indices or (Integer(0),))[0] for label, indices in bound.items() if len(indices) <= 1}
        known = _conditions(self._asked(term, places, bound), places)
        body = known.xreplace(places | counts | single)
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
        return self._at(atom, self.template(_name(atom)), bound)

    def _at(self, atom: Expr, template: Template, bound: Mapping[Symbol, Indices]) -> Expr:
        """Return what a tensor has at the place that is read."""
        name = _name(atom)
        indices: list[Expr] = [Integer(0)] * len(template.symbols)
        for label, group in zip(getattr(atom, "indices", ()), self.axes(name), strict=True):
            for axis, index in zip(group, _indices(label, bound, len(group)), strict=True):
                indices[axis] = index
        return template.at(indices)

    def _asked(self, term: Expr, places: Mapping[Expr, Expr], bound: Mapping[Symbol, Indices]) -> Expr:
        """Return a term in whose conditions a value that has choices in it stands for itself, shown by its formula.

        SymPy brings those choices out to the front of the condition, out of sums too.
        """
        found: dict[Expr, Expr] = {}
        for test in term.atoms(Relational):
            chosen = {atom: self._shown(atom, bound) for atom, value in places.items() if value.has(Piecewise, Sum)}
            inside = {atom: shown for atom, shown in chosen.items() if shown is not None and test.has(atom)}
            found |= {test: test.xreplace(inside)} if inside else {}
        return term.xreplace(found)

    def _shown(self, atom: Expr, bound: Mapping[Symbol, Indices]) -> Expr | None:
        """Return an operand by its formula as a name; None if it has no choice in a sum, or too long a formula."""
        name = _name(atom)
        if name not in {operand.name for operand in self.definition.operands}:  # an upstream gradient, or a tangent
            return None
        template = self.template(name)
        if not any(whole.has(Piecewise) for whole in template.body.atoms(Sum)):
            return None
        operand = self.definition.operand(name).node
        named = shown_by_formula(self.composition, operand, template)
        return None if named is None else self._at(atom, named, bound)

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


def _name(atom: Expr) -> str:
    return str(atom.base.label.name if isinstance(atom, Indexed) else atom.name)


def _label(length: Length) -> Symbol:
    return labels(length.name.removeprefix("length_"))[0]
