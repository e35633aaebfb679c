"""Text that came from a user, made safe: nothing in it can steer a terminal, mean something to LaTeX, or hide."""

from __future__ import annotations

import re
import unicodedata

GAP = " ... "
LOOKED_AT = 20  # times the length: of a huge text, no more of either end is looked at
# Controls, format characters (bidirectional marks, zero-width ones), surrogates, line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_LATEX = {character: f"\\{character}" for character in "_{}%#&$ "}
_LATEX |= {"\\": r"\backslash ", "^": r"\hat{}", "~": r"\sim "}
_IN_LATEX = str.maketrans(_LATEX)

GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa mu nu xi rho sigma tau phi chi psi omega"
CAPITALS = ("Gamma", "Delta", "Theta", "Sigma", "Phi", "Psi", "Omega")
LETTERS = frozenset((*GREEK.split(), *CAPITALS))


def escape(text: str, *, keep_newlines: bool = False) -> str:
    r"""Return the text with every control, format and undecodable character written as an escape such as `\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(escape_character(character, keep_newlines=keep_newlines) for character in text)


def escape_character(character: str, *, keep_newlines: bool = False) -> str:
    """Return one character, as an escape where it would be invisible or could not be encoded."""
    if character == "\n" and keep_newlines:
        return character
    if unicodedata.category(character) not in _HIDDEN:
        return character
    return ascii(character)[1:-1]


# What a log takes for a command: GitHub `::set-env::` after spaces, and `##[group]` anywhere in a line; Azure `##vso[`.
_AT_START = re.compile(r"^(\s*)::", re.MULTILINE)
_ANYWHERE = re.compile(r"##(\w*)\[")


def break_commands(text: str, colon: str = r"\x3a", bracket: str = r"\x5b") -> str:
    """Return text in which no line is a command to the service that reads it as the log of a job.

    `colon` and `bracket` are what stands for these characters then: an escape of the format that the text is in.
    """
    if "##" in text:
        text = _ANYWHERE.sub(lambda match: f"##{match[1]}{bracket}", text)
    return _AT_START.sub(lambda match: f"{match[1]}{colon}:", text) if "::" in text else text


def clip(text: str, length: int) -> str:
    """Return a user's text on one line, safe to print, its middle left out where it is longer than `length`."""
    most = LOOKED_AT * length
    ends = text if len(text) <= 2 * most else f"{text[:most]}{GAP}{text[-most:]}"
    return shortened(escape(" ".join(ends.split())), length)


def shortened(text: str, length: int) -> str:
    """Return a text with its middle left out where it is longer than `length`; a quarter is left for its end."""
    end = length // 4
    return text if len(text) <= length else f"{text[: length - end - len(GAP)]}{GAP}{text[-end:]}"


def escape_latex(text: str) -> str:
    r"""Return the text with every character that means something to LaTeX written as one that stands for itself."""
    return text.translate(_IN_LATEX)


def display_width(text: str) -> int:
    """Return the number of terminal columns that the text takes."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def latex_name(name: str) -> str:
    """Return a tensor's name in LaTeX: w1 has a subscript, alpha is the letter, expressions stand upright."""
    match = re.fullmatch(r"([A-Za-z]+)_?(\d*)", name)
    if match is None:
        return rf"\mathtt{{{escape_latex(name)}}}"
    stem, number = match.groups()
    if stem in LETTERS:
        stem = rf"\{stem}"
    elif len(stem) > 1:
        stem = rf"\mathrm{{{stem}}}"
    return f"{stem}_{{{number}}}" if number else stem
