"""Statements of a chain made fewer: what is computed twice has a name, and what is read once stands where it is read.

But no formula becomes longer than a line: its parts have names then.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from itertools import chain, count

from gradcli.derivation.notation.chain import Statements, put
from gradcli.derivation.notation.parsed import names_read, parsed

# The names of values.
VALUE = re.compile(r"\b_\d\w*\b")
# Characters of one formula, and of a part that is worth a name.
LINE, LEAST = 64, 16


def tidy(found: Statements) -> Statements:
    """Return statements in which nothing is computed twice, and no more has a name than is needed."""
    return _split(_inlined(_named_once(found)))


def _named_once(found: Statements) -> Statements:
    """Return statements in which nothing is computed twice."""
    while True:
        counts = Counter(chain.from_iterable(map(_computed, found.texts)))
        again = max((call for call, times in counts.items() if times > 1), key=len, default=None)
        if again is None:
            return found
        found = _with_name(found, again)


def _computed(text: str) -> list[str]:
    """Return the parts of a formula that are tensors which have to be computed."""
    nodes = ast.walk(parsed(text).body)
    kinds = ast.Call | ast.BinOp | ast.Compare
    return [ast.unparse(node) for node in nodes if isinstance(node, kinds) and [*names_read(node)]]


def _with_name(found: Statements, call: str) -> Statements:
    """Return statements in which a part has a name, before it is read."""
    name = next((key for key, text in found.values.items() if text == call), _free(found))
    values: dict[str, str] = {}
    for key, text in found.values.items():
        if call in _computed(text):
            values.setdefault(name, call)
        if key != name:
            values[key] = put(text, call, name)
    values.setdefault(name, call)
    return Statements(values, {key: put(text, call, name) for key, text in found.results.items()})


def _free(found: Statements) -> str:
    """Return a name that no value has."""
    return next(name for number in count(len(found.values)) if (name := f"_{number}_") not in found.values)


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


def _split(found: Statements) -> Statements:
    """Return statements in which the parts of a long formula are values of their own."""
    while part := next(filter(None, map(_part, found.texts)), None):
        found = _with_name(found, part)
    return found


def _part(text: str) -> str | None:
    """Return the longest part of a long formula that fits a line; None of another."""
    if len(text) <= LINE:
        return None
    return max((one for one in _computed(text) if LEAST <= len(one) <= LINE and one != text), key=len, default=None)
