"""Matrix algebra on a formula's tree, so that it is as short as a reader would write it; what it says stays the same.

An expression is a sum of terms: a number, factors that are multiplied entry by entry, and a chain of matrix factors.
Chains are flat, an inverse cancels with what it inverts, equal terms are added up, a column times a row is an outer
product, and the root of a sum of squares is a norm.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import product
from math import prod

from gradcli.derivation.notation.gathered import gathered, upright
from gradcli.derivation.notation.parsed import callee, is_number, is_sum_over_indices, parsed
from gradcli.derivation.notation.ranks import MATRIX
from gradcli.derivation.notation.shapes import Shapes, is_seen, shape_of
from gradcli.derivation.notation.sums import Sums, undone
from gradcli.derivation.notation.terms import (
    Factor,
    Term,
    adds_axes,
    call,
    collected,
    common_number,
    is_unit,
    negative,
    norm_of,
    power,
)
from gradcli.derivation.notation.written import ENTRYWISE, difficulty, noted, text_of


def simplified(
    text: str,
    shapes: Shapes,
    orthogonal: frozenset[str] = frozenset(),
    symmetric: frozenset[str] = frozenset(),
) -> str:
    """Return a formula of a whole tensor in the shortest of the ways that are known; that of an entry as it is.

    `orthogonal` are the names of matrices whose transpose is their inverse, `symmetric` of those that are their own.
    """
    formula = parsed(text)
    if formula.indices is not None or any(is_sum_over_indices(node) for node in ast.walk(formula.body)):
        return text
    known: dict[str, ast.expr] = {}
    either = (False, True)
    inverses, sums = either[: 1 + ("inv(" in text)], either[: 1 + ("sum(" in text or "mean(" in text)]
    for expands, spreads, means in product(inverses, either, sums):
        algebra = _Algebra(shapes, symmetric, spreads, orthogonal, expands=expands, means=means)
        new = noted([algebra.normal(formula.body), *algebra.turned(formula.body)], known)
        noted([upright(way, algebra.across) for way in new], known)
    noted([gathered(way, shapes) for way in known.values()], known)
    return min(map(text_of, known.values()), key=difficulty)


def _length(node: ast.expr) -> tuple[int, int]:
    """Return how long a matrix is to read: first by how many transposes are in it, of which one is no worse outside."""
    text = ast.unparse(node)
    return max(text.count(".T") - 1, 0), len(text)


@dataclass(frozen=True, slots=True)
class _Algebra(Sums):
    expands: bool
    """Whether the inverse of a product becomes the product of inverses."""
    means: bool
    """Whether a sum along an axis becomes a multiple of the mean."""
    known: dict[int, tuple[ast.expr, list[Term]]] = field(default_factory=dict, compare=False)
    """What expressions are as terms, by identity: they are asked for again and again."""

    def normal(self, node: ast.expr) -> ast.expr:
        """Return an expression, all of it simplified."""
        return self.term(self._single(self.terms(node), turns=False))

    def turned(self, node: ast.expr) -> list[ast.expr]:
        """Return a matrix as the transpose of its transpose."""
        if self.rank(node) != MATRIX:
            return []
        terms = self.terms(node)
        inner = self.sum([self.transposed(term) for term in terms])
        return [ast.Attribute(inner, "T")] if all(term.chain for term in terms) else []

    def _first(self, terms: Sequence[Term]) -> Term:
        """Return the term with the leaf that comes first in the program."""
        order = list(self.shapes)
        return min(terms, key=lambda term: min([order.index(name) for name in term.names if name in order] or [99]))

    def terms(self, node: ast.expr) -> list[Term]:
        """Return an expression as a sum of terms."""
        if id(node) not in self.known:
            self.known[id(node)] = node, self._terms(node)
        return self.known[id(node)][1]

    def _terms(self, node: ast.expr) -> list[Term]:
        match node:
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return collected([*self.terms(left), *self.terms(right)])
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return collected([*self.terms(left), *map(negative, self.terms(right))])
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return list(map(negative, self.terms(inner)))
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return self._spread(left, right) or [self.product(self._one(left), self._one(right))]
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return [self.quotient(self._one(left), self._one(right))]
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):
                return [self.matmul(self._one(left, turns=True), self._one(right, turns=True))]
        return self._special_terms(node)

    def _spread(self, left: ast.expr, right: ast.expr) -> list[Term]:
        """Return a product with a sum, term by term, if one of these is divided by the other factor; else nothing."""
        for one, other in ((left, right), (right, left)):
            divisors = {ast.unparse(node) for term in self.terms(other) for node in term.below}
            if len(self.terms(other)) > 1 and ast.unparse(self.normal(one)) in divisors:
                return collected([self.product(self._one(one), term) for term in self.terms(other)])
        return []

    def _special_terms(self, node: ast.expr) -> list[Term]:
        match node:
            case ast.Attribute(value=inner, attr="T") if self.rank(inner) == MATRIX:
                return self._turned(inner)
            case ast.Call(func=ast.Name(id="matrix_power"), args=[inner, ast.Constant(value=int(count))]) if count > 0:
                one = self._one(inner)
                if one.chain and one.number == 1 and not one.above and not one.below:
                    return [Term(Fraction(1), chain=one.chain * count)]
            case ast.Subscript(value=inner, slice=places) if adds_axes(places):
                one = self._one(inner)
                rest = self.term(replace(one, number=Fraction(1)))
                whole = self.read_at_labels(rest, places) or ast.Subscript(rest, places)
                return [Term(one.number, (rest if is_number(rest) else whole,))]
            case ast.Call(func=ast.Name(id="sum" | "mean") as function, args=[inner], keywords=words) if (
                not is_number(inner) and (one := self._one(inner)).number != 1
            ):
                rest = ast.Call(function, [self.term(replace(one, number=Fraction(1)))], words)
                return [replace(found, number=found.number * one.number) for found in self.terms(rest)]
            case ast.Call(func=ast.Name(id="sum"), args=[inner], keywords=[ast.keyword() as along]):
                return [self._along(inner, along)]
            case ast.Call(func=ast.Name(id="sum"), args=[inner], keywords=[]) if self.means:
                return [self._mean(self._inside(node))]
            case ast.Call(
                func=ast.Name(id="one_hot"), args=[ast.Call(func=ast.Name(id="arange"), args=[count]), classes]
            ):
                return [self._atom(call("eye", count) if ast.unparse(count) == ast.unparse(classes) else node)]
            case ast.Call(func=ast.Name(id="outer"), args=[left, right]):
                return [self._outer_product(self._one(left), self._one(right))]
        found = self._inside(node)
        is_product = isinstance(found, ast.BinOp) and not isinstance(node, ast.BinOp)
        return self.terms(found) if is_product else [self._atom(found)]

    def _along(self, inner: ast.expr, along: ast.keyword) -> Term:
        """Return the sum along an axis, without the number that all of it is multiplied by; or so often the mean."""
        one = self._one(inner)
        rest, along = self._upright(self.term(replace(one, number=Fraction(1))), along)
        shape = shape_of(rest, self.shapes)
        axis = along.value.value if isinstance(along.value, ast.Constant) else None
        if self.means and shape and isinstance(axis, int) and is_seen(shape) and not is_number(rest):
            return Term(one.number * shape[axis], (ast.Call(ast.Name("mean"), [rest], [along]),))
        if (diagonal := self.through_diagonal(rest)) is not None:
            return self.product(Term(one.number), self._one(diagonal))
        summed = self._inside(ast.Call(ast.Name("sum"), [rest], [along]))
        return Term(one.number, () if is_number(summed) else (summed,))

    def _upright(self, node: ast.expr, along: ast.keyword) -> tuple[ast.expr, ast.keyword]:
        """Return what is summed along an axis, and that axis: a matrix instead of its transpose."""
        match node, along.value:
            case ast.Attribute(value=matrix, attr="T"), ast.Constant(value=0 | 1 as axis):
                return matrix, ast.keyword(along.arg, ast.Constant(1 - axis))
        return node, along

    def _mean(self, summed: ast.expr) -> Term:
        """Return the sum of all entries as so often their mean."""
        if isinstance(summed, ast.Call) and callee(summed) == "sum" and not summed.keywords:
            shape = shape_of(summed.args[0], self.shapes)
            if shape and is_seen(shape):
                return Term(Fraction(prod(shape)), (call("mean", summed.args[0]),))
        return self._atom(summed)

    def _outer_product(self, left: Term, right: Term) -> Term:
        """Return the outer product of two vectors, the numbers that they are multiplied by in front of it."""
        rests = (self.term(replace(one, number=Fraction(1))) for one in (left, right))
        whole = self._atom(call("outer", *rests))
        return replace(whole, number=whole.number * left.number * right.number)

    def _turned(self, inner: ast.expr) -> list[Term]:
        found = self.terms(inner)
        if self.spreads and all(term.chain for term in found):
            return collected([self.transposed(term) for term in found])
        return [self.transposed(self._one(inner))]

    def _one(self, node: ast.expr, *, turns: bool = False) -> Term:
        """Return an expression as one term: a sum is a factor."""
        return self._single(self.terms(node), turns=turns)

    def _single(self, found: Sequence[Term], *, turns: bool) -> Term:
        """Return terms as one, their common number apart; if it `turns`, the first of the leaves is not subtracted."""
        if len(found) == 1:
            return found[0]
        number = common_number(found) if found else Fraction(1)
        if turns and found and self._first(found).number / number < 0:
            number = -number
        whole = self._atom(self.sum([replace(term, number=term.number / number) for term in found]))
        return replace(whole, number=whole.number * number)

    def _atom(self, node: ast.expr) -> Term:
        if isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool):
            return Term(Fraction(node.value))
        if self.rank(node) != MATRIX:
            return Term(Fraction(1), (node,))
        if self.expands and isinstance(node, ast.Call) and callee(node) == "inv":
            return self._inverse(node)
        return Term(Fraction(1), chain=self.cancelled(self._expanded(node)))

    def _inverse(self, node: ast.Call) -> Term:
        """Return the inverse of a matrix, with the numbers that the matrix is multiplied by in front of it."""
        several = self.terms(node.args[0])
        numbers = [*several[0].above, *several[0].below] if len(several) == 1 and several[0].chain else []
        if len(several) != 1 or any(self.rank(one) for one in numbers):
            return Term(Fraction(1), chain=self.cancelled(self._expanded(node)))
        (inner,) = several
        rest = call("inv", self.term(Term(Fraction(1), chain=inner.chain))) if numbers or inner.number != 1 else node
        return Term(1 / inner.number, inner.below, inner.above, self.cancelled(self._expanded(rest)))

    def _expanded(self, node: ast.expr) -> tuple[Factor, ...]:
        """Return a matrix as factors: the inverse of a product of square ones as the product of their inverses."""
        if isinstance(node, ast.Call) and callee(node) == "inv" and self.is_orthogonal(node.args[0]):
            return (Factor(node.args[0], is_transposed=True),)
        if isinstance(node, ast.Call) and callee(node) in ENTRYWISE:
            turned = self.across(node)
            if _length(turned) < _length(node) and ast.unparse(turned).count(".T") <= ast.unparse(node).count(".T"):
                return (Factor(turned, is_transposed=True),)
        if self.expands and isinstance(node, ast.Call) and callee(node) == "inv":
            (inner,) = self.terms(node.args[0])[:1]
            whole = inner.number == 1 and not inner.above and not inner.below
            if whole and len(inner.chain) > 1 and all(self._is_square(factor.node) for factor in inner.chain):
                return tuple(replace(factor, node=call("inv", factor.node)) for factor in reversed(inner.chain))
        return (Factor(node),)

    def _is_square(self, node: ast.expr) -> bool:
        shape = self.shapes.get(node.id, ()) if isinstance(node, ast.Name) else ()
        return len(shape) == MATRIX and shape[0] == shape[1]

    def _inside(self, node: ast.expr) -> ast.expr:
        """Return an expression with its parts simplified."""
        match node:
            case ast.Call(func=ast.Name(id="sqrt" | "norm" as name), args=[inner], keywords=[]):
                return self._root(name, self.normal(inner))
            case _ if self.sums_to_one(node):
                return ast.Constant(1)
            case ast.Subscript(value=inner, slice=ast.Tuple()) if is_number(one := self.normal(inner)):
                return one  # a number broadcasts as it is
            case ast.Call(func=ast.Name(id="sum"), args=[inner], keywords=[]):
                return self._total(self.normal(inner))
            case ast.Call(func=ast.Name(id="inv" | "diagonal" | "tril" as name), args=[ast.Call() as inner]):
                return undone(name, inner, self.normal)
            case ast.Call(func=function, args=arguments, keywords=words):
                return ast.Call(function, [self.normal(argument) for argument in arguments], words)
            case ast.Compare(left=left, ops=operators, comparators=[right]):
                return ast.Compare(self.normal(left), operators, [self.normal(right)])
            case ast.BinOp(left=left, op=ast.Pow() as operator, right=right):
                return power(self.normal(left), operator, self.normal(right))
            case ast.Subscript(value=inner, slice=places):
                return ast.Subscript(self.normal(inner), places)
        return node

    def _root(self, name: str, inner: ast.expr) -> ast.expr:
        """Return a norm, or a root, that of a sum of squares as a norm."""
        if name == "norm":
            return call("norm", self._either(inner))
        return norm_of(inner) or call("sqrt", inner)

    def _either(self, node: ast.expr) -> ast.expr:
        """Return a matrix, or its transpose if that is shorter: for what is the same of both."""
        turned = self.across(node) if self.rank(node) == MATRIX else node
        return min((node, turned), key=lambda one: len(ast.unparse(one)))

    def _total(self, node: ast.expr) -> ast.expr:
        """Return the sum of all entries: of two vectors' product their inner product, of two matrices' a trace."""
        node = self._either(node)
        match node:
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=2)) if self.rank(left) == 1:
                return ast.BinOp(left, ast.MatMult(), left)
            case ast.BinOp(left=left, op=ast.Mult(), right=right) if self.rank(left) == self.rank(right) == 1:
                return self.normal(ast.BinOp(left, ast.MatMult(), right))
            case ast.BinOp(left=left, op=ast.Mult(), right=right) if is_unit(left) and self.rank(right) == MATRIX:
                return call("trace", self._either(right))
            case ast.BinOp(left=left, op=ast.Mult(), right=right) if is_unit(right) and self.rank(left) == MATRIX:
                return call("trace", self._either(left))
            case ast.BinOp(left=left, op=ast.Mult(), right=ast.Attribute(value=right, attr="T")):
                if self.rank(left) == self.rank(right) == MATRIX:
                    return call("trace", self.normal(ast.BinOp(left, ast.MatMult(), right)))
            case ast.BinOp(left=ast.Attribute(value=left, attr="T"), op=ast.Mult(), right=right):
                if self.rank(left) == self.rank(right) == MATRIX:
                    return call("trace", self.normal(ast.BinOp(left, ast.MatMult(), right)))
        return call("sum", node)
