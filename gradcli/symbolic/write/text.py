"""What a formula looks like, as PyTorch's text and as LaTeX: pieces that know how tightly they bind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from fractions import Fraction

from sympy import Expr, Integer, Rational, Symbol, sqrt

from gradcli.escaping import escape_latex, latex_name


class Precedence(IntEnum):
    """How tightly the outermost operation binds."""

    CHOICE = 0
    SUM = 1
    PRODUCT = 2
    MATMUL = 3
    POWER = 4
    ATOM = 5


@dataclass(frozen=True, slots=True)
class Printed:
    """A piece of a formula; `axes` has the index symbol of each of its axes, None for an axis of length 1."""

    text: str
    latex: str
    precedence: Precedence = Precedence.ATOM
    axes: tuple[Symbol | None, ...] = ()
    is_symmetric: bool = False

    def parenthesised(self, precedence: Precedence) -> Printed:
        """Return the piece, in parentheses if it binds less tightly than what it stands in."""
        if self.precedence >= precedence:
            return self
        return Printed(f"({self.text})", rf"\left({self.latex}\right)", Precedence.ATOM, self.axes)

    def with_axes(self, axes: Sequence[Symbol | None]) -> Printed:
        """Return the piece with other axes."""
        return replace(self, axes=tuple(axes))


def call(name: str, *arguments: Printed, latex: str | None = None, options: str = "") -> Printed:
    """Return a function of pieces."""
    text = ", ".join([*(argument.text for argument in arguments), *([options] if options else [])])
    inside = ", ".join(argument.latex for argument in arguments)
    return Printed(f"{name}({text})", rf"{latex or operator(name)}\left({inside}\right)")


def operator(name: str) -> str:
    """Return a function's name in LaTeX."""
    known = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "det"}
    return rf"\{name}" if name in known else rf"\operatorname{{{escape_latex(name)}}}"


def suffix(piece: Printed, text: str, latex: str | None = None) -> Printed:
    """Return a piece with an attribute, a method call or an index after it."""
    piece = piece.parenthesised(Precedence.ATOM)
    return Printed(
        piece.text + text, piece.latex + (latex if latex is not None else rf"\mathrm{{{escape_latex(text)}}}")
    )


def named(name: str) -> Printed:
    """Return a tensor by its name, which may be the text of an expression."""
    precedence = Precedence.ATOM if is_atomic(name) else Precedence.CHOICE
    return Printed(name, latex_name(name), precedence)


def is_atomic(name: str) -> bool:
    """Tell whether the text of an expression is a name, or one call."""
    if re.fullmatch(r"[\w.]+", name):
        return True
    match = re.fullmatch(r"[\w.]+\((.*)\)", name)
    return match is not None and _is_balanced(match[1])


def _is_balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if depth < 0:
            return False
    return depth == 0


# What is larger is written as a decimal: 1e+30.
LARGEST_WHOLE = 10**16
# A numerator as small as this is a count.
FEW = 64
# A number whose square is a quotient of whole ones as small as this, but for rounding, is a root.
LARGEST_SQUARE, ROUNDING = 4096, 5e-16


def number(value: Rational) -> Printed:
    """Return a number: a whole one, a simple fraction, or a decimal."""
    if value.q == 1 and abs(value) < LARGEST_WHOLE:
        text, latex = str(value), str(value)
        precedence = Precedence.SUM if value < 0 else Precedence.ATOM
    elif value.q > 1 and is_simple(value):
        text, precedence = f"{value.p}/{value.q}", Precedence.PRODUCT
        latex = rf"{'-' if value < 0 else ''}\frac{{{abs(value.p)}}}{{{value.q}}}"
    else:
        text = latex = repr(float(value))
        precedence = Precedence.SUM if value < 0 else Precedence.ATOM
    return Printed(text, latex, precedence)


def fraction_of(value: Rational) -> tuple[Expr, Expr]:
    """Return what a positive number is a quotient of: whole numbers, their square roots, or itself and 1."""
    if is_simple(value):
        return Integer(value.p), Integer(value.q)
    square = (Fraction(int(value.p), int(value.q)) ** 2).limit_denominator(LARGEST_SQUARE)
    above, below = sqrt(square.numerator), sqrt(square.denominator)
    is_root = 0 < square.numerator <= LARGEST_SQUARE and abs(float(above) / float(below) / float(value) - 1) < ROUNDING
    return (above, below) if is_root else (value, Integer(1))


def root(value: Expr) -> Printed:
    """Return a number, or the square root of a whole one."""
    if isinstance(value, Rational):
        return number(value)
    outside, inside = value.as_coeff_Mul()
    shown = Printed(f"sqrt({inside.base})", rf"\sqrt{{{inside.base}}}")
    return shown if outside == 1 else _multiple(number(outside), shown)


def is_simple(value: Rational) -> bool:
    """Tell whether a number reads better as a fraction than as a decimal: 2/(37*29)**2 is one of two lengths."""
    if _without_twos_and_fives(value.q) == 1:
        return bool(value.q <= 64)  # noqa: PLR2004 (as a decimal it has few digits)
    return bool(value.q <= (10**12 if abs(value.p) < FEW else 10**6))


def _without_twos_and_fives(value: int) -> int:
    for factor in (2, 5):
        while value % factor == 0:
            value //= factor
    return value


def fraction(above: Printed, below: Printed) -> Printed:
    """Return a quotient."""
    above_text = above.parenthesised(Precedence.PRODUCT).text
    text = f"{above_text}/{below.parenthesised(Precedence.POWER).text}"
    return Printed(text, rf"\frac{{{above.latex}}}{{{below.latex}}}", Precedence.PRODUCT)


def product(pieces: Sequence[Printed]) -> Printed:
    """Return an element-wise product."""
    if len(pieces) == 1:
        return pieces[0]
    parts = [piece.parenthesised(Precedence.PRODUCT if first else Precedence.POWER) for first, piece in _firsts(pieces)]
    parts = [
        piece.parenthesised(Precedence.ATOM) if piece.precedence is Precedence.MATMUL else piece for piece in parts
    ]
    text = "*".join(part.text for part in parts)
    return Printed(text, r" \cdot ".join(part.latex for part in parts), Precedence.PRODUCT)


def _firsts(pieces: Sequence[Printed]) -> list[tuple[bool, Printed]]:
    return [(position == 0, piece) for position, piece in enumerate(pieces)]


def matmul(left: Printed, right: Printed) -> Printed:
    """Return a matrix product."""
    before = left if left.precedence is Precedence.MATMUL else left.parenthesised(Precedence.POWER)
    after = right.parenthesised(Precedence.POWER)
    return Printed(f"{before.text} @ {after.text}", f"{before.latex} {after.latex}", Precedence.MATMUL)


def add(terms: Sequence[tuple[bool, Printed]]) -> Printed:
    """Return a sum; each term says whether it is subtracted."""
    text = latex = ""
    for position, (negative, term) in enumerate(terms):
        piece = term.parenthesised(Precedence.PRODUCT if negative or position else Precedence.SUM)
        sign = ("-" if negative else "") if not position else (" - " if negative else " + ")
        text, latex = text + sign + piece.text, latex + sign + piece.latex
    return Printed(text, latex, Precedence.SUM)


def power(base: Printed, exponent: Printed) -> Printed:
    """Return a power."""
    base, shown = base.parenthesised(Precedence.ATOM), exponent.parenthesised(Precedence.ATOM)
    return Printed(f"{base.text}**{shown.text}", f"{base.latex}^{{{exponent.latex}}}", Precedence.POWER)


def scaled(coefficient: Rational, piece: Printed) -> Printed:
    """Return a multiple of a piece: `-3*x/4`, `2*A @ B`."""
    size = abs(coefficient)
    above, below = (root(whole) for whole in fraction_of(size))
    if piece.text == "1":
        shown = number(size)
    else:
        shown = piece if above.text == "1" else _multiple(above, piece)
        shown = shown if below.text == "1" else fraction(shown, below)
    if coefficient < 0:
        shown = add([(True, shown)])
    return shown.with_axes(piece.axes)


def _multiple(front: Printed, piece: Printed) -> Printed:
    if piece.precedence is not Precedence.MATMUL:
        inside = piece.parenthesised(Precedence.PRODUCT)
        return Printed(f"{front.text}*{inside.text}", rf"{front.latex} {inside.latex}", Precedence.PRODUCT)
    return Printed(f"{front.text}*{piece.text}", f"{front.latex} {piece.latex}", Precedence.MATMUL)
