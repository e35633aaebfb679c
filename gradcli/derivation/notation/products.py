"""Products of the terms of matrix algebra: entry by entry, of matrices, with vectors; what inverts another cancels."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from gradcli.derivation.notation.parsed import is_number
from gradcli.derivation.notation.ranks import MATRIX
from gradcli.derivation.notation.terms import (
    Factor,
    Term,
    are_inverse,
    call,
    column_of,
    is_diagonal,
    is_unit,
    reduced,
    softmax_of,
    times,
)
from gradcli.derivation.notation.written import Written


def _entrywise(left: ast.expr, right: ast.expr) -> ast.expr:
    """Return the product of two vectors entry by entry: that of 1/x and y as y/x."""
    match left:
        case ast.BinOp(left=ast.Constant(value=1), op=ast.Div(), right=below):
            return ast.BinOp(right, ast.Div(), below)
    return times([left, right], [])


def _without_units(chain: tuple[Factor, ...]) -> tuple[Factor, ...]:
    """Return a chain without unit matrices, one of which stays where there is nothing else."""
    rest = tuple(factor for factor in chain if not is_unit(factor.node))
    return rest or chain[:1]


@dataclass(frozen=True, slots=True)
class Products(Written):
    """Multiplies, divides and transposes terms over tensors of known shapes."""

    spreads: bool
    """Whether the transpose of a sum becomes the sum of transposes."""
    orthogonal: frozenset[str]
    """The matrices whose transpose is their inverse."""

    def _scalars(self, term: Term) -> bool:
        return not term.chain and all(self.rank(node) == 0 for node in (*term.above, *term.below))

    def product(self, left: Term, right: Term) -> Term:
        """Return the product of two terms entry by entry, or with a number."""
        number = left.number * right.number
        if self._scalars(left) or self._scalars(right) or not (left.chain or right.chain):
            both = (left.above + right.above, left.below + right.below, left.chain + right.chain)
            return self._flat(reduced(Term(number, *both)))
        parts = [replace(term, number=Fraction(1)) for term in (left, right)]
        return self._cancelled(parts, number) or Term(number, tuple(self.term(part) for part in parts))

    def _cancelled(self, factors: Sequence[Term], number: Fraction) -> Term | None:
        """Return the product of two terms entry by entry if a factor of one is what the other is divided by."""
        sides = [term if not term.chain else Term(Fraction(1), (self.term(term),)) for term in factors]
        whole = Term(number, sides[0].above + sides[1].above, sides[0].below + sides[1].below)
        found = reduced(whole)
        return found if len(found.above) < len(whole.above) else None

    def _flat(self, term: Term) -> Term:
        """Return a term whose chain, if it has one, is multiplied by numbers alone."""
        if term.chain and not all(self.rank(node) == 0 for node in (*term.above, *term.below)):
            chain = self.term(Term(Fraction(1), chain=term.chain))
            return Term(term.number, (*term.above, chain), term.below)
        return term

    def quotient(self, left: Term, right: Term) -> Term:
        """Return what one term is, divided by the other."""
        if not right.number:
            return Term(Fraction(1), (self.term(left),), (self.term(right),))
        number = left.number / right.number
        if right.chain:
            above, below = (self.term(replace(one, number=Fraction(1))) for one in (left, right))
            return Term(number, () if is_number(above) else (above,), (below,))
        whole = Term(number, left.above + right.below, left.below + right.above, left.chain)
        return self._flat(self._with_softmax(reduced(whole)))

    def _with_softmax(self, term: Term) -> Term:
        """Return a term with one softmax in the place of an exponential above the line and of its sum below."""
        for above in term.above:
            for below in term.below:
                column = column_of(above)
                found = softmax_of(above, below, self.rank(above if column is None else column))
                if found is not None:
                    rest = tuple(node for node in term.below if node is not below)
                    return replace(term, above=tuple(found if one is above else one for one in term.above), below=rest)
        return term

    def matmul(self, one: Term, other: Term) -> Term:
        """Return a matrix product; the numbers among the factors come in front of it."""
        number = one.number * other.number
        if one.chain and other.chain:
            chain = self.cancelled(one.chain + other.chain)
            return Term(number, one.above + other.above, one.below + other.below, chain)
        outside, inside = zip(*(self._outside(term) for term in (one, other)), strict=True)
        above = tuple(node for term in outside for node in term.above)
        below = tuple(node for term in outside for node in term.below)
        return Term(number, (*above, self._with_vector(*inside)), below)

    def _outside(self, term: Term) -> tuple[Term, ast.expr]:
        """Return the numbers among a term's factors, and the rest of it."""
        above = tuple(node for node in term.above if self.rank(node) == 0)
        below = tuple(node for node in term.below if self.rank(node) == 0)
        rest = Term(
            Fraction(1),
            tuple(node for node in term.above if self.rank(node)),
            tuple(node for node in term.below if self.rank(node)),
            term.chain,
        )
        return Term(Fraction(1), above, below), self.term(rest)

    def _with_vector(self, left: ast.expr, right: ast.expr) -> ast.expr:
        """Return a product with a vector, which needs no transpose of one matrix."""
        turned = self._turned_back(left, right)
        if turned is not None:
            return turned
        for one, other in ((left, right), (right, left)):
            if is_unit(other) and self.rank(one) == 1:
                return one
            if is_diagonal(other) and self.rank(one) == self.rank(other.args[0]) == 1:
                return _entrywise(other.args[0], one)
        match left, right:
            case ast.Attribute(value=matrix, attr="T"), vector if self.rank(vector) == 1:
                return ast.BinOp(vector, ast.MatMult(), matrix)
            case vector, ast.Attribute(value=matrix, attr="T") if self.rank(vector) == 1:
                return ast.BinOp(matrix, ast.MatMult(), vector)
        return ast.BinOp(left, ast.MatMult(), right)

    def _turned_back(self, left: ast.expr, right: ast.expr) -> ast.expr | None:
        """Return v of (Q @ v) @ Q and of Q @ (v @ Q), where Q is orthogonal."""
        match left, right:
            case ast.BinOp(left=one, op=ast.MatMult(), right=vector), other if self._are_one(one, other):
                return vector if self.rank(vector) == 1 else None
            case other, ast.BinOp(left=vector, op=ast.MatMult(), right=one) if self._are_one(one, other):
                return vector if self.rank(vector) == 1 else None
        return None

    def _are_one(self, one: ast.expr, other: ast.expr) -> bool:
        return self.is_orthogonal(one) and ast.unparse(one) == ast.unparse(other)

    def transposed(self, term: Term) -> Term:
        """Return the transpose of a term: of a chain, that of each factor in reverse."""
        if term.chain:
            return replace(term, chain=tuple(self._turned_factor(factor) for factor in reversed(term.chain)))
        whole = self.term(replace(term, number=Fraction(1)))
        if self.spreads:
            return Term(term.number, (self.across(whole),))
        return Term(term.number, chain=(Factor(whole, is_transposed=True),))

    def _turned_factor(self, factor: Factor) -> Factor:
        return replace(factor, is_transposed=False) if self.is_symmetric(factor.node) else factor.turned

    def cancelled(self, chain: tuple[Factor, ...]) -> tuple[Factor, ...]:
        """Return a chain without neighbours one of which inverts the other; it keeps one factor."""
        chain = _without_units(chain)
        for place in range(len(chain) - 1):
            one, other = chain[place : place + 2]
            if len(chain) > MATRIX and (are_inverse(one, other) or self._are_turned(one, other)):
                return self.cancelled(chain[:place] + chain[place + 2 :])
        if len(chain) == MATRIX and self._are_turned(*chain) and isinstance(chain[0].node, ast.Name):
            return (Factor(call("eye", ast.Constant(self.shapes[chain[0].node.id][0]))),)
        return chain

    def _are_turned(self, one: Factor, other: Factor) -> bool:
        """Tell whether two factors are an orthogonal matrix and its transpose."""
        return one.is_transposed != other.is_transposed and self._are_one(one.node, other.node)

    def is_orthogonal(self, node: ast.expr) -> bool:
        """Tell whether an expression is a matrix whose transpose is its inverse."""
        return isinstance(node, ast.Name) and node.id in self.orthogonal
