"""Exponentials over their sum in an expression, which is what differentiation has made of a softmax: written as one.

exp(u) is softmax(u) times the sum of exp(u). The expression is left as it is unless these sums cancel, or are in
logarithms alone, each of which is logsumexp(u).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import sympy
from sympy import Expr, Indexed, Sum, Symbol

from gradcli.symbolic.write.printer import NotWritableError
from gradcli.symbolic.write.scope import Scope, Template
from gradcli.symbolic.write.standing import by_text
from gradcli.symbolic.write.sums import settled
from gradcli.symbolic.write.tensor_printer import TensorNotation
from gradcli.symbolic.write.text import is_atomic

LONGEST_ARGUMENT = 160
# What sums to 1 along an axis: the last one, unless it is named.
ONES = re.compile(r"(one_hot\(|softmax\().*?(, dim=(?P<axis>-\d+))?\)")
MOST_AXES = 3
LARGE = 120  # operations; what is larger is not expanded


def normalised(scope: Scope, body: Expr) -> Expr:
    """Return an expression with softmaxes in the place of exponentials over their sums."""
    for whole in sorted(body.atoms(Sum), key=sympy.default_sort_key):
        if isinstance(whole.function, sympy.exp) and len(whole.limits) == 1 and whole.limits[0][1] == 0:
            with suppress(NotWritableError):
                body = _with(scope, _Softmax.of(scope, whole, _around(whole, body)), body)
    return _without_ones(scope, body)


def _around(whole: Sum, body: Expr) -> dict[Symbol, int]:
    """Return the lengths of the indices of the sums that a sum is in."""
    limits = [
        limit for outer in body.atoms(Sum) if outer != whole and outer.function.has(whole) for limit in outer.limits
    ]
    return {index: int(high) + 1 for index, low, high in limits if low == 0 and high.is_Integer}


@dataclass(frozen=True, slots=True)
class _Softmax:
    argument: Template
    """What is exponentiated; the last index is the one that is summed over."""
    ratio: Template
    """The softmax, over the same indices."""
    logarithm: Template
    """The logarithm of the sum, over the others."""
    total: Any
    """What the sum is called, as a function of these."""

    @staticmethod
    def of(scope: Scope, whole: Sum, bound: Mapping[Symbol, int]) -> _Softmax:
        """Return the softmax that a sum of exponentials is of; `bound` are the lengths of the indices around it.

        Raises NotWritableError if its argument has no notation.
        """
        (index, _, high), exponent = whole.limits[0], whole.function.exp
        own = scope.fresh((int(high) + 1,))[0]
        others = sorted((one for one in exponent.free_symbols if one.is_integer and one != index), key=str)
        lengths = {**bound, **scope.sizes}
        if not isinstance(own, Symbol) or len(others) >= MOST_AXES or any(one not in lengths for one in others):
            raise NotWritableError
        axes = scope.fresh(lengths[one] for one in others)
        argument = Template((*axes, own), exponent.xreplace({index: own, **dict(zip(others, axes, strict=True))}))
        text = TensorNotation(scope, argument.symbols).with_all_axes(argument.body).text
        if len(text) > LONGEST_ARGUMENT:
            raise NotWritableError
        shape = tuple(scope.sizes[one] if isinstance(one, Symbol) else 1 for one in argument.symbols)
        ratio = by_text(scope, f"softmax({text}, dim=-1)", shape)
        logarithm = by_text(scope, f"logsumexp({text}, dim=-1)", shape[:-1])
        return _Softmax(argument, ratio, logarithm, sympy.Function("total", positive=True))

    def split(self, exponent: Expr) -> Expr:
        """Return exp(exponent) with as many of the softmax's entries as factors as it has."""
        for indices in self._indices(exponent):
            rest = exponent - self.argument.at(indices)
            if rest == 0 or rest.count_ops() < exponent.count_ops():
                return self.ratio.at(indices) * self.total(*indices[:-1]) * self.split(rest)
        found: Expr = sympy.exp(exponent)
        return found

    def _indices(self, exponent: Expr) -> Iterator[tuple[Any, ...]]:
        symbols = sorted((one for one in exponent.free_symbols if one.is_integer), key=str)
        yield from permutations(symbols, len(self.argument.symbols))

    def is_total(self, part: Any) -> Any:
        """Return the name of a sum of the exponentials; None for anything else."""
        if not isinstance(part, Sum) or not isinstance(part.function, sympy.exp) or len(part.limits) > 1:
            return None
        index = part.limits[0][0]
        for indices in self._indices(part.function.exp):
            if indices[-1] == index and part.function.exp == self.argument.at(indices):
                return self.total(*indices[:-1])
        return None


def _with(scope: Scope, softmax: _Softmax, body: Expr) -> Expr:
    """Return an expression in terms of a softmax, if nothing is left of the sum but its logarithm."""
    named = body.replace(lambda part: softmax.is_total(part) is not None, softmax.is_total)
    split = named.replace(lambda part: isinstance(part, sympy.exp), lambda part: softmax.split(part.exp))
    split = split.replace(
        lambda part: isinstance(part, sympy.log) and part.args[0].func == softmax.total,
        lambda part: softmax.logarithm.at(part.args[0].args),
    )
    ways = [split, *([sympy.expand_mul(split), sympy.cancel(split)] if split.count_ops() < LARGE else [])]
    for way in ways:
        found = _without_ones(scope, settled(way))
        if not found.has(softmax.total):
            return found
    return body


def _without_ones(scope: Scope, body: Expr) -> Expr:
    """Return an expression without the sums that are 1: of a softmax along its axis, of what labels pick."""

    def is_one(part: Any) -> bool:
        if not isinstance(part, Sum) or not isinstance(part.function, Indexed) or len(part.limits) > 1:
            return False
        read, (index, low, _) = part.function, part.limits[0]
        axes = [axis - len(read.indices) for axis, one in enumerate(read.indices) if one == index]
        return low == 0 and axes == [_axis_of_ones(scope.names[read.base.label.name])]

    return body.replace(is_one, lambda _: sympy.S.One)


def _axis_of_ones(name: str) -> int | None:
    """Return the axis along which a tensor sums to 1, counted from the last; None if there is none."""
    found = ONES.fullmatch(name) if is_atomic(name) else None
    return None if found is None else int(found["axis"] or -1)
