"""Python's own parser, behind the checks: text to `ast`, its complaints in plain words."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from gradcli.errors import LimitError, ProgramError, Span
from gradcli.language.imported import with_full_names
from gradcli.language.source import Source
from gradcli.limits import Limits
from gradcli.python_trees import module_tree

# Levels of the tree that Python counts as one frame; frames of who calls it; and frames that a thread has room for.
LEVELS, CALLERS, DEEPEST = 3, 200, 5_000
_WRAPPER = "if 1:\n"  # lets a pasted block that is indented as a whole be read

# What CPython's message holds, what the user is told, and how to fix it.
_COMPLAINTS: tuple[tuple[str, str, str | None], ...] = (
    (
        "unexpected indent",
        "this line is indented, but no block begins before it",
        "to go on from the line above, put brackets around",
    ),
    ("unindent does not match", "this line is indented like no line above it", None),
    ("inconsistent use of tabs", "tabs and spaces are mixed in the indentation", "use spaces"),
    ("expected an indented block", "an indented line must follow", "indent the statements of the block"),
    ("expected ':'", "a `:` is missing", None),
    ("positional argument follows keyword", "an argument without a name follows one with a name", None),
    ("keyword argument repeated", "an argument is given twice", None),
    ("cannot assign to", "only names can be assigned to", "`==` compares"),
    ("Maybe you meant '=='", "`=` assigns, but a value is expected here", "`==` compares"),
    ("expected 'else' after", "`else` is missing: a choice is `a if condition else b`", None),
)


def parse_text(source: Source, *, indented: bool) -> tuple[Source, list[ast.stmt]]:
    """Return Python's statements, with the source that maps their places."""
    if indented:
        source = replace(source, first_line=2)
    try:
        with _room_for(source.limits):
            module = module_tree(_WRAPPER + source.clean if indented else source.clean)
    except SyntaxError as error:
        if (error.msg or "").startswith("too many"):  # nested parentheses, levels of indentation
            raise too_deep() from None
        raise _explained(error, source) from None
    if not source.definition and source.mentions({"import"}):
        with_full_names(module)
    body = module.body
    if indented and isinstance(body[0], ast.If):
        body = body[0].body + body[1:]
    return source, body


@contextmanager
def _room_for(limits: Limits) -> Iterator[None]:
    """Let Python's parser nest as deep as the limits allow: a sum of so many terms is a tree of that depth."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, min(_depth(limits), DEEPEST)))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _depth(limits: Limits) -> int:
    """Return how many frames Python needs for the longest expression that the limits allow."""
    return (limits.operations + limits.nesting) // LEVELS + CALLERS


def too_deep(limits: Limits | None = None) -> LimitError:
    """Return the error for a tree that Python cannot hold: not at all, or not with these limits."""
    if limits is not None and _depth(limits) < DEEPEST:
        rest = "`--max-operations` raises the limit"
    else:
        rest = "no option raises this limit, which is that of Python's own parser"
    return LimitError(
        "an expression of the program is too long or nests too deep",
        hint=f"give parts of it a name: `y = ...`; {rest}",
    )


def _explained(error: SyntaxError, source: Source) -> ProgramError:
    message, hint = _in_plain_words(error, source)
    start = source.offset(error.lineno or source.first_line, (error.offset or 1) - 1)
    if isinstance(error, IndentationError):
        line_start = source.offset(error.lineno or source.first_line, 0)
        line = source.clean[line_start:].partition("\n")[0]
        start = line_start + len(line) - len(line.lstrip())
    end = max(start + 1, source.offset(error.end_lineno or 0, (error.end_offset or 0) - 1))
    if "\n" in source.clean[start:end]:
        end = start + 1
    return source.error(message, Span(start, end), hint)


def _in_plain_words(error: SyntaxError, source: Source) -> tuple[str, str | None]:
    for part, message, hint in _COMPLAINTS:
        if part in (error.msg or ""):
            return message, hint
    line = source.clean[source.offset(error.lineno or source.first_line, 0) :].partition("\n")[0]
    if any(f"; {word} " in line for word in ("if", "while", "for")):
        return "`if`, `while` and `for` must begin a line", "put the statement on a line of its own"
    if line.startswith("@"):
        return "a decorator stands before a function", "a file is named as it is, without `@`"
    return "this is not a program: a statement is `name = expression` or an expression", None
