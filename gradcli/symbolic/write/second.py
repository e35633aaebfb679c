"""Second derivatives: a gradient's entry, which is an expression over places of leaves, differentiated once more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sympy
from sympy import Dummy, Expr, Indexed, IndexedBase, KroneckerDelta, Mul, Piecewise, Sum, Symbol

from gradcli.symbolic.derive.differentiate import with_less_power
from gradcli.symbolic.write.compose import Composition
from gradcli.symbolic.write.conditions import iverson
from gradcli.symbolic.write.scope import Indices, NoFormulaError, Scope, Template
from gradcli.symbolic.write.standing import PREFIX
from gradcli.symbolic.write.sums import greatest, total
from gradcli.symbolic.write.unfolded import UnfoldedSum


def differentiated(composition: Composition, adjoint: Template, place: int) -> Template:
    """Return a gradient's derivative by the leaf at a place, over the indices of both.

    Raises NoFormulaError if the leaf's entries are not what the gradient is written in.
    """
    by = composition.entry(place)
    _check_plain(composition.scope, adjoint.body, _name(by.body))
    found = _by(composition, adjoint.body, by, composition.shape(place))
    return Template((*adjoint.symbols, *found.symbols), found.body)


def pushed(composition: Composition, along: Mapping[int, Template], upstream: Template, output: int) -> Template:
    """Return the derivative of the output along tangents of nodes.

    Gradients are linear in the upstream gradient: what their product with the tangents is by it is that derivative.
    """
    body = _product(composition, along)
    if not upstream.body.has(Indexed, Symbol):  # of a scalar, whose gradient is that number
        return Template((), body)
    _check_plain(composition.scope, body, _name(upstream.body))
    return _by(composition, body, upstream, composition.shape(output))


def mapped(composition: Composition, upstream: Template, output: int, place: int) -> Template:
    """Return the Jacobian by a node, over the output's indices and then the node's."""
    if place in composition.blocked:
        raise NoFormulaError
    zero = Template(composition.scope.fresh(composition.shape(place)), sympy.S.Zero)
    adjoint = composition.adjoints.get(place, zero)
    _check_plain(composition.scope, adjoint.body, _name(upstream.body))
    found = _by(composition, adjoint.body, upstream, composition.shape(output))
    return Template((*found.symbols, *adjoint.symbols), found.body)


def curved(composition: Composition, along: Mapping[int, Template], place: int) -> Template:
    """Return a Hessian-vector product: the derivative by a leaf of the gradients' product with tangents."""
    return differentiated(composition, Template((), _product(composition, along)), place)


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


def _check_plain(scope: Scope, body: Expr, name: str) -> None:
    """Refuse an expression in which a tensor that depends on the leaf stands for itself: it has a derivative too."""
    leaf = re.compile(rf"\b{re.escape(scope.names[name])}\b")
    keys = {getattr(atom, "name", "") for atom in body.free_symbols} - {name}
    if any(leaf.search(scope.names[key]) for key in keys if key in scope.names and not key.startswith(PREFIX)):
        raise NoFormulaError


def _name(body: Expr) -> str:
    if isinstance(body, Indexed):
        return str(body.base.label.name)
    if isinstance(body, Symbol):
        return str(body.name)
    raise NoFormulaError


class _Derivative:
    """The derivative by the place of a tensor that some indices name."""

    def __init__(self, name: str, symbols: Indices, composition: Composition) -> None:
        self.name, self.symbols = name, symbols
        self.sizes: Mapping[Symbol, int] = composition.scope.sizes

    def of(self, body: Any) -> Expr:
        """Return the derivative of an expression."""
        if not self._reads(body):
            return sympy.S.Zero
        if isinstance(body, Indexed):
            return self._place(body)
        if isinstance(body, Symbol):
            return sympy.S.One
        if isinstance(body, Sum):
            return self._sum(body)
        if isinstance(body, Piecewise):
            return Piecewise(*[(self.of(branch.expr), branch.cond) for branch in body.args])
        return self._function(body)

    def _reads(self, body: Any) -> bool:
        return any(getattr(atom, "name", None) == self.name for atom in body.free_symbols) or any(
            isinstance(base, IndexedBase) and base.label.name == self.name for base in body.atoms(IndexedBase)
        )

    def _place(self, read: Indexed) -> Expr:
        if read.base.label.name != self.name:
            return sympy.S.Zero
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
        """Return the derivative by the chain rule: that of the outermost function by each of its arguments."""
        terms = []
        for position, argument in enumerate(body.args):
            inner = self.of(argument)
            if inner != 0:
                value = Dummy(real=True)
                arguments = [value if place == position else other for place, other in enumerate(body.args)]
                outer = with_less_power(body.func(*arguments).diff(value)).xreplace({value: argument})
                terms.append(Mul(outer, inner))
        return sympy.Add(*terms)
