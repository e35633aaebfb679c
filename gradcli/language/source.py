"""The source of one program: from Python's line and column to characters, and errors that point there."""

from __future__ import annotations

import ast
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from gradcli.errors import LimitError, ProgramError, Span
from gradcli.language.session import Session
from gradcli.language.words import shorten
from gradcli.limits import Limits

_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Source:
    """A program's text, its clean ASCII twin of the same length, and how to read it."""

    text: str
    clean: str
    line_starts: tuple[int, ...]
    limits: Limits
    definition: bool
    first_line: int = 1  # 2 where a line was put before the text
    session: Session = field(default_factory=Session)
    words: frozenset[str] = frozenset()
    """All words of the text: a name or an attribute that is not among them stands nowhere in Python's tree."""

    def mentions(self, words: AbstractSet[str]) -> bool:
        """Tell whether one of some words is in the text: if not, no tree need be searched for it."""
        return not self.words.isdisjoint(words)

    def offset(self, line: int, column: int) -> int:
        """Return the character at Python's line and column, kept inside the text."""
        index = min(max(line - self.first_line, 0), len(self.line_starts) - 1)
        return min(self.line_starts[index] + max(column, 0), len(self.text))

    def span(self, node: ast.expr | ast.stmt | ast.keyword) -> Span:
        """Return where a node of Python's tree stands."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        if len(self.line_starts) == 1 and self.first_line == 1:  # most texts are one line, which all nodes are on
            return Span(node.col_offset, end_column)
        return Span(self.offset(node.lineno, node.col_offset), self.offset(end_line, end_column))

    def quoted(self, span: Span) -> str:
        """Return the text of a span, short enough for a message."""
        return shorten(self.clean[span.start : span.end])

    def error(
        self, message: str, where: Span | ast.expr | ast.stmt | ast.keyword, hint: str | None = None
    ) -> ProgramError:
        """Return the error that points at a place."""
        span = where if isinstance(where, Span) else self.span(where)
        return ProgramError(message, span=span, source=self.text, hint=hint)

    def limit(self, message: str, where: Span, hint: str) -> LimitError:
        """Return the error for something larger than a limit."""
        return LimitError(message, span=where, source=self.text, hint=hint)


def make_source(text: str, clean: str, limits: Limits, *, definition: bool) -> Source:
    """Index the lines of a text."""
    starts = [0, *(position + 1 for position, character in enumerate(clean) if character == "\n")]
    return Source(text, clean, tuple(starts), limits, definition, words=frozenset(_WORD.findall(clean)))
