"""Arithmetic written as PyTorch writes it; how tensors are read and summed is left to the two notations below it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import sympy
from sympy import Expr, Indexed, KroneckerDelta, Mul, Piecewise, Rational, Sum, Symbol

from gradcli.symbolic.derive.lowering import APPLY
from gradcli.symbolic.write.bessel import Scaled, without_pole
from gradcli.symbolic.write.known_functions import Logistic
from gradcli.symbolic.write.roots import with_one_root
from gradcli.symbolic.write.scope import Scope
from gradcli.symbolic.write.text import (
    Precedence,
    Printed,
    add,
    call,
    fraction,
    fraction_of,
    named,
    number,
    operator,
    power,
    product,
    scaled,
)

RELATIONS = {
    sympy.StrictLessThan: ("<", "<"),
    sympy.LessThan: ("<=", r"\le"),
    sympy.StrictGreaterThan: (">", ">"),
    sympy.GreaterThan: (">=", r"\ge"),
    sympy.Equality: ("==", "="),
    sympy.Unequality: ("!=", r"\ne"),
}


# What stands for infinite numbers.
INFINITIES = {"inf": Printed("inf", r"\infty"), "-inf": Printed("-inf", r"-\infty", Precedence.SUM)}
CONSTANTS = {
    sympy.pi: Printed("pi", r"\pi"),
    sympy.E: Printed("exp(1)", "e"),
    sympy.nan: Printed("nan", r"\mathrm{nan}"),
    sympy.oo: INFINITIES["inf"],
    -sympy.oo: INFINITIES["-inf"],
}


class NotWritableError(Exception):
    """An expression has no form in this notation."""


class Printer:
    """Writes expressions; subclasses say how places of tensors, sums and indices are written."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def write(self, node: Any) -> Printed:
        """Return an expression as text and LaTeX."""
        match node:
            case Indexed():
                return self.read(node)
            case Sum():
                return self.sum(node)
            case KroneckerDelta():
                return self.delta(node)
            case Piecewise():
                return self.choice(node)
            case Symbol():
                return self.symbol(node)
            case Rational():
                return number(node)
        return CONSTANTS[node] if node in CONSTANTS else self._operation(node)

    def _operation(self, node: Any) -> Printed:
        if node.is_Add:
            return self._sum_of(node)
        if node.is_Mul:
            return self._product(node)
        if node.is_Pow:
            return self._power(node)
        return self._relation(node) if isinstance(node, tuple(RELATIONS)) else self._function(node)

    def read(self, node: Indexed) -> Printed:
        """Return one place of a tensor."""
        raise NotImplementedError

    def sum(self, node: Sum) -> Printed:
        """Return a sum over an index."""
        raise NotImplementedError

    def delta(self, node: KroneckerDelta) -> Printed:
        """Return Kronecker's delta."""
        raise NotImplementedError

    def choice(self, node: Piecewise) -> Printed:
        """Return a choice between branches."""
        raise NotImplementedError

    def index(self, node: Symbol) -> Printed:
        """Return an index as a number."""
        raise NotImplementedError

    def joined(self, pieces: Sequence[Printed]) -> tuple[list[Printed], tuple[Symbol | None, ...]]:
        """Return pieces that can stand in one element-wise operation, and the axes of its result."""
        return list(pieces), ()

    def symbol(self, node: Symbol) -> Printed:
        """Return a 0-d tensor by its name, or an index."""
        if self.scope.names.get(node.name) in INFINITIES:
            return INFINITIES[self.scope.names[node.name]]
        return named(self.scope.names[node.name]) if node.name in self.scope.names else self.index(node)

    def _joined(self, nodes: Sequence[Any]) -> tuple[list[Printed], tuple[Symbol | None, ...]]:
        return self.joined([self.write(node) for node in nodes])

    def _sum_of(self, node: Expr) -> Printed:
        terms = sorted(node.as_ordered_terms(), key=_is_negative)
        signs = [_is_negative(term) for term in terms]
        pieces, axes = self._joined([-term if sign else term for term, sign in zip(terms, signs, strict=True)])
        return add(list(zip(signs, pieces, strict=True))).with_axes(axes)

    def _product(self, node: Expr) -> Printed:
        if _is_negative(node):
            inner = self.write(-node)
            return add([(True, inner)]).with_axes(inner.axes)
        coefficient, rest = node.as_coeff_Mul(rational=True)
        coefficient, above, below = with_one_root(coefficient, *_fraction(rest))
        if coefficient != 1 and not below:
            return scaled(coefficient, self.write(rest))
        if coefficient != 1:
            parts = fraction_of(coefficient)
            above, below = (
                [part, *side] if part != 1 else side for part, side in zip(parts, (above, below), strict=True)
            )
        pieces, axes = self._joined([*above, *below])
        top = product(pieces[: len(above)]) if above else Printed("1", "1")
        whole = fraction(top, product(pieces[len(above) :])) if below else top
        return whole.with_axes(axes)

    def _power(self, node: Expr) -> Printed:
        base, exponent = node.as_base_exp()
        if exponent.could_extract_minus_sign():
            below = self.write(base**-exponent)
            return fraction(Printed("1", "1"), below).with_axes(below.axes)
        if exponent == Rational(1, 2):
            inner = self.write(base)
            return Printed(f"sqrt({inner.text})", rf"\sqrt{{{inner.latex}}}", Precedence.ATOM, inner.axes)
        pieces, axes = self._joined([base, exponent])
        return power(*pieces).with_axes(axes)

    def _relation(self, node: Any) -> Printed:
        node = node.reversed if self._is_number(node.lhs) else node
        text, latex = next(signs for kind, signs in RELATIONS.items() if isinstance(node, kind))
        (left, right), axes = self._joined([node.lhs, node.rhs])
        if isinstance(node, sympy.Eq | sympy.Ne) and not node.rhs.is_number and len(right.text) < len(left.text):
            left, right = right, left
        return Printed(
            f"{left.text} {text} {right.text}", f"{left.latex} {latex} {right.latex}", Precedence.CHOICE, axes
        )

    def _is_number(self, node: Any) -> bool:
        """Tell whether an expression is a number, or stands for a small one by its text."""
        return bool(node.is_number) or (isinstance(node, Symbol) and self.scope.names.get(node.name, "")[:1].isdigit())

    def _function(self, node: Any) -> Printed:
        if (known := _in_known_functions(node)) is not None:
            return self.write(known)
        pieces, axes = self._joined(node.args)
        name, latex, skipped = _torch_name(node)
        if isinstance(node, sympy.And | sympy.Or):  # PyTorch's take two
            return reduce(partial(call, name, latex=latex), pieces).with_axes(axes)
        return call(name, *pieces[skipped:], latex=latex).with_axes(axes)


def _in_known_functions(node: Any) -> Expr | None:
    """Return a function that PyTorch lacks in terms of those that it has."""
    if isinstance(node, sympy.erfcinv):
        return sympy.erfinv(1 - node.args[0])
    if isinstance(node, sympy.besseli | sympy.besselj) and node.args[0].is_Integer and node.args[0] > 1:
        order, value = node.args
        below, lowest = node.func(order - 1, value), node.func(order - 2, value)
        rest = without_pole(int(order), 2 * (order - 1) * below / value, value)
        return lowest - rest if isinstance(node, sympy.besseli) else rest - lowest
    return None


def _torch_name(node: Any) -> tuple[str, str | None, int]:
    """Return a function's name in PyTorch, its LaTeX, and how many arguments the name stands for."""
    if isinstance(node, Logistic):
        return "sigmoid", r"\sigma", 0
    if isinstance(node, Scaled):
        return f"special.i{node.args[0]}e", None, 1
    if isinstance(node, sympy.polygamma):
        return ("digamma", None, 1) if node.args[0] == 0 else ("polygamma", None, 0)
    if isinstance(node, sympy.besseli) and node.args[0] in {0, 1}:
        return f"special.i{node.args[0]}", None, 1
    if isinstance(node, sympy.besselj) and node.args[0] in {0, 1}:
        return f"special.bessel_j{node.args[0]}", None, 1
    name = APPLY.get(node.func)
    if name is None:
        raise NotWritableError
    return name, operator(name), 0


def _is_negative(term: Any) -> bool:
    coefficient, _ = term.as_coeff_Mul()
    return bool(coefficient.is_negative)


def _fraction(node: Expr) -> tuple[list[Expr], list[Expr]]:
    """Return what stands above and below the line."""
    above: list[Expr] = []
    below: list[Expr] = []
    for factor in Mul.make_args(node):
        base, exponent = factor.as_base_exp()
        if exponent.is_Number and exponent.is_negative and not factor.is_Number:
            below.append(base**-exponent)
        else:
            above.append(factor)
    return sorted(above, key=_loudness), sorted(below, key=_loudness)


def _loudness(factor: Expr) -> tuple[int, Any]:
    """Return a key that puts numbers before names, and names before sums."""
    rank = 0 if factor.is_number else 1 if isinstance(factor, Indexed | Symbol) else 2
    return rank, sympy.default_sort_key(factor)
