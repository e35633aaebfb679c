"""Making a formula shorter: a few exact rewritings are tried, and the shortest result is kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import sympy
from sympy import Expr, Piecewise
from sympy.core.relational import Relational

from gradcli.symbolic.write.conditions import on_indices
from gradcli.symbolic.write.sums import bound_indices, settled

WORTH_IT = 1  # a formula is left as it is for less
MOST_TESTS = 3
SMALL = 1  # operations; there is no shorter way to write so few
LONG = 10**12  # a part of a fraction
LARGE = 60  # operations; beyond this, expanding and cancelling cost more than they give

Logistic = sympy.Function("sigmoid", real=True)


def merge_branches(term: Any) -> Any:
    """Return a term whose branches are one formula where they are equal: a definition branches to keep its range."""
    if term.has(sympy.ITE):
        term = term.xreplace({test: test.to_nnf() for test in term.atoms(sympy.ITE)})
    found = {piece: _merged(piece) for piece in term.atoms(Piecewise)}
    changed = {piece: merged for piece, merged in found.items() if piece != merged}
    return term.xreplace(changed) if changed else term


@lru_cache(maxsize=512)
def _merged(piece: Piecewise) -> Any:
    branches = list(piece.args)
    while isinstance(branches[-1].expr, Piecewise) and branches[-1].cond == sympy.true:
        branches = [*branches[:-1], *branches[-1].expr.args]
    values = [branch.expr for branch in branches]
    if not any(value.is_Number for value in values) and all(_equal(value, values[-1]) for value in values[:-1]):
        return values[-1]
    return _absolute(branches, values) or Piecewise(*branches)


def _one_formula(body: Expr) -> Expr:
    """Return the formula that all branches of a choice are."""
    if not isinstance(body, Piecewise):
        return body
    first, *others = (branch.expr for branch in body.args)
    return first if not first.is_Number and all(_equal(first, other) for other in others) else body


def _equal(left: Expr, right: Expr) -> bool:
    return left.count_ops() + right.count_ops() < LARGE and sympy.cancel(left - right) == 0


def _absolute(branches: list[Any], values: list[Expr]) -> Expr | None:
    """Return |u| or the sign of u where that is what the branches say; at 0 the sign is one of the slopes."""
    test = branches[0].cond
    if not isinstance(test, sympy.StrictLessThan | sympy.StrictGreaterThan) or test.rhs != 0:
        return None
    if any(branch.cond not in {sympy.true, _opposite(test)} for branch in branches[1:]):
        return None
    ahead = values if isinstance(test, sympy.StrictGreaterThan) else [-value for value in values]
    if ahead == [1, -1, 0] or (len(ahead) == 2 and ahead == [1, -1]):  # noqa: PLR2004
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
    body = _one_formula(_folded(merge_branches(_within_sums(body))))
    if body.count_ops() > LARGE:
        return _in_known_functions(body)
    body = _in_known_functions(body)
    candidates = [body]
    if body.count_ops() > SMALL:
        candidates += _ways(body)
    # Expanding makes the exponential of a sum a product, which no notation has, and whose index may be another's.
    candidates = [body, *(way for way in candidates[1:] if not way.has(sympy.Product))]
    best = min(map(settled, candidates), key=_length)
    return best if _length(best) < _length(body) - WORTH_IT else body


def _in_known_functions(body: Expr) -> Expr:
    """Return an expression in terms of sigmoids and of tangents, term by term where it is large."""
    if body.count_ops() > LARGE:
        return sympy.Add(*[_in_known_functions(term) for term in body.args]) if body.is_Add else body
    logistic = _with_logistic(body)
    return _with_tangents(min(logistic, key=_length) if logistic else body)


def _with_tangents(body: Expr) -> Expr:
    """Return an expression with tanh(u) for sinh(u)/cosh(u), and tan(u) for sin(u)/cos(u), if that is shorter."""
    found = body
    for above, below, quotient in ((sympy.sinh, sympy.cosh, sympy.tanh), (sympy.sin, sympy.cos, sympy.tan)):
        arguments = [one.args[0] for one in found.atoms(above) if found.has(below(one.args[0]))]
        way = found.xreplace({above(one): quotient(one) * below(one) for one in arguments})
        found = min(found, way, key=_length)
    return found


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
        inner = _in_known_functions(_one_choice(whole.function))
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
    return folded if _length(folded) < _length(body) else body


def _ways(body: Expr) -> list[Expr]:
    ways = [sympy.expand_mul(body), sympy.factor_terms(body)]
    if not body.has(Piecewise) and any(power.exp.is_negative for power in body.atoms(sympy.Pow)):
        ways.append(sympy.cancel(body))
        ways.append(sympy.factor(ways[-1]))
    return ways


def _length(body: Expr) -> int:
    """Return how long an expression is to read; a branch, a sum, or a quotient below a line weighs more than a sign."""
    weight = body.count_ops() + len(str(body)) // 8
    below = [power.base for power in body.atoms(sympy.Pow) if power.exp.is_negative]
    quotients = sum(any(power.exp.is_negative for power in base.atoms(sympy.Pow)) for base in below)
    return int(weight) + 4 * (len(body.atoms(Piecewise)) + quotients)


def _with_logistic(body: Expr) -> list[Expr]:
    """Return the expression in terms of sigmoid(u) = 1/(1 + exp(-u)), where a denominator holds that.

    A power of another number is an exponential too: 2**u is exp(u*log(2)).
    """
    powers: dict[Expr, Expr] = {}
    bound = bound_indices(body)
    for power in sorted(body.atoms(sympy.Pow), key=sympy.default_sort_key):
        if power.exp.is_Integer and power.exp.is_negative and power.base.is_Add and len(power.base.args) == 2:  # noqa: PLR2004
            one, other = power.base.args
            if one == 1 and _is_exponential(other) and other.free_symbols.isdisjoint(bound):
                powers[power] = other
    found = _sigmoids(list(dict.fromkeys(powers.values())))
    if not found:
        return []
    names = {value: sympy.Dummy(positive=True) for whole in found.values() for value in whole.atoms(Logistic)}
    values = {other: value.xreplace(names) for other, value in found.items()}
    rest = {
        exponential: ((1 - value) / value) ** times
        for exponential in filter(_is_exponential, body.atoms(sympy.exp, sympy.Pow))
        for other, value in values.items()
        for times in (sympy.cancel(_exponent(exponential) / _exponent(other)),)
        if times.is_Integer
    }
    rewritten = body.xreplace({power: values[other] ** -power.exp for power, other in powers.items()}).xreplace(rest)
    back = {name: value for value, name in names.items()}
    apart = sympy.Add(*[sympy.factor(sympy.cancel(term)) for term in sympy.Add.make_args(rewritten)])
    ways = (apart, sympy.factor(sympy.cancel(rewritten)), sympy.cancel(rewritten))
    return [_turned(way.xreplace(back)) for way in ways]


def _sigmoids(exponentials: Sequence[Expr]) -> dict[Expr, Expr]:
    """Return 1/(1 + v) for each exponential v, by sigmoids: 1 - sigmoid(u) for exp(u) where exp(-u) is another."""
    exponents = [_exponent(one) for one in exponentials]
    found = {}
    for exponential, exponent in zip(exponentials, exponents, strict=True):
        is_turned = exponent.could_extract_minus_sign() is False and any(
            sympy.expand(exponent + other) == 0 for other in exponents
        )
        found[exponential] = 1 - _sigmoid(exponent) if is_turned else _sigmoid(-exponent)
    return found


def _sigmoid(argument: Expr) -> Any:
    """Return the sigmoid of an argument, with its sign inside of a difference: log(2)*(x - y) for -log(2)*(y - x)."""
    difference = next((factor for factor in sympy.Mul.make_args(argument) if factor.is_Add), None)
    if argument.is_Mul and difference is not None and argument.as_coeff_Mul()[0].is_negative:
        argument = sympy.Mul(-1, argument / difference) * sympy.Add(*[-term for term in difference.args])
    return Logistic(argument)


def _turned(body: Expr) -> Expr:
    """Return an expression with sigmoid(-u) for 1 - sigmoid(u), where that sigmoid is nowhere else."""
    turned: dict[Expr, Expr] = {}
    for value in body.atoms(Logistic):
        other = _sigmoid(-value.args[0])
        is_less = value.args[0].could_extract_minus_sign()
        if body.count(value) == 1:
            turned |= {1 - value: other} | ({value - 1: -other} if is_less else {})
        elif is_less:
            name = sympy.Dummy(positive=True)
            return _turned(sympy.factor(body.xreplace({value: 1 - name})).xreplace({name: other}))
    return body.xreplace(turned) if turned else body


def _is_exponential(body: Expr) -> bool:
    """Tell whether an expression is a power of e, or of a positive number."""
    return isinstance(body, sympy.exp) or (body.is_Pow and bool(body.base.is_Number) and bool(body.base.is_positive))


def _exponent(body: Expr) -> Expr:
    """Return the logarithm of such a power."""
    exponent: Expr = body.exp if isinstance(body, sympy.exp) else body.exp * sympy.log(body.base)
    return exponent


def beside_points(body: Expr) -> Expr:
    """Return the sum of a formula's cases but for those of single points, such as that of a norm at 0."""

    def cases(piecewise: sympy.Piecewise) -> Expr:
        return sympy.Add(*[value for value, condition in piecewise.args if not isinstance(condition, sympy.Eq)])

    found: Expr = body.replace(lambda part: isinstance(part, sympy.Piecewise), cases)
    return found
