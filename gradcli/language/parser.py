"""Text to Program: the checks that need no tree, Python's own parser, then an allow-list of nodes.

Nothing here runs, evaluates or imports what the text says.
"""

from __future__ import annotations

from gradcli.errors import Span
from gradcli.language.leaves import count_calls, find_leaves
from gradcli.language.limits import check_nesting, check_numbers, check_size
from gradcli.language.program import Program
from gradcli.language.slips import check_slips
from gradcli.language.source import Source, make_source
from gradcli.language.statements import build_block, check_output
from gradcli.language.syntax import parse_text, too_deep
from gradcli.language.tokens import Token, TokenKind, tokenize
from gradcli.limits import Limits

_DEFAULT = Limits()


def parse(source: str, limits: Limits = _DEFAULT, *, definition: bool = False) -> Program:
    """Return the program that a text stands for; a definition of the op table may also use `and`, `is`, `//` and so on.

    Raises ProgramError or LimitError, and nothing else, whatever the text.
    """
    check_size(source, limits)
    tokens, clean = tokenize(source)
    check_numbers(tokens, source)
    check_nesting(tokens, source, limits)
    check_slips(tokens, source, definition=definition)
    try:
        return _program(make_source(source, clean, limits, definition=definition), tokens)
    except (RecursionError, MemoryError):
        raise too_deep() from None


def _program(source: Source, tokens: tuple[Token, ...]) -> Program:
    source, body = parse_text(source, indented=_is_indented(tokens))
    statements = build_block(body, source)
    if not source.definition:
        check_output(statements, source)
    calls = count_calls(statements)
    if calls > source.limits.operations:
        message = f"the program has {calls} operations, more than the limit of {source.limits.operations}"
        raise source.limit(message, Span(0, 1), f"`--max-operations {calls}` raises the limit")
    return Program(source.text, statements, find_leaves(statements, source))


def _is_indented(tokens: tuple[Token, ...]) -> bool:
    """Tell whether the first line that holds anything is indented, as in a pasted block."""
    return next((bool(token.indent) for token in tokens if token.kind is not TokenKind.NEWLINE), False)
