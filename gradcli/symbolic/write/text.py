"""What a formula looks like, as PyTorch's text and as LaTeX: pieces that know how tightly they bind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from sympy import Rational, Symbol


class Binding(IntEnum):
    """How tightly the outermost operation binds."""

    CHOICE = 0
    SUM = 1
    PRODUCT = 2
    MATMUL = 3
    POWER = 4
    ATOM = 5


@dataclass(frozen=True, slots=True)
class Shown:
    """A piece of a formula; `axes` has the index symbol of each of its axes, None for an axis of length 1."""

    text: str
    latex: str
    binding: Binding = Binding.ATOM
    axes: tuple[Symbol | None, ...] = ()

    def within(self, binding: Binding) -> Shown:
        """Return the piece, in parentheses if it binds less tightly than what it stands in."""
        if self.binding >= binding:
            return self
        return Shown(f"({self.text})", rf"\left({self.latex}\right)", Binding.ATOM, self.axes)

    def with_axes(self, axes: Sequence[Symbol | None]) -> Shown:
        """Return the piece with other axes."""
        return replace(self, axes=tuple(axes))


def call(name: str, *arguments: Shown, latex: str | None = None, options: str = "") -> Shown:
    """Return a function of pieces."""
    text = ", ".join([*(argument.text for argument in arguments), *([options] if options else [])])
    inside = ", ".join(argument.latex for argument in arguments)
    return Shown(f"{name}({text})", rf"{latex or operator(name)}\left({inside}\right)")


def operator(name: str) -> str:
    """Return a function's name in LaTeX."""
    known = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "det"}
    return rf"\{name}" if name in known else rf"\operatorname{{{_escaped(name)}}}"


def suffix(piece: Shown, text: str, latex: str | None = None) -> Shown:
    """Return a piece with an attribute, a method call or an index after it."""
    piece = piece.within(Binding.ATOM)
    return Shown(piece.text + text, piece.latex + (latex if latex is not None else rf"\mathrm{{{_escaped(text)}}}"))


def named(name: str) -> Shown:
    """Return a tensor by its name, which may be the text of an expression."""
    binding = Binding.ATOM if _is_atomic(name) else Binding.CHOICE
    return Shown(name, latex_name(name), binding)


def _is_atomic(name: str) -> bool:
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


GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa mu nu xi rho sigma tau phi chi psi omega"
CAPITALS = ("Gamma", "Delta", "Theta", "Sigma", "Phi", "Psi", "Omega")
LETTERS = frozenset((*GREEK.split(), *CAPITALS))


def latex_name(name: str) -> str:
    """Return a tensor's name in LaTeX: w1 has a subscript, alpha is the letter, expressions stand upright."""
    match = re.fullmatch(r"([A-Za-z]+)_?(\d*)", name)
    if match is None:
        return rf"\mathtt{{{_escaped(name)}}}"
    stem, number = match.groups()
    if stem in LETTERS:
        stem = rf"\{stem}"
    elif len(stem) > 1:
        stem = rf"\mathrm{{{stem}}}"
    return f"{stem}_{{{number}}}" if number else stem


def _escaped(text: str) -> str:
    special = {"\\": r"\backslash ", "_": r"\_", "{": r"\{", "}": r"\}", "%": r"\%", "#": r"\#", "&": r"\&", "$": r"\$"}
    special |= {"^": r"\hat{}", "~": r"\sim ", " ": r"\ "}
    return "".join(special.get(character, character) for character in text)


def number(value: Rational) -> Shown:
    """Return a number: a whole one, a simple fraction, or a decimal."""
    if value.q == 1:
        text, latex = str(value), str(value)
        binding = Binding.SUM if value < 0 else Binding.ATOM
    elif is_simple(value):
        text, binding = f"{value.p}/{value.q}", Binding.PRODUCT
        latex = rf"{'-' if value < 0 else ''}\frac{{{abs(value.p)}}}{{{value.q}}}"
    else:
        text = latex = repr(float(value))
        binding = Binding.SUM if value < 0 else Binding.ATOM
    return Shown(text, latex, binding)


def is_simple(value: Rational) -> bool:
    """Tell whether a number reads better as a fraction than as a decimal."""
    decimal = _without_twos_and_fives(value.q) == 1
    return value.q <= (64 if decimal else 10**6)


def _without_twos_and_fives(value: int) -> int:
    for factor in (2, 5):
        while value % factor == 0:
            value //= factor
    return value


def fraction(above: Shown, below: Shown) -> Shown:
    """Return a quotient."""
    above_text = above.within(Binding.PRODUCT).text
    text = f"{above_text}/{below.within(Binding.POWER).text}"
    return Shown(text, rf"\frac{{{above.latex}}}{{{below.latex}}}", Binding.PRODUCT)


def product(pieces: Sequence[Shown]) -> Shown:
    """Return an element-wise product."""
    if len(pieces) == 1:
        return pieces[0]
    parts = [piece.within(Binding.PRODUCT if first else Binding.POWER) for first, piece in _firsts(pieces)]
    parts = [piece.within(Binding.ATOM) if piece.binding is Binding.MATMUL else piece for piece in parts]
    text = "*".join(part.text for part in parts)
    return Shown(text, r" \cdot ".join(part.latex for part in parts), Binding.PRODUCT)


def _firsts(pieces: Sequence[Shown]) -> list[tuple[bool, Shown]]:
    return [(position == 0, piece) for position, piece in enumerate(pieces)]


def matmul(left: Shown, right: Shown) -> Shown:
    """Return a matrix product."""
    before = left if left.binding is Binding.MATMUL else left.within(Binding.POWER)
    after = right.within(Binding.POWER)
    return Shown(f"{before.text} @ {after.text}", f"{before.latex} {after.latex}", Binding.MATMUL)


def add(terms: Sequence[tuple[bool, Shown]]) -> Shown:
    """Return a sum; each term says whether it is subtracted."""
    text = latex = ""
    for position, (negative, term) in enumerate(terms):
        piece = term.within(Binding.PRODUCT if negative or position else Binding.SUM)
        sign = ("-" if negative else "") if not position else (" - " if negative else " + ")
        text, latex = text + sign + piece.text, latex + sign + piece.latex
    return Shown(text, latex, Binding.SUM)


def power(base: Shown, exponent: Shown) -> Shown:
    """Return a power."""
    base, shown = base.within(Binding.ATOM), exponent.within(Binding.ATOM)
    return Shown(f"{base.text}**{shown.text}", f"{base.latex}^{{{exponent.latex}}}", Binding.POWER)


def scaled(coefficient: Rational, piece: Shown) -> Shown:
    """Return a multiple of a piece: `-3*x/4`, `2*A @ B`."""
    size = abs(coefficient)
    simple = is_simple(size)
    front = Rational(size.p) if simple else size
    if piece.text == "1":
        shown = number(size)
    elif front == 1:
        shown = piece
    else:
        shown = _multiple(number(front), piece)
    if simple and size.q != 1 and piece.text != "1":
        shown = fraction(shown, number(Rational(size.q)))
    if coefficient < 0:
        shown = add([(True, shown)])
    return shown.with_axes(piece.axes)


def _multiple(front: Shown, piece: Shown) -> Shown:
    if piece.binding is not Binding.MATMUL:
        inside = piece.within(Binding.PRODUCT)
        return Shown(f"{front.text}*{inside.text}", rf"{front.latex} {inside.latex}", Binding.PRODUCT)
    return Shown(f"{front.text}*{piece.text}", f"{front.latex} {piece.latex}", Binding.MATMUL)
