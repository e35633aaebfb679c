"""Quotients as a reader writes them: a divisor of all terms once, and none that is divided itself."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Sequence

from gradcli.derivation.notation.parsed import names_read, parsed
from gradcli.derivation.notation.ranks import rank
from gradcli.derivation.notation.stable_parts import added, factors, is_one, multiplied, over, product, terms
from gradcli.derivation.notation.written import symbols, text_of

Rule = Callable[[ast.expr], ast.expr | None]


def over_one_divisor(node: ast.expr) -> ast.expr | None:
    """Return (a/s - b)/s for a/s**2 - b/s; a number stays where it is: x/4 + 1/4."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)):
        return None
    several = [(sign, *sides(term)) for sign, term in terms(node)]
    common: Counter[str] = Counter()
    for place, (_, _, below) in enumerate(several):
        own = Counter(map(ast.unparse, below))
        common = common & own if place else own
    common = Counter({text: count for text, count in common.items() if [*names_read(parsed(text).body)]})
    if not common:
        return None
    inside = [(sign, _divided(above, _without(below, common))) for sign, above, below in several]
    divisor = multiplied([(parsed(text).body, count) for text, count in common.items()])
    return over(added(inside), divisor)


def common_factor(node: ast.expr) -> ast.expr | None:
    """Return 2*t*(a*b + c*d) for 2*a*b*t + 2*c*d*t, where that is shorter."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)):
        return None
    several = [(sign, factors(term)) for sign, term in terms(node)]
    common = Counter(map(ast.unparse, several[0][1]))
    for _, own in several[1:]:
        common &= Counter(map(ast.unparse, own))
    is_named = any(True for text in common for _ in names_read(parsed(text).body))
    if not is_named or any(len(own) == common.total() for _, own in several):
        return None
    outside = [one for one in several[0][1] if ast.unparse(one) in common]
    inside = added([(sign, product(_without(own, common))) for sign, own in several])
    found = product([*outside, inside])
    return found if symbols(text_of(found)) < symbols(text_of(node)) else None


def sides(node: ast.expr) -> tuple[ast.expr, list[ast.expr]]:
    """Return what is above the line, and the factors that are below it, a square as two."""
    match node:
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            above, below = sides(left)
            return above, [*below, *(one for factor in factors(right) for one in _repeated(factor))]
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            above, below = sides(left)
            return ast.BinOp(above, ast.Mult(), right), below
    return node, []


def _repeated(factor: ast.expr) -> list[ast.expr]:
    match factor:
        case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=int(count))) if count > 1:
            return [base] * count
    return [factor]


def _without(below: Sequence[ast.expr], common: Counter[str]) -> list[ast.expr]:
    left, rest = Counter(common), []
    for factor in below:
        text = ast.unparse(factor)
        if left[text]:
            left[text] -= 1
        else:
            rest.append(factor)
    return rest


def _divided(above: ast.expr, below: Sequence[ast.expr]) -> ast.expr:
    counts = Counter(map(ast.unparse, below))
    whole = [(parsed(text).body, count) for text, count in counts.items()]
    return over(above, multiplied(whole))


def nested(ranks: dict[str, int]) -> Rule:
    """Return a rule that writes sum(a/(u + v)) for sum(a/(u/v + 1))/v, of a number v, and so of a matrix product."""

    def rule(node: ast.expr) -> ast.expr | None:
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)):
            return None
        above, below = sides(node)
        several = factors(above)
        for place, one in enumerate(several):
            inner, back = _linear_in(one)
            found = _spread(inner, [factor for factor in below if not rank(factor, ranks)])
            if found is not None:
                value, taken = found
                whole = back(value)
                rest = _without(below, Counter(map(ast.unparse, taken)))
                return _divided(product([*several[:place], whole, *several[place + 1 :]]), rest)
        return None

    return rule


def _linear_in(node: ast.expr) -> tuple[ast.expr, Callable[[ast.expr], ast.expr]]:
    """Return what a sum is of, or a matrix product begins with, and what makes the whole of another; else itself."""
    match node:
        case ast.Call(func=ast.Name(id="sum") as function, args=[inner], keywords=[]):
            return inner, lambda value: ast.Call(function, [value], [])
        case ast.BinOp(left=left, op=ast.MatMult() as by, right=right):
            inner, back = _linear_in(left)
            return inner, lambda value: ast.BinOp(back(value), by, right)
    return node, lambda value: value


def _spread(node: ast.expr, numbers: Sequence[ast.expr]) -> tuple[ast.expr, list[ast.expr]] | None:
    """Return a quotient divided by some numbers, by which a term of its divisor is divided too; and which these are."""
    above, below = sides(node)
    for place, divisor in enumerate(below):
        several = [(sign, *sides(term)) for sign, term in terms(divisor)]
        for _, _, own in several if len(several) > 1 else ():
            texts = set(map(ast.unparse, own))
            taken = [factor for factor in numbers if ast.unparse(factor) in texts]
            if own and len(taken) >= len(own):
                counts = Counter(map(ast.unparse, taken))
                whole = added([(sign, _multiple(one, left, taken, counts)) for sign, one, left in several])
                return over(above, product([*below[:place], whole, *below[place + 1 :]])), taken
    return None


def _multiple(above: ast.expr, below: Sequence[ast.expr], taken: Sequence[ast.expr], counts: Counter[str]) -> ast.expr:
    """Return a quotient times some factors, which cancel with what it is divided by."""
    left = Counter(map(ast.unparse, below))
    kept = [factor for factor in taken if left[ast.unparse(factor)] < counts[ast.unparse(factor)]]
    whole = product([one for one in (above, *kept) if not is_one(one)] or [above])
    return _divided(whole, _without(below, counts))
