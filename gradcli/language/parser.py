"""Text to Program: the checks that need no tree, Python's own parser, then an allow-list of nodes.

Nothing here runs, evaluates or imports what the text says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from gradcli.errors import Span
from gradcli.language.leaves import count_calls, find_leaves, find_made
from gradcli.language.limits import check_nesting, check_numbers, check_size
from gradcli.language.outputs import check_output, with_call
from gradcli.language.pasted import without_surroundings
from gradcli.language.program import Evaluate, Expression, Program
from gradcli.language.slips import check_slips
from gradcli.language.source import Source, make_source
from gradcli.language.statements import build_block
from gradcli.language.syntax import parse_text, too_deep
from gradcli.language.tokens import Token, TokenKind, tokenize
from gradcli.limits import Limits

_DEFAULT = Limits()


def parse(
    source: str,
    limits: Limits = _DEFAULT,
    *,
    definition: bool = False,
    is_function: Callable[[str], object] = lambda _: False,
) -> Program:
    """Return the program that a text stands for; a definition of the op table may also use `and`, `is` and so on.

    `is_function` tells whether a name is that of a function, for what a message suggests. Raises ProgramError or
    LimitError, and nothing else, whatever the text.
    """
    check_size(source, limits)
    tokens: tuple[Token, ...] = ()
    clean = source
    if not definition:  # those are ours: Python reads them as they stand
        source = without_surroundings(source)
        tokens, clean = tokenize(source)
        check_numbers(tokens, source)
        check_nesting(tokens, source, limits)
        check_slips(tokens, source, is_function)
    try:
        return _program(make_source(source, clean, limits, definition=definition), tokens)
    except (RecursionError, MemoryError):
        raise too_deep(limits) from None


@lru_cache(maxsize=1024)
def parse_formula(text: str) -> Expression:
    """Return the one expression that a formula in the op table consists of."""
    (statement,) = parse(text, definition=True).statements
    assert isinstance(statement, Evaluate)  # noqa: S101 (the op table is ours)
    return statement.value


def _program(source: Source, tokens: tuple[Token, ...]) -> Program:
    source, body = parse_text(source, indented=_is_indented(tokens))
    statements = build_block(body, source, is_program=True)
    if source.definition:
        return Program(source.text, statements, find_leaves(statements, source))
    statements = with_call(statements)
    check_output(statements, source)
    calls = count_calls(statements)
    if calls > source.limits.operations:
        message = f"the program has {calls} operations, more than the limit of {source.limits.operations}"
        raise source.limit(message, Span(0, 1), f"`--max-operations {calls}` raises the limit")
    leaves, session = find_leaves(statements, source), source.session
    made, retained = find_made(statements, leaves, source), tuple(dict.fromkeys(session.retained))
    return Program(source.text, statements, leaves, made, retained, tuple(session.notes), session.further,
                   session.command)  # fmt: skip


def _is_indented(tokens: tuple[Token, ...]) -> bool:
    """Tell whether the first line that holds anything is indented, as in a pasted block."""
    return next((bool(token.indent) for token in tokens if token.kind is not TokenKind.NEWLINE), False)
