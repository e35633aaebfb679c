"""Backward as recorded statements: what only one gradient needs is computed only where that is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gradcli.derivation.notation.function_parts import RecordedBackward, gradient_name
from gradcli.derivation.notation.function_words import INDENT

WORD = re.compile(r"[A-Za-z_]\w*")


def recorded_lines(recorded: RecordedBackward, parameters: Sequence[str]) -> list[str]:
    """Return the statements of backward, for its parameters in their order."""
    if len(recorded.gradients) == 1:
        results = [recorded.gradients.get(name, "None") for name in parameters]
        return [*recorded.lines, f"return {', '.join(results)}"]
    users = _users(recorded)
    targets = {name: gradient_name(name) for name in recorded.gradients}
    lines = [f"{' = '.join(targets.values())} = None"]
    lines += [line for line in recorded.lines if len(users.get(_target(line), ())) > 1]
    for place, name in enumerate(parameters):
        if name in targets:
            own = [line for line in recorded.lines if users.get(_target(line)) == {name}]
            body = [*own, f"{targets[name]} = {recorded.gradients[name]}"]
            lines += [f"if ctx.needs_input_grad[{place}]:", *(INDENT + line for line in body)]
    return [*lines, f"return {', '.join(targets.get(name, 'None') for name in parameters)}"]


def _users(recorded: RecordedBackward) -> Mapping[str, set[str]]:
    """Return the gradients that read each variable."""
    users: dict[str, set[str]] = {}
    for name, text in recorded.gradients.items():
        for word in WORD.findall(text):
            users.setdefault(word, set()).add(name)
    for line in reversed(recorded.lines):
        target = _target(line)
        for word in WORD.findall(line):
            if word != target:
                users.setdefault(word, set()).update(users.get(target, ()))
    return users


def _target(line: str) -> str:
    """Return the variable that a statement gives a value, or writes to."""
    return line.partition(" = ")[0].partition("[")[0]
