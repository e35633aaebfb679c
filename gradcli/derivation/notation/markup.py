"""The LaTeX of our formulas as a tree, from which other markup is written: the subset that the writers here use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

TOKEN = re.compile(r"\\begin\{cases\}|\\end\{cases\}|\\\\|\\[A-Za-z]+|\\.|\d+(?:\.\d+)?(?:e[+-]?\d+)?|[A-Za-z]+|\S")
GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa mu nu xi rho sigma tau phi chi psi omega pi"
GREEK += " Gamma Delta Theta Sigma Phi Psi Omega"
LETTERS = dict(zip(GREEK.split(), "αβγδεζηθικμνξρστφχψωπΓΔΘΣΦΨΩ", strict=True))
SIGNS = {
    "top": "\u22a4",
    "odot": "\u2299",
    "cdot": "\u22c5",
    "circ": "\u2218",
    "le": "\u2264",
    "ge": "\u2265",
    "ne": "\u2260",
    "wedge": "\u2227",
    "vee": "\u2228",
    "infty": "\u221e",
    "partial": "\u2202",
    "langle": "\u27e8",
    "rangle": "\u27e9",
    "lVert": "\u2016",
    "rVert": "\u2016",
    "lfloor": "\u230a",
    "rfloor": "\u230b",
    "sum": "\u2211",
    "sim": "\u223c",
    "backslash": "\\",
}
NAMES = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "det", "arcsin", "arccos", "arctan", "bmod"}
NAMES |= {"max", "min"}
# What takes a group of letters: an upright word, or letters of another kind.
WORDS = {"operatorname", "mathrm", "text", "mathtt", "mathbf"}


class Kind(StrEnum):
    """What a sign is."""

    LETTER = "letter"
    NUMBER = "number"
    OPERATOR = "operator"
    WORD = "word"
    BOLD = "bold"


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign, or a word."""

    text: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Row:
    """Items side by side."""

    items: tuple[Markup, ...]


@dataclass(frozen=True, slots=True)
class Fraction:
    """A quotient."""

    above: Row
    below: Row


@dataclass(frozen=True, slots=True)
class Root:
    """A square root."""

    inner: Row


@dataclass(frozen=True, slots=True)
class Scripts:
    """Something with an index, an exponent, or both."""

    base: Markup
    below: Row | None
    above: Row | None


@dataclass(frozen=True, slots=True)
class Fenced:
    """Something in parentheses, or other signs on both sides."""

    left: str
    inner: Row
    right: str


@dataclass(frozen=True, slots=True)
class Cases:
    """A choice: values and conditions."""

    rows: tuple[tuple[Row, ...], ...]


Markup = Sign | Row | Fraction | Root | Scripts | Fenced | Cases


def read(latex: str) -> Row:
    """Return the tree of a formula that a writer here wrote."""
    return _Reader([*_tokens(latex)]).row(frozenset())


def _tokens(latex: str) -> Iterator[str]:
    for piece in TOKEN.findall(latex):
        is_word = piece.isalpha() and len(piece) > 1
        yield from piece if is_word else (piece,)


class _Reader:
    """Reads tokens, one after the other."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.place = tokens, 0

    def peek(self) -> str | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def next(self) -> str:
        self.place += 1
        return self.tokens[self.place - 1]

    def row(self, ends: frozenset[str]) -> Row:
        items: list[Markup] = []
        while (piece := self.peek()) is not None and piece not in ends:
            if piece in {"^", "_"}:
                items.append(self._scripts(items.pop() if items else Row(())))
            else:
                items.append(self._item())
        return Row(tuple(items))

    def _group(self) -> Row:
        if self.peek() != "{":
            return Row((self._item(),))
        self.next()
        found = self.row(frozenset({"}"}))
        self.next()
        return found

    def _scripts(self, base: Markup) -> Scripts:
        found: dict[str, Row] = {}
        while (piece := self.peek()) is not None and piece in {"^", "_"} and piece not in found:
            self.next()
            found[piece] = self._group()
        return Scripts(base, found.get("_"), found.get("^"))

    def _item(self) -> Markup:
        piece = self.next()
        if piece == "{":
            self.place -= 1
            return self._group()
        if piece == r"\begin{cases}":
            return self._cases()
        if piece.startswith("\\"):
            return self._command(piece[1:])
        if piece.isalpha():
            return Sign(piece, Kind.LETTER)
        return Sign(piece, Kind.NUMBER if piece[0].isdigit() else Kind.OPERATOR)

    def _command(self, name: str) -> Markup:
        match name:
            case "frac":
                return Fraction(self._group(), self._group())
            case "sqrt":
                return Root(self._group())
            case "left":
                return self._fenced()
            case " ":
                return Row(())
            case "hat":
                self._group()
                return Sign("^", Kind.OPERATOR)
        if name in WORDS:
            return Sign(self._word(), Kind.BOLD if name == "mathbf" else Kind.WORD)
        if name in LETTERS:
            return Sign(LETTERS[name], Kind.LETTER)
        if name in NAMES:
            return Sign(name.removeprefix("b") if name == "bmod" else name, Kind.WORD)
        return Sign(SIGNS.get(name, name), Kind.OPERATOR)

    def _fence(self) -> str:
        piece = self.next()
        return SIGNS.get(piece[1:], piece[1:]) if piece.startswith("\\") else piece

    def _fenced(self) -> Fenced:
        left = self._fence()
        inner = self.row(frozenset({r"\right"}))
        self.next()
        return Fenced(left, inner, self._fence())

    def _word(self) -> str:
        """Return the letters of a group, without the escapes."""
        self.next()
        depth, parts = 1, []
        while depth:
            piece = self.next()
            depth += {"{": 1, "}": -1}.get(piece, 0)
            if depth and piece not in {"{", "}"}:
                parts.append(SIGNS.get(piece[1:], piece[1:]) if piece.startswith("\\") else piece)
        return "".join(parts)

    def _cases(self) -> Cases:
        rows: list[tuple[Row, ...]] = []
        ends = frozenset({"&", r"\\", r"\end{cases}"})
        columns: list[Row] = []
        while True:
            columns.append(self.row(ends))
            piece = self.next()
            if piece != "&":
                rows.append(tuple(columns))
                columns = []
            if piece == r"\end{cases}":
                return Cases(tuple(rows))
