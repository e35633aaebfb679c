"""Second derivatives: a gradient's entry, which is an expression over places of leaves, differentiated once more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sympy
from sympy import Dummy, Expr, Indexed, IndexedBase, KroneckerDelta, Mul, Piecewise, Sum, Symbol

from gradcli.symbolic.derive.differentiate import with_less_power
from gradcli.symbolic.write import matrices, standing
from gradcli.symbolic.write.compose import Composition
from gradcli.symbolic.write.conditions import iverson
from gradcli.symbolic.write.scope import Indices, NoFormulaError, Template
from gradcli.symbolic.write.standing import PREFIX
from gradcli.symbolic.write.sums import greatest, settled, total
from gradcli.symbolic.write.unfolded import UnfoldedSum


def differentiated(composition: Composition, adjoint: Template, place: int) -> Template:
    """Return a gradient's derivative by the leaf at a place, over the indices of both.

    Raises NoFormulaError if the leaf's entries are not what the gradient is written in.
    """
    by = composition.entry(place)
    _check_plain(composition, adjoint.body, _name(by.body))
    found = _by(composition, adjoint.body, by, composition.shape(place))
    return Template((*adjoint.symbols, *found.symbols), found.body)


def pushed(composition: Composition, along: Mapping[int, Template], upstream: Template, output: int) -> Template:
    """Return the derivative of the output along tangents of nodes.

    Gradients are linear in the upstream gradient: what their product with the tangents is by it is that derivative.
    """
    body = _product(composition, along)
    if not upstream.body.has(Indexed, Symbol):  # of a scalar, whose gradient is that number
        return Template((), body)
    _check_plain(composition, body, _name(upstream.body))
    return _by(composition, body, upstream, composition.shape(output))


def mapped(composition: Composition, upstream: Template, output: int, place: int) -> Template:
    """Return the Jacobian by a node, over the output's indices and then the node's."""
    if place in composition.blocked:
        raise NoFormulaError
    zero = Template(composition.scope.fresh(composition.shape(place)), sympy.S.Zero)
    adjoint = composition.adjoints.get(place, zero)
    _check_plain(composition, adjoint.body, _name(upstream.body))
    found = _by(composition, adjoint.body, upstream, composition.shape(output))
    return Template((*found.symbols, *adjoint.symbols), found.body)


def curved(composition: Composition, along: Mapping[int, Template], place: int) -> Template:
    """Return a Hessian-vector product: what a leaf's gradient changes by along the tangents of all of them."""
    if place in composition.blocked:
        raise NoFormulaError
    adjoint = composition.adjoints.get(place)
    if adjoint is None:
        return Template(composition.scope.fresh(composition.shape(place)), sympy.S.Zero)
    tangents = {_name(composition.entry(leaf).body): tangent for leaf, tangent in along.items()}
    for name in tangents:
        _check_plain(composition, adjoint.body, name)
    return Template(adjoint.symbols, _Along(tangents, composition).of(adjoint.body))


def _product(composition: Composition, along: Mapping[int, Template]) -> Expr:
    """Return the sum of all products of a gradient's entry and its tangent's; NoFormulaError without a gradient."""
    terms = []
    for place, tangent in along.items():
        if place in composition.blocked:
            raise NoFormulaError
        adjoint = composition.adjoints.get(place)
        if adjoint is not None:
            indices = [symbol for symbol in adjoint.symbols if isinstance(symbol, Symbol)]
            terms.append(total(adjoint.body * tangent.at(adjoint.symbols), indices, composition.scope.sizes))
    return sympy.Add(*terms)


def _by(composition: Composition, body: Expr, by: Template, shape: tuple[int, ...]) -> Template:
    symbols = composition.scope.fresh(shape)
    return Template(symbols, _Derivative(_name(by.body), symbols, composition).of(body))


def _check_plain(composition: Composition, body: Expr, name: str) -> None:
    """Refuse an expression in which a tensor that depends on the leaf stands for itself: it has a derivative too."""
    scope = composition.scope
    leaf = re.compile(rf"\b{re.escape(scope.names[name])}\b")
    keys = {getattr(atom, "name", "") for atom in body.free_symbols} - {name}
    known = {*scope.of_matrices, *scope.reshaped, *scope.picked}
    held = {key for key in keys if key in scope.names and key not in known and not key.startswith(PREFIX)}
    if any(leaf.search(scope.names[key]) for key in held):
        raise NoFormulaError
    for key in keys & scope.of_matrices.keys():
        _check_plain(composition, composition.entry(scope.of_matrices[key][1]).body, name)
    for source in standing.sources(scope, keys):
        _check_plain(composition, source.body, name)


def _name(body: Expr) -> str:
    if isinstance(body, Indexed):
        return str(body.base.label.name)
    if isinstance(body, Symbol):
        return str(body.name)
    raise NoFormulaError


class _Derivative:
    """The derivative by the place of a tensor that some indices name."""

    def __init__(self, name: str, symbols: Indices, composition: Composition) -> None:
        self.name, self.symbols, self.composition = name, symbols, composition
        self.sizes: Mapping[Symbol, int] = composition.scope.sizes

    def of(self, body: Any) -> Expr:
        """Return the derivative of an expression."""
        if not self._reads(body):
            return sympy.S.Zero
        if isinstance(body, Indexed | Symbol):
            return self._read(body)
        if isinstance(body, Sum):
            return self._sum(body)
        if isinstance(body, Piecewise):
            return Piecewise(*[(self.of(branch.expr), branch.cond) for branch in body.args])
        return self._function(body)

    def _reads(self, body: Any) -> bool:
        names = {getattr(atom, "name", None) for atom in body.free_symbols}
        names |= {base.label.name for base in body.atoms(IndexedBase)}
        of = self.composition.scope.of_matrices
        return (
            self._is_by(names)
            or any(self._reads(self.composition.entry(of[name][1]).body) for name in names if name in of)
            or any(self._reads(source.body) for source in standing.sources(self.composition.scope, names))
        )

    def _is_by(self, names: set[Any]) -> bool:
        return self.name in names

    def _read(self, read: Any) -> Expr:
        """Return the derivative of a place of a tensor, or of a number."""
        name = _name(read)
        if name in self.composition.scope.of_matrices:
            indices = read.indices if isinstance(read, Indexed) else ()
            return matrices.differential(self.composition, name, indices, self.of, self.sizes)
        scope = self.composition.scope
        if isinstance(read, Indexed) and (name in scope.reshaped or name in scope.picked):
            own, factor = standing.unfolded(scope, name, read.indices)
            entry = next(iter(standing.sources(scope, {name})))
            self.sizes = {**self.sizes, **scope.sizes}
            return total(factor * self.of(entry.at(own)), own, self.sizes)
        return self._place(read) if isinstance(read, Indexed) else sympy.S.One

    def _place(self, read: Indexed) -> Expr:
        return iverson(sympy.Eq(index, own) for index, own in zip(read.indices, self.symbols, strict=True))

    def _sum(self, whole: Sum) -> Expr:
        """Return the derivative of a sum, over the whole range of its index: limits are a condition on it then."""
        *inside, (variable, low, high) = whole.limits
        last = greatest(high, self.sizes)
        self.sizes = self.sizes if last is None else {**self.sizes, variable: last + 1}
        inner = self.of(whole.func(whole.function, *inside) if inside else whole.function)
        if last is None or (not inner.has(KroneckerDelta) and not (low == 0 and high.is_Integer)):
            return UnfoldedSum(inner, (variable, low, high))
        index = Dummy(integer=True, nonnegative=True)
        limits = ([] if low == 0 else [sympy.Ge(index, low)]) + ([] if high.is_Integer else [sympy.Le(index, high)])
        body = inner.xreplace({variable: index}) * iverson(limits)
        return total(body, [index], {**self.sizes, index: last + 1})

    def _function(self, body: Any) -> Expr:
        """Return the derivative by the chain rule: that of the outermost function by each of its arguments.

        Of a sign it is 0, but at the single point where it jumps.
        """
        terms = []
        for position, argument in enumerate(body.args):
            inner = self.of(argument)
            if inner != 0:
                value = Dummy(real=True)
                arguments = [value if place == position else other for place, other in enumerate(body.args)]
                slope = body.func(*arguments).diff(value).replace(sympy.DiracDelta, lambda *_: sympy.S.Zero)
                outer = with_less_power(slope).xreplace({value: argument})
                terms.append(Mul(outer, inner))
        return sympy.Add(*terms)


class _Along(_Derivative):
    """The derivative along the tangents of tensors."""

    def __init__(self, tangents: Mapping[str, Template], composition: Composition) -> None:
        super().__init__("", (), composition)
        self.tangents = tangents

    def _is_by(self, names: set[Any]) -> bool:
        return not names.isdisjoint(self.tangents)

    def _read(self, read: Any) -> Expr:
        tangent = self.tangents.get(_name(read))
        if tangent is None:
            return super()._read(read)
        return tangent.at(read.indices) if isinstance(read, Indexed) else tangent.body

    def _sum(self, whole: Sum) -> Expr:
        changed: Expr = settled(UnfoldedSum(self.of(whole.function), *whole.limits))
        return changed
