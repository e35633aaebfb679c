"""What to say about characters that no program holds: look-alikes, typographic operators, controls, stray bytes."""

from __future__ import annotations

import unicodedata
from typing import NoReturn

from gradcli.errors import ProgramError, Span

_OPERATORS = {
    **dict.fromkeys("\u00d7\u00b7\u2219\u22c5\u2217\u2715\u2a2f", "*"),
    **dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014", "-"),
    **dict.fromkeys("\u00f7\u2215\u2044", "/"),
    **dict.fromkeys("\u2018\u2019\u201c\u201d\u00ab\u00bb", '"'),
    "\u2264": "<=",
    "\u2265": ">=",
    "\u2260": "!=",
    "\u2026": "...",
    "\uff1d": "=",
    "\u2190": "=",
}
_SUPERSCRIPTS = dict(zip("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079", "0123456789", strict=True))
_FUNCTIONS = {
    "\u221a": "sqrt(...)",
    "\u2211": "sum(...)",
    "\u220f": "prod(...)",
    "\u221e": "inf",
    "\u22a4": ".T",
    "\u1d40": ".T",
}
_LOOK_ALIKES = dict(
    zip(
        "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u03bf\u0391\u0392\u0395\u0399\u039f\u03a1\u03a7",
        "aeopcxyiABEKMHOPCTXoABEIOPX",
        strict=True,
    )
)
_BIDI = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def check_comment(text: str, start: int, source: str) -> None:
    """Refuse what must not even stand in a comment: controls, marks that reorder the line, undecodable bytes."""
    for position, character in enumerate(text):
        if character in _BIDI or (unicodedata.category(character) in ("Cc", "Cs") and character != "\t"):
            refuse_character(source, start + position)


def refuse_character(source: str, position: int) -> NoReturn:
    """Raise the error that names the character and says what to type in its place."""
    character = source[position]
    message = f"unexpected character {_named(character)}"
    raise ProgramError(message, span=Span(position, position + 1), source=source, hint=_hint(source, position))


def _named(character: str) -> str:
    code = ord(character)
    if unicodedata.category(character) == "Cs":
        return f"(the byte 0x{code & 0xFF:02x} is not UTF-8 text)"
    name = unicodedata.name(character, "a control character" if unicodedata.category(character) == "Cc" else "")
    described = f"U+{code:04X} {name}".rstrip()
    return f"{character!r}" if character.isascii() and character.isprintable() else f"{character!r} ({described})"


def _hint(source: str, position: int) -> str | None:
    character = source[position]
    if source.startswith("\\n", position):
        return "a shell passes `\\n` on as two characters: write `;` between statements, or quote them as $'...\\n...'"
    if character == "\\":
        return "a line goes on while a bracket is open: use brackets instead of a backslash"
    if character in _SUPERSCRIPTS:
        return f"write a power as `{_word_before(source, position)}**{_exponent(source, position)}`"
    if character in _OPERATORS or character in _FUNCTIONS:
        return f"type `{_OPERATORS.get(character) or _FUNCTIONS[character]}`"
    if unicodedata.category(character) == "Zs":
        return "type an ordinary space"
    return _name_hint(character)


def _name_hint(character: str) -> str | None:
    """Suggest an ASCII name for a letter."""
    if character in _LOOK_ALIKES:
        return f"it only looks like the ASCII letter {_LOOK_ALIKES[character]!r}; names are ASCII"
    words = unicodedata.name(character, "").split()
    if words[:1] == ["GREEK"] and "LETTER" in words:
        spelled = words[words.index("LETTER") + 1]
        return f"names are ASCII: write `{spelled.lower() if 'SMALL' in words else spelled.capitalize()}`"
    plain = unicodedata.normalize("NFKC", character)
    if plain != character and plain.isascii() and plain.isprintable() and plain.strip():
        return f"type the ASCII character `{plain}`"
    return "names are ASCII letters, digits and `_`" if character.isalpha() else None


def _word_before(source: str, position: int) -> str:
    start = position
    while start and source[start - 1].isascii() and (source[start - 1].isalnum() or source[start - 1] == "_"):
        start -= 1
    return source[start:position] or "x"


def _exponent(source: str, position: int) -> str:
    digits = ""
    while position < len(source) and source[position] in _SUPERSCRIPTS:
        digits += _SUPERSCRIPTS[source[position]]
        position += 1
    return digits
