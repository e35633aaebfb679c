"""Code as Black lays it out: lines of at most 100 columns, broken at brackets, at commas, and before operators."""

from __future__ import annotations

import io
import re
import textwrap
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH, INDENT = 100, "    "
QUOTES = '"""'
# What a statement begins with, in front of the expression that is broken.
HEAD = re.compile(r"(?:return |assert |(?:\w+(?:, )?)+ = )?")
# A power of what is simple has no spaces.
POWER = re.compile(r"(?<![\w.\])])([\w.]+) \*\* (-?[\w.]+)(?![\w.(\[])")
NUMBER = re.compile(r"-?[\d.]+(?:e-?\d+)?")
# The weakest first: where an expression is broken.
STRENGTHS = (("or",), ("and",), ("==", "!=", "<", "<=", ">", ">="), ("|",), ("&",), ("+", "-"), ("*", "/", "@", "//"))


def wrapped(code: str) -> str:
    """Return code whose lines are no longer than `WIDTH` columns, where they can be broken."""
    lines: list[str] = []
    is_text = False
    for line in code.split("\n"):
        quotes = line.count(QUOTES)
        is_words = is_text or quotes > 0
        is_text = is_text != (quotes % 2 == 1)
        lines += (_words if is_words else _statement)(line)
    return "\n".join(lines)


def _words(line: str) -> list[str]:
    if len(line) <= WIDTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line.strip(),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


@dataclass(frozen=True, slots=True)
class _Mark:
    """A bracket, a comma or an operator that stands outside of all other brackets."""

    text: str
    start: int
    end: int


def _marks(text: str) -> list[_Mark]:
    """Return the brackets, commas and operators outside of brackets."""
    depth, found = 0, []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        depth -= token.string in {")", "]", "}"}
        if depth == 0 and (token.type == tokenize.OP or token.string in {"or", "and"}):
            found.append(_Mark(token.string, token.start[1], token.end[1]))
        depth += token.string in {"(", "[", "{"}
    return found


def _statement(line: str) -> list[str]:
    """Return a statement in as many lines as it takes."""
    line = POWER.sub(r"\1**\2", line)
    if len(line) <= WIDTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    text = line.strip()
    if text.startswith(("def ", "class ")):
        return _at_bracket(text, indent) or [line]
    start = "if " if text.startswith("if ") else text[: HEAD.match(text).end()]  # type: ignore[union-attr]  # or nothing
    end = ":" if start == "if " else ""
    return _expression(start, text[len(start) : len(text) - len(end)], end, indent)


def _expression(start: str, text: str, end: str, indent: str) -> list[str]:
    """Return a whole expression: broken at its last bracket, or at operators, and so in parentheses."""
    if _operators(text):
        inner = _fitting(text, indent + INDENT)
        return [f"{indent}{start}(", *inner, f"{indent}){end}"]
    return _at_bracket(f"{start}{text}{end}", indent) or [f"{indent}{start}{text}{end}"]


def _fitting(text: str, indent: str, end: str = "") -> list[str]:
    """Return an expression inside of brackets."""
    if len(indent) + len(text) + len(end) <= WIDTH:
        return [f"{indent}{text}{end}"]
    operators = _operators(text)
    if not operators:
        return _at_bracket(text + end, indent) or [indent + text + end]
    places = [0, *(one.start for one in operators), len(text)]
    parts = [text[one:other].strip() for one, other in pairwise(places)]
    lines = [line for part in parts[:-1] for line in _operand(part, indent)]
    return [*lines, *_operand(parts[-1], indent, end)]


def _operand(text: str, indent: str, end: str = "") -> list[str]:
    if len(indent) + len(text) + len(end) <= WIDTH:
        return [f"{indent}{text}{end}"]
    found = _at_bracket(text + end, indent)
    return found or (_fitting(text, indent, end) if _operators(text) else [f"{indent}{text}{end}"])


def _at_bracket(text: str, indent: str) -> list[str] | None:
    """Return a text broken inside of its last brackets that hold anything; None if there are none."""
    marks = _marks(text)
    pairs = [(one, other) for one, other in pairwise(marks) if one.text in "([{" and other.text in ")]}"]
    filled = [(one, other) for one, other in pairs if text[one.end : other.start].strip()]
    if not filled:
        return None
    short = [(one, other) for one, other in filled if len(indent) + one.end <= WIDTH]
    first, last = short[-1] if short else max(filled, key=lambda pair: pair[1].start - pair[0].end)
    head, inside, tail = text[: first.end], text[first.end : last.start], text[last.start :]
    return [indent + head, *_inside(inside.rstrip(","), indent + INDENT), indent + tail]


def _inside(text: str, indent: str) -> list[str]:
    """Return what stands in brackets: in one line, or with each part between commas in lines of its own."""
    commas = [one for one in _marks(text) if one.text == ","]
    if not commas or len(indent) + len(text) <= WIDTH:
        return _fitting(text, indent)
    places = [-1, *(one.start for one in commas), len(text)]
    parts = [text[one + 1 : other].strip() for one, other in pairwise(places)]
    if all(map(NUMBER.fullmatch, parts)):
        return textwrap.wrap(f"{', '.join(parts)},", WIDTH, initial_indent=indent, subsequent_indent=indent)
    return [line for part in parts for line in _fitting(part, indent, ",")]


def _operators(text: str) -> Sequence[_Mark]:
    """Return the weakest operators outside of brackets, between spaces."""
    between = [one for one in _marks(text) if text[one.start - 1 : one.start] == " " == text[one.end : one.end + 1]]
    return next(filter(None, ([one for one in between if one.text in several] for several in STRENGTHS)), [])
