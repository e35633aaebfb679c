"""Tests of one value by numbers, as few as may be: r >= 4/5 and (r > 6/5 or r < 4/5) is r > 6/5."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import sympy
from sympy import And, Expr, Ge, Gt, Le, Lt, Or, Piecewise
from sympy.core.relational import Relational

from gradcli.symbolic.write.conditions import on_indices

Cell = tuple[Any, bool, bool]
"""A number in a range, whether that is all of it, and whether a test holds there."""


def with_shorter_tests(body: Expr) -> Expr:
    """Return an expression in which tests of one value by numbers are as few as may be."""
    tests = {branch.cond for piece in body.atoms(Piecewise) for branch in piece.args}
    several = [test for test in tests if isinstance(test, And | Or) and not on_indices(test)]
    found = {test: _shorter(test) for test in several}
    shorter = body.xreplace({test: shorter for test, shorter in found.items() if shorter != test})
    return shorter.xreplace({one: _ascending(one) for one in shorter.atoms(Piecewise)})


def _ascending(choice: Any) -> Any:
    """Return a choice with what is below a number before what is above a larger one."""
    (one, above), *rest = _flat(choice)
    if not (rest and isinstance(above, Gt | Ge) and isinstance(rest[0].cond, Lt | Le)):
        return choice
    (other, below), *rest = rest
    gap = above.rhs - below.rhs
    is_apart = above.lhs == below.lhs and gap.is_number and bool(gap > 0)
    return Piecewise((other, below), (one, above), *rest) if is_apart else choice


def _flat(choice: Any) -> list[Any]:
    """Return the branches of a choice, those of another that it ends in among them."""
    *branches, last = choice.args
    return (
        [*branches, *last.expr.args] if isinstance(last.expr, Piecewise) and last.cond == sympy.true else [*choice.args]
    )


def _shorter(test: Any) -> Any:
    if not isinstance(test, And | Or):
        return test
    alike: dict[Any, list[Any]] = {}
    for part in map(_shorter, test.args):
        alike.setdefault(_value_of(part), []).append(part)
    others = alike.pop(None, [])
    return test.func(*others, *(_of_one(test.func(*parts), value) for value, parts in alike.items()))


def _value_of(test: Any) -> Any:
    """Return the value that all of a test compares with numbers; None if there is no such."""
    values = {rest.lhs if rest.rhs.is_number else None for rest in map(_turned, test.atoms(Relational))}
    return values.pop() if len(values) == 1 else None


def _turned(test: Any) -> Any:
    return test.reversed if test.lhs.is_number else test


def _of_one(test: Any, value: Any) -> Any:
    """Return a test of one value by the ranges in which it holds; as it is if that is no shorter."""
    if not isinstance(test, And | Or):  # together, sympy has decided them
        return test
    cells = [*_cells(test, value)]
    runs, start = [], 0
    for place in range(1, len(cells) + 1):
        if place == len(cells) or cells[place][2] != cells[start][2]:
            runs += [(start, place - 1)] if cells[start][2] else []
            start = place
    shorter = Or(*[_within(value, cells, low, high) for low, high in runs])
    return shorter if shorter.count_ops() < test.count_ops() else test


def _cells(test: Any, value: Any) -> Iterator[Cell]:
    """Yield the numbers that a value is compared with and a number between each two, in order, and if a test holds."""
    bounds = sorted({_turned(one).rhs for one in test.atoms(Relational)})
    inside = [bounds[0] - 1, *((low + high) / 2 for low, high in pairwise(bounds)), bounds[-1] + 1]
    for place, number in enumerate(inside):
        yield number, False, _holds(test, value, number)
        if place < len(bounds):
            yield bounds[place], True, _holds(test, value, bounds[place])


def _holds(test: Any, value: Any, number: Any) -> bool:
    return bool(test.xreplace({one: one.xreplace({value: number}) for one in test.atoms(Relational)}))


def _within(value: Any, cells: Sequence[Cell], low: int, high: int) -> Any:
    """Return the test that a value lies in the cells from one to another."""
    if low == high and cells[low][1]:
        return sympy.Eq(value, cells[low][0])
    first, last = low - (not cells[low][1]), high + (not cells[high][1])
    above = (Ge if first == low else Gt)(value, cells[first][0]) if first >= 0 else sympy.true
    below = (Le if last == high else Lt)(value, cells[last][0]) if last < len(cells) else sympy.true
    return And(above, below)
