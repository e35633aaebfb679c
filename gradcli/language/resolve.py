"""Checks that every function of a program is one that the op table knows, before anything is loaded or run."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

from gradcli.errors import ProgramError
from gradcli.language.leaves import expressions
from gradcli.language.order import postorder
from gradcli.language.program import Call, Name, Program
from gradcli.language.words import shorten
from gradcli.phrases import did_you_mean

# Questions about a tensor's shape, answered with plain integers: no op of the table.
SHAPE_METHODS = frozenset({"size", "numel", "dim", "ndimension"})


def resolve(program: Program, find: Callable[[str], object | None], names: Callable[[], Iterable[str]]) -> None:
    """Raise an error with a suggestion for the first function that `find` does not know; operators are always known."""
    nodes = [node for expression in expressions(program.statements) for node in postorder(expression)]
    variables = {node.name for node in nodes if isinstance(node, Name)}
    calls = [node for node in nodes if isinstance(node, Call) and node.operator is None]
    for call in sorted(calls, key=lambda call: call.function_span.start):
        if not (call.method and call.function in SHAPE_METHODS) and find(call.function) is None:
            raise _unknown(call, program, variables, names)


def _unknown(call: Call, program: Program, variables: set[str], names: Callable[[], Iterable[str]]) -> ProgramError:
    kind = "method" if call.method else "function"
    listed = "`gradcli ops` lists all"
    hint = did_you_mean(call.function, names(), listed, then=listed, nearest=nearest)
    if not call.method and call.function in variables:
        hint = f"'{call.function}' is a variable: write a product as `{call.function}*(...)`"
    return ProgramError(
        f"unknown {kind} '{shorten(call.function)}'", span=call.function_span, source=program.source, hint=hint
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is closest, or None if none is near; a missing prefix is no distance."""
    candidates = list(dict.fromkeys(known))
    name = shorten(name)  # the comparison is quadratic
    short = name.rpartition(".")[2].lower()
    by_last_name = {candidate.rpartition(".")[2].lower(): candidate for candidate in reversed(candidates)}
    exact = difflib.get_close_matches(name, candidates, 1, 0.6)
    last = difflib.get_close_matches(short, by_last_name, 1, 0.6)
    return exact[0] if exact else by_last_name[last[0]] if last else None
