"""Second derivatives: a gradient's entry, which is an expression over places of leaves, differentiated once more."""

from __future__ import annotations

import re
from typing import Any

import sympy
from sympy import Dummy, Expr, Indexed, IndexedBase, Mul, Piecewise, Sum, Symbol

from gradcli.symbolic.write.compose import Composition
from gradcli.symbolic.write.scope import Indices, NoFormulaError, Scope, Template
from gradcli.symbolic.write.sums import iverson, total


def differentiated(composition: Composition, adjoint: Template, place: int) -> Template:
    """Return a gradient's derivative by the leaf at a place, over the indices of both.

    Raises NoFormulaError if the leaf's entries are not what the gradient is written in.
    """
    leaf = composition.entry(place)
    name = _name(leaf.body)
    symbols = composition.scope.fresh(composition.shape(place))
    _check_plain(composition.scope, adjoint.body, name)
    return Template((*adjoint.symbols, *symbols), _Derivative(name, symbols, composition).of(adjoint.body))


def _check_plain(scope: Scope, body: Expr, name: str) -> None:
    """Refuse an expression in which a tensor that depends on the leaf stands for itself: it has a derivative too."""
    leaf = re.compile(rf"\b{re.escape(scope.names[name])}\b")
    keys = {getattr(atom, "name", "") for atom in body.free_symbols} - {name}
    if any(leaf.search(scope.names[key]) for key in keys if key in scope.names):
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
        self.sizes = composition.scope.sizes

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
        *inside, (variable, low, high) = whole.limits
        inner = self.of(whole.func(whole.function, *inside) if inside else whole.function)
        index = Dummy(integer=True, nonnegative=True)
        if low == 0 and high.is_Integer:
            return total(inner.xreplace({variable: index}), [index], {**self.sizes, index: int(high) + 1})
        return Sum(inner, (variable, low, high))

    def _function(self, body: Any) -> Expr:
        """Return the derivative by the chain rule: that of the outermost function by each of its arguments."""
        terms = []
        for position, argument in enumerate(body.args):
            inner = self.of(argument)
            if inner != 0:
                value = Dummy(real=True)
                arguments = [value if place == position else other for place, other in enumerate(body.args)]
                outer = body.func(*arguments).diff(value).xreplace({value: argument})
                terms.append(Mul(outer, inner))
        return sympy.Add(*terms)
