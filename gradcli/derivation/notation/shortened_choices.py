"""Choices as a reader writes them: as relu where they are one, and what has the same test together."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.ranks import rank
from gradcli.derivation.notation.shortened_quotients import Rule
from gradcli.derivation.notation.stable_parts import (
    added,
    factors,
    minus,
    multiplied,
    powers,
    product,
    scaled,
    signed,
    terms,
    times,
)
from gradcli.derivation.notation.terms import call
from gradcli.derivation.notation.written import text_of
from gradcli.python_trees import expression_tree

Simplified = Callable[[str], str]
CHOICE = 3  # a test, and what it chooses between
# What is finite wherever its operands are, so that 0 times it is 0.
BOUNDED = frozenset(
    {"sigmoid", "tanh", "softmax", "sin", "cos", "sign", "relu", "abs", "where", "sum", "mean", "one_hot", "clamp"}
)


def rectified(simplified: Simplified) -> Rule:
    """Return a rule that writes 2*g*relu(x) for where(x > 0, 2*x*g, 0)."""

    def rule(node: ast.expr) -> ast.expr | None:
        match node:
            case ast.Call(func=ast.Name(id="where"), args=[ast.Compare() as test, value, ast.Constant(value=0)]) if all(
                map(_is_finite, factors(value))
            ):
                sign, whole = signed(value)
                sides = _positive_where(test)
                return None if sides is None else _with_relu(sign, whole, *sides)
        return None

    def _with_relu(sign: int, value: ast.expr, large: ast.expr, small: ast.expr) -> ast.expr | None:
        several = powers(value)
        for place, (factor, count) in enumerate(several):
            for turn, difference in ((1, [(1, large), (-1, small)]), (-1, [(1, small), (-1, large)])):
                if _is_zero(simplified(text_of(added([*terms(factor), *_opposite(difference)])))):
                    base = call("relu", _difference(large, small))
                    whole = multiplied([*several[:place], *several[place + 1 :], (base, count)])
                    return whole if sign * turn**count > 0 else minus(whole)
        return None

    return rule


def _positive_where(test: ast.Compare) -> tuple[ast.expr, ast.expr] | None:
    """Return the side of a test that is larger where it holds, and the other."""
    match test:
        case ast.Compare(left=left, ops=[ast.Gt() | ast.GtE()], comparators=[right]):
            return left, right
        case ast.Compare(left=left, ops=[ast.Lt() | ast.LtE()], comparators=[right]):
            return right, left
    return None


def _difference(large: ast.expr, small: ast.expr) -> ast.expr:
    if _is_zero(text_of(small)):
        return large
    return minus(small) if _is_zero(text_of(large)) else added([*terms(large), *_opposite([(1, small)])])


def _opposite(several: list[tuple[int, ast.expr]]) -> Iterator[tuple[int, ast.expr]]:
    yield from ((-own, term) for sign, one in several for own, term in terms(one, sign))


def _is_zero(text: str) -> bool:
    return text in {"0", "0.0"}


def _is_finite(node: ast.expr) -> bool:
    """Tell whether a factor has a finite value of all finite ones, so that 0 times it is 0."""
    match node:
        case ast.Call():
            return callee(node) in BOUNDED and all(map(_is_finite, node.args))
        case ast.BinOp(op=ast.Div(), right=right):
            return isinstance(right, ast.Constant) and _is_finite(node.left)
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=power)):
            return isinstance(power, int) and power > 0 and _is_finite(node.left)
        case ast.BinOp(op=ast.Pow()):
            return False
    children = (child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))
    return all(map(_is_finite, children))


def with_one_test(simplified: Simplified) -> Rule:
    """Return a rule that writes where(t, -9, 1) for where(t, 0, 1) - 9*where(t, 1, 0), whatever else is added."""

    def rule(node: ast.expr) -> ast.expr | None:
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)):
            return None
        several = [*terms(node)]
        places = [place for place, (_, term) in enumerate(several) if _choice_in(term) is not None]
        for one in places:
            alike = [place for place in places if _test_of(several[place][1]) == _test_of(several[one][1])]
            if len(alike) > 1:
                whole = _joined([several[place] for place in alike])
                rest = [term for place, term in enumerate(several) if place not in alike]
                return added([*rest, (1, whole)])
        return None

    def _joined(several: list[tuple[int, ast.expr]]) -> ast.expr:
        test, branches = ast.expr(), ([], [])  # type: ignore[var-annotated]  # terms with their signs
        for sign, term in several:
            number, choice = scaled(term)
            assert isinstance(choice, ast.Call)  # noqa: S101 (it was looked for)
            test, *both = choice.args
            for branch, value in zip(branches, both, strict=True):
                own, inner = signed(value)
                branch.append((sign * own, times(number, inner)))
        return call("where", test, *(expression_tree(simplified(text_of(added(one)))) for one in branches))

    return rule


def _choice_in(term: ast.expr) -> ast.Call | None:
    _, inner = scaled(term)
    is_choice = isinstance(inner, ast.Call) and callee(inner) == "where" and len(inner.args) == CHOICE
    return inner if is_choice and isinstance(inner, ast.Call) else None


def _test_of(term: ast.expr) -> str | None:
    choice = _choice_in(term)
    return None if choice is None else ast.unparse(choice.args[0])


def common_outside(node: ast.expr) -> ast.expr | None:
    """Return a + where(t, b, 0) for where(t, a + b, a), of polynomials, which are finite."""
    if not (isinstance(node, ast.Call) and callee(node) == "where" and len(node.args) == CHOICE):
        return None
    test, one, other = node.args
    if isinstance(other, ast.Constant) or not (_is_polynomial(one) and _is_polynomial(other)):
        return None
    rest = _summed([*_spread(one), *_opposite([*_spread(other)])])
    return added([*terms(other), (1, call("where", test, rest, ast.Constant(0)))])


def _spread(node: ast.expr) -> Iterator[tuple[int, ast.expr]]:
    """Yield the terms of a sum; of a product with one sum among its factors, those that it comes to."""
    for sign, term in terms(node):
        several = factors(term)
        sums = [place for place, one in enumerate(several) if len([*terms(one)]) > 1]
        if len(sums) == 1:
            (place,) = sums
            before, after = several[:place], several[place + 1 :]
            yield from ((sign * own, product([*before, one, *after])) for own, one in terms(several[place]))
        else:
            yield sign, term


def outers(ranks: Mapping[str, int]) -> Rule:
    """Return a rule that writes outer(x, where(t, y, 0)) for where(t, outer(x, y), 0), where t is along the rows.

    The transpose of an outer product is one too.
    """

    def rule(node: ast.expr) -> ast.expr | None:
        match node:
            case ast.Call(func=ast.Name(id="where"), args=[test, value, ast.Constant(value=0) as other]) if (
                rank(test, ranks) == 1
            ):
                return _with_outer(value, lambda left, right: call("outer", left, call("where", test, right, other)))
            case ast.Attribute(value=inner, attr="T"):
                return _with_outer(inner, lambda left, right: call("outer", right, left))
        return None

    return rule


def _with_outer(node: ast.expr, change: Callable[[ast.expr, ast.expr], ast.expr]) -> ast.expr | None:
    """Return a multiple of an outer product with another in its place; None of anything else."""
    sign, whole = signed(node)
    number, inner = scaled(whole)
    if not (isinstance(inner, ast.Call) and callee(inner) == "outer"):
        return None
    left, right = inner.args
    found = times(number, change(left, right))
    return found if sign > 0 else minus(found)


def _summed(several: Iterable[tuple[int, ast.expr]]) -> ast.expr:
    """Return the sum of terms, the multiples of each product as one."""
    counts: dict[tuple[str, ...], Fraction] = {}
    first: dict[tuple[str, ...], ast.expr] = {}
    for sign, term in several:
        number, inner = scaled(term)
        key = () if inner is None else tuple(sorted(map(ast.unparse, factors(inner))))
        counts[key] = counts.get(key, Fraction(0)) + sign * number
        first.setdefault(key, inner or ast.Constant(1))
    kept = [(number, first[key]) for key, number in counts.items() if number] or [(Fraction(1), ast.Constant(0))]
    return added([(1 if number > 0 else -1, times(abs(number), one)) for number, one in kept])


def _is_polynomial(node: ast.expr) -> bool:
    return _is_finite(node) and not any(isinstance(inner, ast.Call) for inner in ast.walk(node))
