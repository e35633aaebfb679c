"""The statements of a chain's backward and jvp as PyTorch's: what only one gradient needs, where that is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gradcli.derivation.notation.chain import Statements
from gradcli.derivation.notation.chain_statements import VALUE
from gradcli.derivation.notation.function_parts import gradient_name
from gradcli.derivation.notation.function_words import INDENT

Write = Callable[[str], str]
"""Returns the expression of a formula."""


@dataclass(slots=True)
class _Lines:
    """Writes values and results; the name of a value that nothing reads any more, and so its memory, is free again."""

    write: Write
    free: list[str]
    waiting: list[str]
    """The formulas that are still to be written."""
    names: dict[str, str]

    def value(self, name: str) -> str:
        """Return the statement of a value."""
        text = self.result()
        read = {other for text in self.waiting for other in VALUE.findall(text)}
        done = [other for other in self.names if other not in read]
        self.free = [*(self.names.pop(other) for other in done), *self.free]
        self.names[name] = self.free.pop(0)
        return f"{self.names[name]} = {text}"

    def result(self) -> str:
        """Return the expression of what comes next."""
        return self.write(VALUE.sub(lambda name: self.names[name[0]], self.waiting.pop(0)))


def backward_lines(found: Statements, parameters: Sequence[str], free: Sequence[str], write: Write) -> list[str]:
    """Return the statements of backward, for its parameters in their order."""
    if len(found.results) == 1:
        own = along_lines(found, free, write)
        gradient = own.pop().removeprefix("return ")
        return [*own, f"return {', '.join(gradient if name in found.results else 'None' for name in parameters)}"]
    users = _users(found)
    shared = [name for name in found.values if len(users[name]) > 1]
    blocks = {leaf: [name for name in found.values if users[name] == {leaf}] for leaf in found.results}
    order = [found.values[name] for name in shared]
    for leaf, names in blocks.items():
        order += [*(found.values[name] for name in names), found.results[leaf]]
    lines = _Lines(write, [*free], order, {})
    written = [f"{' = '.join(map(gradient_name, blocks))} = None", *map(lines.value, shared)]
    for leaf, names in blocks.items():
        own = [*map(lines.value, names), f"{gradient_name(leaf)} = {lines.result()}"]
        written += [f"if ctx.needs_input_grad[{parameters.index(leaf)}]:", *(INDENT + line for line in own)]
    return [*written, f"return {', '.join(gradient_name(name) if name in blocks else 'None' for name in parameters)}"]


def _users(found: Statements) -> Mapping[str, set[str]]:
    """Return the results that read each value."""
    users: dict[str, set[str]] = {name: set() for name in found.values}
    for result, text in found.results.items():
        for name in VALUE.findall(text):
            users[name].add(result)
    for name, text in reversed([*found.values.items()]):
        for read in VALUE.findall(text):
            users[read] |= users[name]
    return users


def along_lines(found: Statements, free: Sequence[str], write: Write) -> list[str]:
    """Return statements that are all computed, and the return of the results."""
    lines = _Lines(write, [*free], found.texts, {})
    written = [*map(lines.value, found.values)]
    results = [lines.result() for _ in found.results]
    last, _, text = written[-1].partition(" = ") if written else ("", "", "")
    if results == [last]:
        return [*written[:-1], f"return {text}"]
    return [*written, f"return {', '.join(results)}"]
