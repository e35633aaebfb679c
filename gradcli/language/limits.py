"""Limits on a program's text, checked in linear time and without recursion before Python's own parser sees it."""

from __future__ import annotations

from collections.abc import Sequence

from gradcli.errors import LimitError, Span
from gradcli.language.tokens import Token, TokenKind, ends_operand
from gradcli.limits import Limits

LONGEST_NUMBER = 400  # characters; more than the digits of any double


def check_size(source: str, limits: Limits) -> None:
    """Refuse a text of too many bytes."""
    size = len(source.encode("utf-8", "surrogatepass"))
    if size > limits.program_size:
        raise LimitError(
            f"the program has {size} bytes, more than the limit of {limits.program_size}",
            hint=f"`--max-program-size {size}` raises the limit",
        )


def check_numbers(tokens: Sequence[Token], source: str) -> None:
    """Refuse a number with so many digits that reading it would take long."""
    for token in tokens:
        if token.kind is TokenKind.NUMBER and len(token.text) > LONGEST_NUMBER:
            message = f"the number has {len(token.text)} characters, more than the limit of {LONGEST_NUMBER}"
            raise LimitError(message, span=Span(token.start, token.start + 1), source=source)


def check_nesting(tokens: Sequence[Token], source: str, limits: Limits) -> None:
    """Refuse brackets, signs, powers, conditions and blocks that nest too deep."""
    depth = _Depth()
    for previous, token in zip((None, *tokens), tokens, strict=False):
        if depth.after(previous, token) > limits.nesting:
            raise LimitError(
                f"the program nests deeper than the limit of {limits.nesting}",
                span=token.span,
                source=source,
                hint="give inner parts a name (`y = ...`), or raise the limit with `--max-nesting`",
            )


class _Depth:
    """An upper bound of the depth of the syntax tree, followed token by token.

    Every open bracket has two counters: conditions (`a if b else c if d else ...`, nested until the next comma or
    statement) and prefixes (signs, `not`, `**`, nested until the next operator that binds less).
    """

    def __init__(self) -> None:
        self.total = 0
        self.open = [[0, 0]]
        self.indents = [0]
        self.branches = 0  # `elif` nests without indentation

    def after(self, previous: Token | None, token: Token) -> int:
        """Take one more token and return the depth."""
        if token.text in ("(", "[", "{"):
            self.open.append([0, 0])
            self.total += 1
        elif token.text in (")", "]", "}"):
            self._close()
        elif token.kind in (TokenKind.OPERATOR, TokenKind.NAME, TokenKind.NEWLINE):
            self._operator(previous, token)
        return self.total + len(self.indents) - 1 + self.branches

    def _close(self) -> None:
        if len(self.open) > 1:
            self.total -= 1 + sum(self.open.pop())

    def _operator(self, previous: Token | None, token: Token) -> None:
        if token.indent is not None:
            self._line(token)
        if token.text in ("if", "else"):
            self._reset(1)
            if token.text == "if":
                self._count(0)
        elif token.text in ("**", "not") or (token.text in ("+", "-", "~") and not ends_operand(previous)):
            self._count(1)
        elif token.kind is TokenKind.NEWLINE or token.text in (",", ";", ":", "="):
            self._reset(0)
            self._reset(1)
        elif (token.kind is TokenKind.OPERATOR and token.text != ".") or token.text in ("and", "or", "is", "in"):
            self._reset(1)

    def _line(self, token: Token) -> None:
        """Follow the indentation at the first token of a line."""
        indent = token.indent or 0
        while self.indents[-1] > indent:
            self.indents.pop()
        if self.indents[-1] < indent:
            self.indents.append(indent)
        if token.text == "elif":
            self.branches += 1
        elif len(self.indents) == 1 and token.text != "else":
            self.branches = 0

    def _count(self, counter: int) -> None:
        self.open[-1][counter] += 1
        self.total += 1

    def _reset(self, counter: int) -> None:
        self.total -= self.open[-1][counter]
        self.open[-1][counter] = 0
