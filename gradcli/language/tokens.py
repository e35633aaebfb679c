"""The text cut into tokens, in linear time: the only reader of what a user typed that meets other than ASCII."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from gradcli.errors import ProgramError, Span
from gradcli.language.characters import check_comment, refuse_character


class TokenKind(Enum):
    """What a token is."""

    NUMBER = "number"
    NAME = "name"  # also keywords
    STRING = "string"
    OPERATOR = "operator"
    NEWLINE = "newline"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text; `indent` is set on the first token of a line that is not inside brackets."""

    kind: TokenKind
    text: str
    start: int
    end: int
    indent: int | None = None

    @property
    def span(self) -> Span:
        """Return where the token stands."""
        return Span(self.start, self.end)


_DIGITS = "[0-9](?:_?[0-9])*"
_EXPONENT = f"(?:[eE][+-]?{_DIGITS})?[jJ]?"
_TOKEN = re.compile(
    r"(?P<space>[ \t]+|\\(?:\r\n|\r|\n))|(?P<comment>\#[^\r\n]*)|(?P<newline>\r\n|\r|\n)"
    rf"|(?P<number>0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+"
    rf"|{_DIGITS}(?:\.(?:{_DIGITS})?)?{_EXPONENT}|\.{_DIGITS}{_EXPONENT})"
    r"|(?P<string>[fFrRbBuU]{0,2}(?:'{3}(?:[^\\]|\\.)*?'{3}|\"{3}(?:[^\\]|\\.)*?\"{3}"
    r"|'(?:[^'\\\r\n]|\\[^\r\n])*'|\"(?:[^\"\\\r\n]|\\[^\r\n])*\"))"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<operator>\*\*=|//=|<<=|>>=|\.\.\.|\*\*|//|<<|>>|<=|>=|==|!=|:=|->|&&|\|\||[-+*/%@&|^]=|[-+*/%@&|^~<>=!.,:;()\[\]{}?$])",
    re.DOTALL,
)
_KIND = {
    kind.value: kind
    for kind in (TokenKind.NUMBER, TokenKind.NAME, TokenKind.STRING, TokenKind.OPERATOR, TokenKind.NEWLINE)
}
_AS_THEY_ARE = frozenset({"number", "name", "operator"})
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_VALUES = frozenset({"True", "False", "None"})


def is_keyword(token: Token) -> bool:
    """Tell whether the token is a word that Python reserves, other than True, False and None."""
    return token.kind is TokenKind.NAME and keyword.iskeyword(token.text) and token.text not in _VALUES


def ends_operand(token: Token | None) -> bool:
    """Tell whether a value may end with this token, so that a binary operator may follow."""
    if token is None or is_keyword(token):
        return False
    return token.kind in (TokenKind.NUMBER, TokenKind.NAME, TokenKind.STRING) or token.text in (")", "]", "}", "...")


def tokenize(source: str) -> tuple[tuple[Token, ...], str]:
    """Return the tokens and the clean text: pure ASCII, each character in its place, comments blank."""
    tokens: list[Token] = []
    clean: list[str] = []
    depth = position = line_start = 0
    fresh = True
    for match in _TOKEN.finditer(source):
        start, end = match.span()
        if start > position:
            break
        kind, text, position = match.lastgroup, match[0], end
        clean.append(text if kind in _AS_THEY_ARE else _cleaned(str(kind), text, start, source))
        if kind == "operator":
            depth = max(0, depth + (text in _OPENING) - (text in _CLOSING))
        elif kind == "newline":
            line_start, fresh = position, depth == 0 or fresh
        if kind in _KIND and not (kind == "newline" and depth):
            indent = start - line_start if fresh and kind != "newline" else None
            fresh = kind == "newline"
            tokens.append(Token(_KIND[kind], text, start, position, indent))
    if position < len(source):
        _refuse(source, position)
    return (*tokens, Token(TokenKind.END, "", len(source), len(source))), "".join(clean)


def _cleaned(kind: str, text: str, start: int, source: str) -> str:
    if kind == "comment":
        check_comment(text, start, source)
        return " " * len(text)
    if kind in ("newline", "space"):
        return _continued(text.replace("\r\n", " \n").replace("\r", "\n"))
    if kind == "string" and not is_plain_string(text):
        check_comment(text.replace("\r", " ").replace("\n", " "), start, source)
        return _blank_string(text)
    return text


def _continued(space: str) -> str:
    """Return white space as Python reads it: a backslash at the end of a line stands right before its end."""
    return space.replace("\\ \n", " \\\n")


def is_plain_string(text: str) -> bool:
    """Tell whether a string is one that a program may hold: ASCII, without a prefix and a backslash."""
    return text[0] in "'\"" and text.isascii() and text.replace("\n", " ").isprintable() and "\\" not in text


def _blank_string(text: str) -> str:
    """Return a string with nothing in it, as long as another: what is passed over or refused unread."""
    start = re.match(r"[A-Za-z]*('{3}|\"{3}|'|\")", text)
    assert start is not None  # noqa: S101 (it is a string)
    inside = text[start.end() : len(text) - len(start[1])]
    return start[0] + re.sub(r"[^\n]", " ", inside.replace("\r\n", " \n").replace("\r", "\n")) + start[1]


def _refuse(source: str, position: int) -> NoReturn:
    """Explain a character that starts no token."""
    if source[position] in "'\"":
        raise _error(source, position, "the string that starts here is never closed", f"end it with {source[position]}")
    refuse_character(source, position)


def _error(source: str, position: int, message: str, hint: str | None = None) -> ProgramError:
    return ProgramError(message, span=Span(position, position + 1), source=source, hint=hint)
