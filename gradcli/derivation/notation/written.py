"""Terms of matrix algebra written as expressions: a number first, then what it multiplies, in one order."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import permutations

from gradcli.derivation.notation.brackets import bracketed, compact
from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.ranks import rank
from gradcli.derivation.notation.shapes import Shapes
from gradcli.derivation.notation.terms import Factor, Term, as_column, call, chain_of, collected, column_of, times

# The functions that are computed entry by entry, whatever the axes are.
ENTRYWISE = frozenset({"exp", "log", "sqrt", "abs", "sign", "tanh", "sigmoid", "sin", "cos", "erf", "relu", "where"})


@dataclass(frozen=True, slots=True)
class Written:
    """Writes terms over tensors of known shapes."""

    shapes: Shapes
    symmetric: frozenset[str]
    """The names of the matrices that are equal to their transpose."""

    def rank(self, node: ast.expr) -> int:
        """Return the rank of an expression."""
        return rank(node, {name: len(shape) for name, shape in self.shapes.items()})

    def across(self, node: ast.expr) -> ast.expr:
        """Return the transpose of what is computed entry by entry: a row of it becomes a column."""
        column = column_of(node)
        if column is not None and self.rank(column) == 1:
            return column
        if self.rank(node) == 1:
            return as_column(node)
        match node:
            case _ if self.rank(node) == 0 or (isinstance(node, ast.Name) and node.id in self.symmetric):
                return node
            case ast.Attribute(value=inner, attr="T"):
                return inner
            case ast.BinOp(op=ast.MatMult()):
                return times([], [self.across(factor) for factor in reversed(factors_of(node))])
            case ast.BinOp(left=left, op=operator, right=right):
                return ast.BinOp(self.across(left), operator, self.across(right))
            case ast.UnaryOp(op=sign, operand=inner):
                return ast.UnaryOp(sign, self.across(inner))
            case ast.Compare(left=left, ops=operators, comparators=[right]):
                return ast.Compare(self.across(left), operators, [self.across(right)])
            case ast.Call():
                return self._call_across(node)
        return ast.Attribute(node, "T")

    def _call_across(self, node: ast.Call) -> ast.expr:
        if self._is_own_transpose(node):
            return node
        if callee(node) == "outer":
            return call("outer", *reversed(node.args))
        if callee(node) in ENTRYWISE and not node.keywords:
            return ast.Call(node.func, [self.across(argument) for argument in node.args], [])
        return ast.Attribute(node, "T")

    def _is_own_transpose(self, node: ast.Call) -> bool:
        """Tell whether a matrix is a unit, a diagonal one, or the inverse of what is its own transpose."""
        name = callee(node)
        return name in {"eye", "diag"} or (name in {"inv", "matrix_exp"} and self.is_symmetric(node.args[0]))

    def is_symmetric(self, node: ast.expr) -> bool:
        """Tell whether the text of a matrix is that of its transpose, but for the order of the terms of a sum."""
        turned = self.across(node)
        return _texts_of(turned) == _texts_of(self.across(turned))

    def sum(self, terms: Sequence[Term]) -> ast.expr:
        """Return a sum of terms; one that is not subtracted comes first."""
        ordered = sorted(self._paired(collected(terms)), key=lambda term: (term.number < 0, -term.count))
        if not ordered:
            return ast.Constant(0)
        if len(ordered) > 1 and (common := self._common(ordered)):
            return self.term(common)
        total = self.term(ordered[0])
        for term in ordered[1:]:
            sign = ast.Sub() if term.number < 0 else ast.Add()
            total = ast.BinOp(total, sign, self.term(replace(term, number=abs(term.number))))
        return total

    def _paired(self, terms: Sequence[Term]) -> list[Term]:
        """Return terms in which `t - t*c` is `t*(1 - c)`: where c is nearly 1, the difference keeps its digits."""
        for one, other in permutations(terms, 2):
            rest = _without(other, one)
            if rest is not None:
                left = ast.BinOp(ast.Constant(1), ast.Sub(), self.term(rest))
                whole = replace(one, above=(*one.above, left))
                return self._paired([whole if term is one else term for term in terms if term is not other])
        return list(terms)

    def _common(self, terms: Sequence[Term]) -> Term | None:
        """Return a sum of matrices that are all multiplied by the same numbers as one term."""
        first, *others = [[ast.unparse(node) for node in (*term.above, *term.below)] for term in terms]
        if not first or any(other != first for other in others) or not all(term.chain for term in terms):
            return None
        inside = self.sum([replace(term, above=(), below=()) for term in terms])
        return Term(Fraction(1), terms[0].above, terms[0].below, (Factor(inside),))

    def term(self, term: Term) -> ast.expr:
        """Return a term as an expression."""
        number, term = abs(term.number), self._with_diagonal(term)
        above = [*self._outer(self._one_column(term.above))]
        chain = chain_of(term.chain)
        if above and not chain and all(self.rank(node) == 0 for node in above[:-1]):
            *above, last = above
            chain = _operands(last)
            above, chain = (above, chain) if len(chain) > 1 else ([*above, last], [])
        is_plain = number.numerator == 1 and (above or chain)
        factors = [*([] if is_plain else [ast.Constant(number.numerator)]), *above]
        whole = times(factors, chain, negative=term.number < 0)
        below = [*([ast.Constant(number.denominator)] if number.denominator != 1 else []), *_with_powers(term.below)]
        return whole if not below else ast.BinOp(whole, ast.Div(), times(self._one_column(below), []))

    def _with_diagonal(self, term: Term) -> Term:
        """Return a term in which vectors that a unit matrix is multiplied with are a diagonal matrix."""
        units = [node for node in term.above if isinstance(node, ast.Call) and callee(node) == "eye"]
        sides = [[node for node in nodes if self.rank(node)] for nodes in (term.above, term.below)]
        above, below = ([self._vector(node) for node in side if node not in units] for side in sides)
        several = [one for one in (*above, *below) if one is not None]
        if len(units) != 1 or term.chain or not several or len(several) < len(above) + len(below):
            return term
        inside = self.term(Term(Fraction(1), tuple(several[: len(above)]), tuple(several[len(above) :])))
        numbers = ([node for node in nodes if not self.rank(node)] for nodes in (term.above, term.below))
        outside, divisor = numbers
        return Term(term.number, (*outside, call("diag", inside)), tuple(divisor))

    def _vector(self, node: ast.expr) -> ast.expr | None:
        """Return a vector, or what a column of one repeats; None of anything else."""
        match node:
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as sign, right=right) if self.rank(left):
                sides = self._vector(left), self._vector(right) if self.rank(right) else right
                return None if sides[0] is None or sides[1] is None else ast.BinOp(sides[0], sign, sides[1])
        column = column_of(node)
        inner = node if column is None else column
        return inner if self.rank(inner) == 1 else None

    def _outer(self, nodes: Sequence[ast.expr]) -> list[ast.expr]:
        """Return factors, columns times rows among them as an outer product."""
        tall = {
            place: column for place, node in enumerate(nodes) if (column := self._vector_of_column(node)) is not None
        }
        rows = [node for place, node in enumerate(nodes) if self.rank(node) == 1 and place not in tall]
        others = [node for place, node in enumerate(nodes) if self.rank(node) > 1 and place not in tall]
        if not rows or not tall or others:
            return list(nodes)
        rest = [node for node in nodes if self.rank(node) == 0]
        return [*rest, call("outer", times([*tall.values()], []), times(rows, []))]

    def _one_column(self, nodes: Sequence[ast.expr]) -> list[ast.expr]:
        """Return factors with all columns among them as one: x[:, None]*y[:, None] is (x*y)[:, None]."""
        vectors = {place: vector for place, node in enumerate(nodes) if (vector := self._vector_of_column(node))}
        if len(vectors) < 2:  # noqa: PLR2004 (two, to be one)
            return [*nodes]
        whole = as_column(times([*vectors.values()], []))
        first = min(vectors)
        return [
            whole if place == first else node
            for place, node in enumerate(nodes)
            if place not in vectors or place == first
        ]

    def _vector_of_column(self, node: ast.expr) -> ast.expr | None:
        column = column_of(node)
        return column if column is not None and self.rank(column) == 1 else None


def _with_powers(factors: Sequence[ast.expr]) -> list[ast.expr]:
    """Return factors with equal ones as a power."""
    several: dict[str, list[ast.expr]] = {}
    for factor in factors:
        several.setdefault(ast.unparse(factor), []).append(factor)
    return [
        one if not others else ast.BinOp(one, ast.Pow(), ast.Constant(len(others) + 1))
        for one, *others in several.values()
    ]


def factors_of(node: ast.expr) -> list[ast.expr]:
    """Return the matrices that an expression is the product of."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return [*factors_of(node.left), *factors_of(node.right)]
    return [node]


def _texts_of(node: ast.expr) -> list[str]:
    """Return the terms of a sum as texts, in one order."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return sorted([*_texts_of(node.left), *_texts_of(node.right)])
    return [ast.unparse(node)]


def _operands(node: ast.expr) -> list[ast.expr]:
    """Return the operands of matrix products, the first of them not in parentheses."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return [*_operands(node.left), node.right]
    return [node]


def noted(several: Sequence[ast.expr], known: dict[str, ast.expr]) -> list[ast.expr]:
    """Return those of some expressions that are not known yet by their text, and note them."""
    new = {text: one for one in several if (text := ast.unparse(one)) not in known}
    known |= new
    return [*new.values()]


def symbols(text: str) -> int:
    """Return how many symbols an expression has: names, numbers and signs."""
    return len(re.findall(r"\w+|\S", text))


def difficulty(text: str) -> tuple[int, bool, bool, int, int]:
    """Return how hard a formula is to read: of equally long ones the one with fewer products is easier."""
    return symbols(text), " - mean(" not in text, "((" in text, text.count("@"), text.count("*")


def text_of(node: ast.AST) -> str:
    """Return an expression as the text of a formula."""
    return compact(bracketed(node))


def _without(term: Term, factor: Term) -> Term | None:
    """Return what a term has beside another one, which is not a number, if it is a multiple of its opposite."""
    has_axes = term.chain or factor.chain or factor.below
    if has_axes or not factor.above or term.number != -factor.number:
        return None
    rest = [*term.above]
    for node in factor.above:
        found = next((own for own in rest if ast.unparse(own) == ast.unparse(node)), None)
        if found is None:
            return None
        rest.remove(found)
    return Term(Fraction(1), tuple(rest), term.below) if rest else None
