"""Typst's math mode as LaTeX, for a reader of that: from what Typst's own reference says of it, not from the writer."""

from __future__ import annotations

import re

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\\.|[<>!]=|[A-Za-z]+(?:\.[a-z]+)*|\d+(?:\.\d+)?(?:e[+-]?\d+)?|\S')
WORDS = {"dot.o": r"\odot", "dot.c": r"\cdot", "compose": r"\circ", "<=": r"\le", ">=": r"\ge", "!=": r"\ne"}
WORDS |= {"and": r"\wedge", "or": r"\vee", "infinity": r"\infty", "diff": r"\partial", "mod": r"\bmod"}
WORDS |= {"⟨": r"\langle", "⟩": r"\rangle"}
FENCES = {"abs": ("|", "|"), "norm": (r"\lVert", r"\rVert"), "floor": (r"\lfloor", r"\rfloor")}


def latex_of(typst: str) -> str:
    """Return a formula in LaTeX."""
    reader = _Reader(TOKEN.findall(typst))
    found = reader.row(())
    assert reader.peek() is None, typst
    return found


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.place = tokens, 0

    def peek(self) -> str | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def next(self, expected: str | None = None) -> str:
        piece = self.tokens[self.place]
        assert expected in {None, piece}, f"{piece} where {expected} is due in {' '.join(self.tokens)}"
        self.place += 1
        return piece

    def row(self, ends: tuple[str, ...]) -> str:
        parts = []
        while (piece := self.peek()) is not None and piece not in ends:
            parts.append(self.item())
        return " ".join(parts)

    def arguments(self) -> list[str]:
        """Return what is between commas in parentheses."""
        self.next("(")
        found = [self.row((",", ")"))]
        while self.next() == ",":
            found.append(self.row((",", ")")))
        return found

    def item(self) -> str:
        piece = self.next()
        if piece in {"^", "_"}:
            (inner,) = self.group()
            return f"{piece}{{{inner}}}"
        if piece in {"(", "["}:
            close = {"(": ")", "[": "]"}[piece]
            inner = self.row((close,))
            self.next(close)
            return rf"\left{piece} {inner} \right{close}"
        if self.peek() == "(" and piece in {"frac", "sqrt", "bold", "op", "cases", "lr", *FENCES}:
            return self.call(piece)
        if piece.startswith("\\"):
            return piece[1:] if piece[1:] == "," else piece
        return WORDS.get(piece) or (f"\\{piece}" if len(piece) > 1 and piece.isalpha() else piece)

    def group(self) -> list[str]:
        if self.peek() == "(":
            self.next()
            inner = self.row((")",))
            self.next(")")
            return [inner]
        return [self.item()]

    def call(self, name: str) -> str:
        if name == "op":
            return self.word()
        found = self.arguments()
        match name:
            case "frac":
                above, below = found
                return rf"\frac{{{above}}}{{{below}}}"
            case "sqrt":
                return rf"\sqrt{{{found[0]}}}"
            case "bold":
                return rf"\mathbf{{{found[0]}}}"
            case "cases":
                rows = r" \\ ".join(found).replace(r"\mathrm{else}", r"\text{else}")
                return rf"\begin{{cases}} {rows} \end{{cases}}"
        left, right = FENCES[name]
        return rf"\left{left} {found[0]} \right{right}"

    def word(self) -> str:
        self.next("(")
        text = re.sub(r"\\(.)", r"\1", self.next()[1:-1])
        self.next(")")
        escaped = re.sub(r"([_#&%$])", r"\\\1", text)
        if "->" in text:
            return rf"\mathtt{{{escaped}}}"
        return rf"\operatorname{{{escaped}}}" if self.peek() in {"(", "_"} else rf"\mathrm{{{escaped}}}"
