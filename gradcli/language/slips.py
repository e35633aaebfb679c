"""Common slips, found among the tokens and explained where Python's parser would only say 'invalid syntax'."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from gradcli.errors import ProgramError, Span
from gradcli.language.tokens import Token, TokenKind, ends_operand, is_keyword
from gradcli.language.words import shorten

_KEYWORDS = frozenset(
    {
        "if",
        "elif",
        "else",
        "while",
        "for",
        "in",
        "is",
        "and",
        "or",
        "not",
        "def",
        "class",
        "return",
        "break",
        "continue",
    }
    | {"import", "from", "as", "with", "assert", "pass", "del", "lambda"}
    | {"try", "except", "finally", "raise", "global", "nonlocal"}
)
_UNARY = frozenset({"+", "-", "~"})
_OPENING = {"(": ")", "[": "]", "{": "}"}
_CLOSING = {closing: opening for opening, closing in _OPENING.items()}
_IN_PLACE = frozenset({"&=", "|=", "^=", "<<=", ">>="})
_IN_WORDS = {"&": "logical_and(x, ...)", "|": "logical_or(x, ...)", "<<": "x * 2**...", ">>": "x / 2**..."}
_BINARY = frozenset(
    {
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "@",
        "&",
        "**",
        "|",
        "<",
        ">",
        "<=",
        ">=",
        "==",
        "!=",
        "=",
        ".",
        "and",
        "or",
        "is",
        "in",
    }
)

_REST = re.compile(r"\*\s*\w+\s*,[^=\n]*=")  # `*rest, last = x`
_STAR_IMPORT = re.compile(r"\bimport[ \t]*\*\Z")
_REFUSED_OPERATORS: dict[str, tuple[str, str | None]] = {
    "^": ("`^` is not a power in PyTorch", "write a power as `**`"),
    "&&": ("`&&` is not an operator", "write `logical_and(a, b)`"),
    "||": ("`||` is not an operator", "write `logical_or(a, b)`; a norm is `norm(x)`"),
    "<<": ("shifts are not accepted", "write `x * 2**n`"),
    ">>": ("shifts are not accepted", "write `x / 2**n`"),
    "!": ("`!` is not an operator", "a factorial of x is `exp(lgamma(x + 1))`; 'not equal' is `!=`"),
    "?": ("`?` is not an operator", "a choice is `a if condition else b`, or `where(condition, a, b)`"),
    "$": ("`$` is not an operator", None),
}
_REFUSED_KEYWORDS: dict[str, tuple[str, str | None]] = {}


def check_slips(tokens: Sequence[Token], source: str, is_function: Callable[[str], object]) -> None:
    """Raise the error for the first slip in reading order; brackets that are never closed come last.

    `is_function` tells whether a name is that of a function.
    """
    opened: list[Token] = []
    previous: Token | None = None
    for token, following in zip(tokens, (*tokens[1:], tokens[-1]), strict=True):
        _check_word(token, following, source)
        _check_operator(token, source)
        if previous is None or token.kind is not TokenKind.END:
            _check_pair(previous, token, following, source, is_function)
        _check_bracket(token, opened, source)
        previous = token
    _check_end(tokens, opened, source)


def _check_word(token: Token, following: Token, source: str) -> None:
    if token.text == "lambda" and following.text != ":" and following.kind is not TokenKind.NAME:
        _fail(token, source, "`lambda` is a Python keyword, not a name", "choose a different name, such as `lam`")
    if is_keyword(token) and token.text not in _KEYWORDS:
        message, hint = _REFUSED_KEYWORDS.get(
            token.text,
            (f"`{token.text}` is a Python keyword, and not part of gradcli's language", "choose a different name"),
        )
        _fail(token, source, message, hint)
    if token.kind is TokenKind.NUMBER and _has_leading_zero(token.text):
        _fail(token, source, f"a number must not begin with 0: {token.text}", f"write `{token.text.lstrip('0_')}`")


def _has_leading_zero(text: str) -> bool:
    return text[0] == "0" and text.replace("_", "").isdigit() and bool(text.strip("0_"))


def _check_operator(token: Token, source: str) -> None:
    if token.kind is not TokenKind.OPERATOR:
        return
    if token.text in _REFUSED_OPERATORS:
        message, hint = _REFUSED_OPERATORS[token.text]
        _fail(token, source, message, _transpose(token, source) or hint)
    if token.text in _IN_PLACE:
        hint = "write a power as `**`" if token.text == "^=" else f"write `x = {_IN_WORDS[token.text[:-1]]}`"
        _fail(token, source, f"`{token.text}` is not accepted", hint)


def _transpose(token: Token, source: str) -> str | None:
    """Return what to write for `X^T`."""
    power = token.text == "^" and re.match(r"\^\s*[({]?\s*(?:T|top|\\top)\b", source[token.start :])
    return "a transpose is written `X.T`" if power else None


def _check_pair(
    previous: Token | None, token: Token, following: Token, source: str, is_function: Callable[[str], object]
) -> None:
    """Compare a token with the one before it."""
    if ends_operand(previous) and previous is not None:
        _check_after_operand(previous, token, source, is_function)
    elif previous is not None and previous.text == "import":
        return
    elif token.kind is TokenKind.NEWLINE or token.kind is TokenKind.END:
        if previous is not None and previous.text in _BINARY and not _STAR_IMPORT.search(source[: previous.end]):
            _fail(previous, source, f"`{previous.text}` has nothing on its right")
    elif _needs_left(token) and not (token.text == "@" and token.indent is not None):  # a decorator
        _missing_left(previous, token, following, source)


def _needs_left(token: Token) -> bool:
    """Tell whether the token cannot begin a value."""
    return (token.text in _BINARY and token.text not in _UNARY and token.text != "in") or token.text in (",", ";")


def _check_after_operand(previous: Token, token: Token, source: str, is_function: Callable[[str], object]) -> None:
    """Two values side by side: a product that is not written, most of the time."""
    touching_number = previous.kind is TokenKind.NUMBER and previous.end == token.start
    if touching_number and token.kind is TokenKind.NAME:
        _check_number_end(previous, token, source)
    if token.kind is TokenKind.STRING and previous.kind is TokenKind.STRING:
        return  # Python joins them
    if token.kind in (TokenKind.NUMBER, TokenKind.STRING) or (token.kind is TokenKind.NAME and not is_keyword(token)):
        _missing_operator(previous, token, source, is_function)
    if token.text == "(" and previous.kind is TokenKind.NUMBER:
        hint = f"write the product as `{_short(previous)}*(...)`"
        _fail(previous, source, "a number is not a function", hint, token)


def _check_number_end(number: Token, name: Token, source: str) -> None:
    """Explain letters that touch a number and are neither a variable nor part of it."""
    message = f"`{_short(number)}{_short(name)}` is not a number"
    if is_keyword(name):
        _fail(number, source, message, f"put a space before `{name.text}`", name)
    if name.text in ("e", "E"):
        _fail(number, source, message, f"complete the exponent: `{_short(number)}e3`", name)


def _missing_operator(previous: Token, token: Token, source: str, is_function: Callable[[str], object]) -> NoReturn:
    left, right = _short(previous), _short(token)
    hint = f"write a product as `{left}*{right}`"
    if previous.kind is TokenKind.NAME and token.kind is not TokenKind.STRING and is_function(previous.text):
        hint = f"a function needs brackets: `{left}({right})`"
    elif token.kind is TokenKind.NAME and is_function(token.text) and source[token.end : token.end + 1] == "(":
        hint = f"write a product as `{left}*{right}(...)`; separate statements by `;` or a new line"
    elif previous.kind not in (TokenKind.NUMBER, TokenKind.NAME) or token.kind is TokenKind.STRING:
        hint = "separate statements by `;` or a new line, and arguments by a comma"
    elif previous.end != token.start:
        hint += "; separate statements by `;` or a new line"
    _fail(previous, source, f"an operator is missing between `{left}` and `{right}`", hint, token)


def _missing_left(previous: Token | None, token: Token, following: Token, source: str) -> None:
    """Explain an operator or a separator with no value before it."""
    if token.text in (",", ";"):
        if token.text == ";" or (previous is not None and previous.text in (",", "(", "[")):
            _missing_before_separator(previous, token, source)
    elif token.text in ("*", "**") and previous is not None and previous.text in ("(", "[", "{", ","):
        return  # among the arguments of a call, in a list or a dictionary, or before a parameter
    elif token.text == "*" and _REST.match(source, token.start):
        return
    elif token.text in ("*", "**") and (
        previous is None or previous.text in ("(", "[", ",", ";", "=") or previous.kind is TokenKind.NEWLINE
    ):
        kind = "starred values are" if token.text == "*" else "`**` before a value, as in `**options`, is"
        _fail(token, source, f"{kind} not accepted", None, following if following.kind is TokenKind.NAME else None)
    elif token.text == "=" and previous is not None and previous.text in ("=", "=="):
        _fail(token, source, "`==` compares and `=` assigns; this is neither", None)
    elif token.text == "|":
        _fail(token, source, "`|` has no value before it", "an absolute value is `abs(x)`, a norm `norm(x)`")
    elif token.text != ":" and not _is_negation(previous, token) and not _is_unpacking(previous, token):
        after = f" after `{previous.text}`" if previous is not None and previous.text.strip() else ""
        _fail(token, source, f"unexpected `{token.text}`{after}: a value is missing before it")


def _is_unpacking(previous: Token | None, token: Token) -> bool:
    """`dx, = torch.autograd.grad(y, x)` takes the only value."""
    return previous is not None and (previous.text, token.text) == (",", "=")


def _is_negation(previous: Token | None, token: Token) -> bool:
    """`not in` is not a slip of its own: it is refused as a comparison."""
    return previous is not None and previous.text == "not" and token.text == "in"


def _missing_before_separator(previous: Token | None, token: Token, source: str) -> None:
    if token.text == ";" and previous is not None and previous.text in _BINARY | {"(", "[", ","}:
        _fail(previous, source, f"`{previous.text}` has nothing on its right")
    what = "statement" if token.text == ";" else "value"
    _fail(token, source, f"a {what} is missing before `{token.text}`", f"leave out the extra `{token.text}`")


def _check_bracket(token: Token, opened: list[Token], source: str) -> None:
    if token.kind is not TokenKind.OPERATOR:
        return
    if token.text in _OPENING:
        opened.append(token)
    elif token.text in _CLOSING:
        if not opened:
            _fail(token, source, f"`{token.text}` closes no bracket")
        opening = opened.pop()
        if _OPENING[opening.text] != token.text:
            _fail(token, source, f"`{token.text}` closes `{opening.text}`", f"expected `{_OPENING[opening.text]}`")


def _check_end(tokens: Sequence[Token], opened: list[Token], source: str) -> None:
    if opened:
        _fail(opened[-1], source, f"`{opened[-1].text}` is never closed", f"add `{_OPENING[opened[-1].text]}`")
    last = tokens[-2] if len(tokens) > 1 else None
    is_open = last is not None and last.text in _BINARY | {"not"} and last.kind in (TokenKind.OPERATOR, TokenKind.NAME)
    if is_open and last is not None and not _STAR_IMPORT.search(source[: last.end]):
        _fail(last, source, f"`{last.text}` has nothing on its right")
    if all(token.kind in (TokenKind.NEWLINE, TokenKind.END) for token in tokens):
        raise ProgramError("the program is empty", hint="write for example `x = w1 * w2; x + w1`")


def _short(token: Token) -> str:
    return shorten(token.text, 40)


def _fail(token: Token, source: str, message: str, hint: str | None = None, until: Token | None = None) -> NoReturn:
    """Raise the error with the caret under the token, or under everything from it to `until`."""
    raise ProgramError(message, span=Span(token.start, until.end if until else token.end), source=source, hint=hint)
