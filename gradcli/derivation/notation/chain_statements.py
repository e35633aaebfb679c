"""Statements of a chain made fewer: what is called twice has a name, and what is read once stands where it is read."""

from __future__ import annotations

import ast
import re
from collections import Counter
from itertools import chain

from gradcli.derivation.notation.chain import Statements, put
from gradcli.derivation.notation.parsed import names_read, parsed

# The names of values.
VALUE = re.compile(r"\b_\d\w*\b")
# Characters of one formula.
LINE = 64


def tidy(found: Statements) -> Statements:
    """Return statements in which nothing is computed twice, and no more has a name than is needed."""
    return _inlined(_named_once(found))


def _named_once(found: Statements) -> Statements:
    """Return statements in which no function is called twice of the same."""
    while True:
        counts = Counter(chain.from_iterable(map(_calls, found.texts)))
        again = max((call for call, count in counts.items() if count > 1), key=len, default=None)
        if again is None:
            return found
        found = _with_name(found, again)


def _calls(text: str) -> list[str]:
    """Return the calls in a formula."""
    nodes = ast.walk(parsed(text).body)
    return [ast.unparse(node) for node in nodes if isinstance(node, ast.Call) and [*names_read(node)]]


def _with_name(found: Statements, call: str) -> Statements:
    """Return statements in which a call has a name, before it is read."""
    name = next((key for key, text in found.values.items() if text == call), f"_{len(found.values)}_")
    values: dict[str, str] = {}
    for key, text in found.values.items():
        if call in _calls(text):
            values.setdefault(name, call)
        if key != name:
            values[key] = put(text, call, name)
    values.setdefault(name, call)
    return Statements(values, {key: put(text, call, name) for key, text in found.results.items()})


def _inlined(found: Statements) -> Statements:
    """Return statements with values that are read once in the place where they are, unless it becomes too long."""
    for name in found.values:
        values, results = dict(found.values), dict(found.results)
        value = values.pop(name)
        readers = [
            (side, key) for side in (values, results) for key, text in side.items() if name in VALUE.findall(text)
        ]
        if readers:
            side, key = readers[0]
            text = put(side[key], name, value)
            if len(readers) > 1 or VALUE.findall(side[key]).count(name) > 1 or len(text) > LINE:
                continue
            side[key] = text
        found = Statements(values, results)
    return found
