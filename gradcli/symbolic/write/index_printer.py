"""A formula for one entry, in index notation that Python could run: `sum(X[i, p]*W[p, q] for i in range(2))`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sympy
from sympy import Expr, Indexed, KroneckerDelta, Mul, Piecewise, Sum, Symbol

from gradcli.symbolic.write.conditions import is_iverson, on_indices
from gradcli.symbolic.write.printer import NotWritableError, Printer
from gradcli.symbolic.write.scope import Scope
from gradcli.symbolic.write.text import Precedence, Printed, call, named

FREE = "pqrstuvw"
BOUND = "ijklmnabcdefgh"

WORD = re.compile(r"[A-Za-z_]\w*")


class IndexNotation(Printer):
    """Writes the entry of a gradient at the indices p, q and so on."""

    def __init__(self, scope: Scope, free: Sequence[Symbol]) -> None:
        super().__init__(scope)
        # A name may be a text, `one_hot(i, 4)`, in which a leaf is read.
        taken = {word for name in scope.names.values() for word in WORD.findall(name)} | {*scope.lengths}
        letters = [letter for letter in FREE if letter not in taken]
        self.spare = [letter for letter in BOUND if letter not in taken]
        self.letters: dict[Symbol, str] = dict(zip(free, letters, strict=False))

    def index(self, node: Symbol) -> Printed:
        """Return an index by its letter."""
        if node not in self.letters:
            raise NotWritableError
        return Printed(self.letters[node], self.letters[node])

    def read(self, node: Indexed) -> Printed:
        """Return `x[i, j]`."""
        name = named(self.scope.names[node.base.label.name]).parenthesised(Precedence.ATOM)
        indices = [self.position(index) for index in node.indices]
        text = ", ".join(index.text for index in indices)
        return Printed(f"{name.text}[{text}]", f"{name.latex}_{{{', '.join(index.latex for index in indices)}}}")

    def position(self, index: Expr) -> Printed:
        """Return an index expression; a quotient is exact where it is read, so it is a whole number."""
        above, below = index.as_numer_denom()
        if below == 1:
            return self.write(index)
        piece, over = self.write(above).parenthesised(Precedence.POWER), self.write(below)
        return Printed(f"{piece.text}//{over.text}", rf"\frac{{{piece.latex}}}{{{over.latex}}}", Precedence.PRODUCT)

    def sum(self, node: Sum) -> Printed:
        """Return `sum(… for i in range(n))`."""
        letters = dict(self.letters)
        loops, signs = [], []
        for variable, low, high in reversed(node.limits):
            loop, sign = self._loop(variable, low, high)
            loops.append(loop)
            signs.append(sign)
        body = self.write(node.function)
        self.letters = letters
        latex = f"{''.join(signs)} {body.parenthesised(Precedence.PRODUCT).latex}"
        return Printed(f"sum({body.text} {' '.join(loops)})", latex, Precedence.ATOM)

    def _loop(self, variable: Symbol, low: Expr, high: Expr) -> tuple[str, str]:
        """Return `for i in range(n)`, and give the variable its letter."""
        letter = next((letter for letter in self.spare if letter not in self.letters.values()), None)
        if letter is None:
            raise NotWritableError
        start, stop, end = self.write(low), self.write(high + 1), self.write(high)
        self.letters[variable] = letter
        bounds = stop.text if low == 0 else f"{start.text}, {stop.text}"
        return f"for {letter} in range({bounds})", rf"\sum_{{{letter}={start.latex}}}^{{{end.latex}}}"

    def delta(self, node: KroneckerDelta) -> Printed:
        """Return `1 if p == q else 0`."""
        left, right = (self.write(side) for side in sorted(node.args, key=lambda side: side.is_number))
        return Printed(
            f"1 if {left.text} == {right.text} else 0", rf"\delta_{{{left.latex} {right.latex}}}", Precedence.CHOICE
        )

    def choice(self, node: Piecewise) -> Printed:
        """Return a choice by values as `where`, one by indices as `a if p < q else b`."""
        (value, test), *rest = node.args
        otherwise = rest[0].expr if len(rest) == 1 and rest[0].cond == sympy.true else Piecewise(*rest)
        if on_indices(test):
            return self._chosen(self.write(value), test, otherwise)
        pieces = [self.condition(test), self.write(value), self.write(otherwise)]
        return call("where", *pieces)

    def _chosen(self, value: Printed, test: Any, otherwise: Expr) -> Printed:
        condition, other = self.condition(test), self.write(otherwise)
        cases = (
            rf"\begin{{cases}} {value.latex} & {condition.latex} \\ {other.latex} & \text{{otherwise}} \end{{cases}}"
        )
        chosen, rest = (piece.parenthesised(Precedence.SUM).text for piece in (value, other))
        text = f"{chosen} if {condition.text} else {rest}"
        return Printed(text, cases, Precedence.CHOICE)

    def condition(self, test: Any) -> Printed:
        """Return a condition."""
        if isinstance(test, sympy.And):
            parts = [self._conjunct(part) for part in sorted(test.args, key=_order)]
            return Printed(" and ".join(part.text for part in parts), r" \wedge ".join(part.latex for part in parts))
        if isinstance(test, sympy.Or):
            parts = [self.condition(part) for part in test.args]
            return Printed(" or ".join(part.text for part in parts), r" \vee ".join(part.latex for part in parts))
        sides = test.args
        if sides[0].atoms(sympy.Mod):
            return self._remainder(test)
        if isinstance(test, sympy.Eq | sympy.Ne) and sides[0].is_number:
            return self.write(test.func(sides[1], sides[0], evaluate=False))
        return self.write(test)

    def _conjunct(self, test: Any) -> Printed:
        """Return one of the conditions that must all hold; `or` binds less tightly than the `and` beside it."""
        shown = self.condition(test)
        is_choice = isinstance(test, sympy.Or)
        return replace(shown, precedence=Precedence.CHOICE).parenthesised(Precedence.SUM) if is_choice else shown

    def _remainder(self, test: Any) -> Printed:
        above, below = test.lhs.args
        piece, over = self.write(above).parenthesised(Precedence.POWER), self.write(below)
        return Printed(f"{piece.text} % {over.text} == 0", rf"{piece.latex} \equiv 0 \pmod{{{over.latex}}}")

    def _product(self, node: Expr) -> Printed:
        """Return a product; its conditions on indices become one `if`, so that nothing is read outside a tensor."""
        factors = Mul.make_args(node)
        tests = [_test(factor) for factor in factors if _test(factor) is not None]
        rest = [factor for factor in factors if _test(factor) is None]
        if not tests or not rest:
            return (
                super()._product(node) if rest else self._chosen(Printed("1", "1"), sympy.And(*tests), sympy.Integer(0))
            )
        return self._chosen(self.write(Mul(*rest)), sympy.And(*tests), sympy.Integer(0))


def _test(factor: Any) -> Any | None:
    if isinstance(factor, KroneckerDelta):
        return sympy.Eq(*factor.args, evaluate=False)
    if isinstance(1 - factor, KroneckerDelta):
        return sympy.Ne(*(1 - factor).args, evaluate=False)
    return factor.args[0].cond if is_iverson(factor) else None


def _order(test: Any) -> Any:
    return sorted(symbol.name for symbol in test.free_symbols), sympy.default_sort_key(test)


def entry_text(shown: Printed, notation: IndexNotation, free: Sequence[Expr]) -> tuple[str, str]:
    """Return the formula of a whole tensor: `[p, q]: …` says which entry it is the formula of."""
    letters = ", ".join(notation.letters.get(index, "0") for index in free)
    return f"[{letters}]: {shown.text}", rf"\left[{letters}\right]: {shown.latex}"
