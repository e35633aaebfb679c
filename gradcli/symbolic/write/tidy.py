"""Making a formula shorter: a few exact rewritings are tried, and the shortest result is kept."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import sympy
from sympy import Expr, Piecewise
from sympy.core.relational import Relational

from gradcli.symbolic.write.conditions import on_indices
from gradcli.symbolic.write.known_functions import LARGE, in_known_functions, length
from gradcli.symbolic.write.sums import bound_indices, settled

WORTH_IT = 1  # a formula is left as it is for less
MOST_TESTS = 3
SMALL = 1  # operations; there is no shorter way to write so few
LONG = 10**12  # a part of a fraction


def merge_branches(term: Any) -> Any:
    """Return a term whose branches are one formula where they are equal: a definition branches to keep its range."""
    if term.has(sympy.ITE):
        term = term.xreplace({test: test.to_nnf() for test in term.atoms(sympy.ITE)})
    pieces = term.atoms(Piecewise)
    found = {piece: _merged(piece, alone=_is_alone(piece, pieces)) for piece in pieces}
    changed = {piece: merged for piece, merged in found.items() if piece != merged}
    return term.xreplace(changed) if changed else term


def _is_alone(piece: Piecewise, pieces: Iterable[Piecewise]) -> bool:
    """Return whether no other choice asks about the same value: together they may be smooth where each has a kink."""
    sides = {getattr(piece.args[0].cond, "lhs", None)}
    return not any(getattr(other.args[0].cond, "lhs", None) in sides for other in pieces if other is not piece)


@lru_cache(maxsize=512)
def _merged(piece: Piecewise, *, alone: bool) -> Any:
    branches = list(piece.args)
    while isinstance(branches[-1].expr, Piecewise) and branches[-1].cond == sympy.true:
        branches = [*branches[:-1], *branches[-1].expr.args]
    values = [branch.expr for branch in branches]
    if not any(value.is_Number for value in values) and all(_equal(value, values[-1]) for value in values[:-1]):
        return values[-1]
    return _absolute(branches, values, alone=alone) or Piecewise(*branches)


def _one_formula(body: Expr) -> Expr:
    """Return the formula that all branches of a choice are."""
    if not isinstance(body, Piecewise):
        return body
    first, *others = (branch.expr for branch in body.args)
    return first if not first.is_Number and all(_equal(first, other) for other in others) else body


def _equal(left: Expr, right: Expr) -> bool:
    return left.count_ops() + right.count_ops() < LARGE and sympy.cancel(left - right) == 0


def _absolute(branches: list[Any], values: list[Expr], *, alone: bool) -> Expr | None:
    """Return |u| or the sign of u where that is what the branches say; at 0 the sign is one of the slopes.

    A choice between 1 and -1 is that only where it stands alone: in `1 + sign(u)*f` it may be no slope of the whole.
    """
    test = branches[0].cond
    if not isinstance(test, sympy.StrictLessThan | sympy.StrictGreaterThan) or test.rhs != 0:
        return None
    if any(branch.cond not in {sympy.true, _opposite(test)} for branch in branches[1:]):
        return None
    ahead = values if isinstance(test, sympy.StrictGreaterThan) else [-value for value in values]
    if ahead == [1, -1, 0] or (ahead == [1, -1] and alone):
        return sympy.sign(test.lhs)
    if ahead == [test.lhs, -test.lhs]:
        return sympy.Abs(test.lhs)
    return None


def _opposite(test: Any) -> Any:
    return sympy.Lt(test.lhs, 0) if isinstance(test, sympy.StrictGreaterThan) else sympy.Gt(test.lhs, 0)


def tidy(body: Expr) -> Expr:
    """Return the shortest of some ways to write an expression; of equally short ones the first.

    A number of many digits is a name meanwhile: it is no fraction whose parts are common to others, or powers.
    """
    long = {abs(number) for number in body.atoms(sympy.Rational) if max(abs(number.p), number.q) > LONG}
    names = {number: sympy.Dummy(positive=True) for number in sorted(long)}
    signed = {sign * number: sign * name for number, name in names.items() for sign in (1, -1)}
    found: Expr = _tidy(body.xreplace(signed)).xreplace({name: number for number, name in names.items()})
    return found


def _tidy(body: Expr) -> Expr:
    body = _beside_deltas(_one_formula(_folded(merge_branches(_within_sums(body)))))
    if body.count_ops() > LARGE:
        return in_known_functions(body)
    body = in_known_functions(body)
    candidates = [body]
    if body.count_ops() > SMALL:
        candidates += [*_ways(body), *_with_names(body, sympy.Abs)]
    # Expanding makes the exponential of a sum a product, which no notation has, and whose index may be another's.
    candidates = [body, *(way for way in candidates[1:] if not way.has(sympy.Product))]
    best = min(map(settled, candidates), key=length)
    return best if length(best) < length(body) - WORTH_IT else body


def _beside_deltas(body: Expr) -> Expr:
    """Return a choice between 0 and products with the same deltas as these deltas times a choice."""
    if not isinstance(body, Piecewise) or not body.has(sympy.KroneckerDelta):
        return body
    several = [set(sympy.Mul.make_args(branch.expr)) for branch in body.args if branch.expr != 0]
    deltas = sympy.Mul(*[one for one in set.intersection(*several) if isinstance(one, sympy.KroneckerDelta)])
    return deltas * Piecewise(*((branch.expr / deltas, branch.cond) for branch in body.args))


def without_poles(body: Expr) -> Expr:
    """Return an expression without the choices of 1/0 at a point: the other formula has a pole there, and says so."""
    found = {}
    for piece in body.atoms(Piecewise):
        kept = [branch for branch in piece.args if not branch.expr.has(sympy.zoo)]
        if kept and len(kept) < len(piece.args):
            found[piece] = Piecewise(*kept)
    return body.xreplace(found) if found else body


def _within_sums(body: Expr) -> Expr:
    """Return an expression whose sums are over shorter terms: with sigmoids, and one choice for equal conditions."""
    found = {}
    for whole in body.atoms(sympy.Sum):
        inner = in_known_functions(_one_choice(whole.function))
        if inner != whole.function:
            found[whole] = whole.func(inner, *whole.limits)
    return body.xreplace(found) if found else body


def _one_choice(body: Expr) -> Expr:
    """Return a product with its choices by equal conditions as one."""
    choices: dict[Any, list[Any]] = {}
    for factor in sympy.Mul.make_args(body):
        base, power = factor.as_base_exp()
        if isinstance(base, Piecewise) and power.is_Integer and power > 0 and not on_indices(base.args[0].cond):
            choices.setdefault(tuple(branch.cond for branch in base.args), []).append(factor)
    several = {conditions: factors for conditions, factors in choices.items() if len(factors) > 1}
    rest = [one for one in sympy.Mul.make_args(body) if not any(one in factors for factors in several.values())]
    return sympy.Mul(*rest, *(_folded(sympy.Mul(*factors)) for factors in several.values())) if several else body


def _folded(body: Expr) -> Expr:
    """Return one choice of whole expressions where all choices in an expression ask the same."""
    pieces = _outside_of_sums(body)
    tests = {tuple(branch.cond for branch in piece.args) for piece in pieces}
    if not pieces or body.is_Piecewise:
        return body
    if len(tests) > 1:
        return _decided(body, pieces) if len(tests) <= MOST_TESTS else body
    (conditions,) = tests
    values = [body.xreplace({piece: piece.args[place].expr for piece in pieces}) for place in range(len(conditions))]
    return Piecewise(*zip(values, conditions, strict=True))


def _outside_of_sums(body: Expr) -> list[Any]:
    """Return the choices between values in which no sum's index is, but for those within others."""
    if isinstance(body, Piecewise):
        return [] if on_indices(body.args[0].cond) else [body]
    inner = [piece for part in body.args for piece in _outside_of_sums(part)]
    bound = set(body.variables) if isinstance(body, sympy.Sum) else set()
    return [piece for piece in dict.fromkeys(inner) if piece.free_symbols.isdisjoint(bound)]


def _decided(body: Expr, pieces: list[Any]) -> Expr:
    """Return one choice whose branches know how its condition turned out, if that is shorter."""
    first = min(pieces, key=lambda piece: (piece.count_ops(), sympy.default_sort_key(piece)))
    test = first.args[0].cond
    if len(first.args) != 2 or first.args[1].cond != sympy.true or not isinstance(test, Relational):  # noqa: PLR2004
        return body
    yes = body.xreplace({first: first.args[0].expr, test: sympy.true, test.negated: sympy.false})
    no = body.xreplace({first: first.args[1].expr, test: sympy.false, test.negated: sympy.true})
    folded = Piecewise((_folded(yes), test), (_folded(no), True))
    return folded if length(folded) < length(body) else body


def _with_names(body: Expr, kind: Any) -> list[Expr]:
    """Return ways to write an expression in which the values of a function are names: |x| times itself is no x**2.

    A value that reads the index of a sum is none: a sum over names would be of equal terms.
    """
    bound = bound_indices(body)
    values = [value for value in body.atoms(kind) if value.free_symbols.isdisjoint(bound)]
    names = {value: sympy.Dummy(nonnegative=True) for value in values}
    back = {name: value for value, name in names.items()}
    return [way.xreplace(back) for way in _ways(body.xreplace(names))] if names else []


def _ways(body: Expr) -> list[Expr]:
    ways = [sympy.expand_mul(body), sympy.factor_terms(body)]
    if not body.has(Piecewise) and any(power.exp.is_negative for power in body.atoms(sympy.Pow)):
        ways.append(sympy.cancel(body))
        ways.append(sympy.factor(ways[-1]))
    return ways


def beside_points(body: Expr) -> Expr:
    """Return the sum of a formula's cases but for those of single points, such as that of a norm at 0."""

    def cases(piecewise: sympy.Piecewise) -> Expr:
        return sympy.Add(*[value for value, condition in piecewise.args if not isinstance(condition, sympy.Eq)])

    found: Expr = body.replace(lambda part: isinstance(part, sympy.Piecewise), cases)
    return found
