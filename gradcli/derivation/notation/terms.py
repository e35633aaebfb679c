"""The terms of matrix algebra: a number, factors that are multiplied entry by entry, and a chain of matrix factors."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd
from typing import TypeGuard

from gradcli.derivation.notation.parsed import callee, names_read

POWERS = 3  # so many equal factors in a row are a power
MINUS = ast.UnaryOp(ast.USub(), ast.Constant(1))


def is_unit(node: ast.expr) -> bool:
    """Tell whether an expression is a unit matrix."""
    return isinstance(node, ast.Call) and callee(node) == "eye"


def is_diagonal(node: ast.expr) -> TypeGuard[ast.Call]:
    """Tell whether an expression is a diagonal matrix, or the diagonal of one."""
    return isinstance(node, ast.Call) and callee(node) == "diag"


@dataclass(frozen=True, slots=True)
class Factor:
    """One matrix of a product."""

    node: ast.expr
    is_transposed: bool = False

    @property
    def turned(self) -> Factor:
        """Return the transpose; a unit matrix is its own."""
        return self if is_unit(self.node) else replace(self, is_transposed=not self.is_transposed)

    @property
    def text(self) -> str:
        """Return the matrix as text, transposed or not."""
        return ast.unparse(self.node)


@dataclass(frozen=True, slots=True)
class Term:
    """number * above / below * chain: without a chain it is a product entry by entry."""

    number: Fraction
    above: tuple[ast.expr, ...] = ()
    below: tuple[ast.expr, ...] = ()
    chain: tuple[Factor, ...] = ()

    @property
    def count(self) -> int:
        """Return how many tensors the term reads."""
        return len(self.names)

    @property
    def names(self) -> list[str]:
        """Return the names of the tensors that it reads, as often as it reads them."""
        nodes = (*self.above, *self.below, *(factor.node for factor in self.chain))
        return [name for node in nodes for name in names_read(node)]

    @property
    def key(self) -> str:
        """Return what equal terms have in common: all but the number."""
        parts = [*map(ast.unparse, self.above), "/", *map(ast.unparse, self.below), "@"]
        return " ".join([*parts, *(f"{factor.text}{factor.is_transposed}" for factor in self.chain)])


def column_of(node: ast.expr) -> ast.expr | None:
    """Return x of `x[:, None]`."""
    match node:
        case ast.Subscript(value=inner, slice=ast.Tuple(elts=[ast.Slice(lower=None), ast.Constant(value=None)])):
            return inner
    return None


def as_column(node: ast.expr) -> ast.expr:
    """Return `x[:, None]`."""
    return ast.Subscript(node, ast.Tuple([ast.Slice(), ast.Constant(None)]))


def adds_axes(places: ast.expr) -> bool:
    """Tell whether a subscript puts axes in, and reads all of the others whole: `[:, None]`."""
    items = places.elts if isinstance(places, ast.Tuple) else [places]
    new = [item for item in items if isinstance(item, ast.Constant) and item.value is None]
    whole = [item for item in items if isinstance(item, ast.Slice) and not (item.lower or item.upper or item.step)]
    return bool(new) and len(new) + len(whole) == len(items)


def norm_of(squares: ast.expr) -> ast.expr | None:
    """Return norm(x) for the sum of squares of x."""
    match squares:
        case ast.Call(
            func=ast.Name(id="sum"),
            args=[ast.BinOp(left=inner, op=ast.Pow(), right=ast.Constant(value=2))],
            keywords=[],
        ):
            return call("norm", inner)
        case ast.BinOp(left=left, op=ast.MatMult(), right=right) if ast.unparse(left) == ast.unparse(right):
            return call("norm", left)
    return None


def power(base: ast.expr, operator: ast.operator, exponent: ast.expr) -> ast.expr:
    """Return a power, that of a sum of squares by a half as one of the norm."""
    match exponent:
        case ast.BinOp(left=ast.Constant(value=int(count)), op=ast.Div(), right=ast.Constant(value=2)):
            root = norm_of(base)
            if root is not None:
                return ast.BinOp(root, operator, ast.Constant(count))
    return ast.BinOp(base, operator, exponent)


def reduced(term: Term) -> Term:
    """Return a term without the factors that stand both above and below the line."""
    above, below = list(term.above), []
    for node in term.below:
        same = next((one for one in above if ast.unparse(one) == ast.unparse(node)), None)
        if same is None:
            below.append(node)
        else:
            above.remove(same)
    return replace(term, above=tuple(above), below=tuple(below))


def softmax_of(above: ast.expr, below: ast.expr, rank: int) -> ast.expr | None:
    """Return the softmax that exp(x) over its sum is, as a column where exp(x) is one; None for anything else."""
    column = column_of(above)
    if column is not None and (inner := softmax_of(column, below, rank)) is not None:
        return as_column(inner)
    match above, below:
        case (
            ast.Call(func=ast.Name(id="exp"), args=[inner]),
            ast.Call(func=ast.Name(id="sum"), args=[summed], keywords=[]),
        ) if rank == 1 and ast.unparse(above) == ast.unparse(summed):
            return ast.Call(ast.Name("softmax"), [inner], [ast.keyword("dim", ast.Constant(-1))])
    return None


def negative(term: Term) -> Term:
    """Return a term with the other sign."""
    return replace(term, number=-term.number)


def collected(terms: Sequence[Term]) -> list[Term]:
    """Return terms with equal ones added up."""
    found: dict[str, Term] = {}
    for term in terms:
        known = found.get(term.key)
        found[term.key] = term if known is None else replace(known, number=known.number + term.number)
    return [term for term in found.values() if term.number]


def are_inverse(one: Factor, other: Factor) -> bool:
    """Tell whether the product of two neighbours is a unit matrix."""
    texts = one.text, other.text
    alike = one.is_transposed == other.is_transposed
    return alike and (texts[0] == f"inv({texts[1]})" or texts[1] == f"inv({texts[0]})")


def chain_of(factors: Sequence[Factor]) -> list[ast.expr]:
    """Return the factors of a chain as they are written; several equal ones as a power."""
    written: list[ast.expr] = []
    place = 0
    while place < len(factors):
        count = 1
        while place + count < len(factors) and _same(factors[place], factors[place + count]):
            count += 1
        factor = factors[place]
        if count >= POWERS:
            factor = replace(factor, node=call("matrix_power", factor.node, ast.Constant(count)))
        written += [_written(factor)] * (1 if count >= POWERS else count)
        place += count
    return written


def _same(one: Factor, other: Factor) -> bool:
    return one.is_transposed == other.is_transposed and one.text == other.text


def _written(factor: Factor) -> ast.expr:
    return ast.Attribute(factor.node, "T") if factor.is_transposed else factor.node


def times(factors: Sequence[ast.expr], chain: Sequence[ast.expr], *, negative: bool = False) -> ast.expr:
    """Return a product, first of numbers and then of matrices; the sign is the first factor's."""
    nodes = [(node, ast.Mult()) for node in factors]
    pairs: list[tuple[ast.expr, ast.operator]] = [*nodes, *((node, ast.MatMult()) for node in chain)]
    if factors and chain:
        pairs[len(factors)] = (chain[0], ast.Mult())
    whole = ast.UnaryOp(ast.USub(), pairs[0][0]) if negative else pairs[0][0]
    for node, operator in pairs[1:]:
        whole = ast.BinOp(whole, operator, node)
    return whole


def factors_by_entry(node: ast.expr) -> list[ast.expr]:
    """Return what an expression is the product of, entry by entry; a sign is the factor MINUS, a divisor 1/x."""
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return [*factors_by_entry(left), *factors_by_entry(right)]
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return [*factors_by_entry(left), ast.BinOp(ast.Constant(1), ast.Div(), right)]
        case ast.UnaryOp(op=ast.USub(), operand=inner) if not isinstance(inner, ast.Constant):
            return [MINUS, *factors_by_entry(inner)]
    return [node]


def call(name: str, *arguments: ast.expr) -> ast.expr:
    """Return a call of a function."""
    return ast.Call(ast.Name(name), [*arguments], [])


def transposed(node: ast.expr) -> ast.expr:
    """Return a matrix transposed; one that is transposed already, without that."""
    return node.value if isinstance(node, ast.Attribute) and node.attr == "T" else ast.Attribute(node, "T")


def common_number(terms: Sequence[Term]) -> Fraction:
    """Return the number that all terms of a sum are multiples of; 1 if one of them is a number itself."""
    below = {term.number.denominator for term in terms}
    if len(below) > 1 or any(_is_constant(term) for term in terms):
        return Fraction(1)
    number = Fraction(gcd(*(term.number.numerator for term in terms)), below.pop())
    return -number if all(term.number < 0 for term in terms) else number


def _is_constant(term: Term) -> bool:
    return not term.chain and all(isinstance(node, ast.Constant) for node in (*term.above, *term.below))
