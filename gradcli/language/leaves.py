"""The leaves of a program: the names that are read before they are assigned."""

from __future__ import annotations

from gradcli.language.order import postorder
from gradcli.language.program import Assign, Call, Expression, For, If, Name, Statement, While
from gradcli.language.source import Source


def find_leaves(statements: tuple[Statement, ...], source: Source) -> tuple[Name, ...]:
    """Return the leaves in order of first appearance, each where it is first read."""
    reader = _LeafFinder(source)
    reader.block(statements, set())
    return tuple(reader.leaves.values())


def assigned_names(statements: tuple[Statement, ...]) -> set[str]:
    """Return the names that the statements assign, those in branches and loops included."""
    found: set[str] = set()
    for statement in statements:
        if isinstance(statement, Assign):
            found.update(target.name for target in statement.targets)
        if isinstance(statement, (If, While, For)):
            found |= assigned_names(statement.body)
        if isinstance(statement, If):
            found |= assigned_names(statement.otherwise)
    return found


def count_calls(statements: tuple[Statement, ...]) -> int:
    """Return the number of operations written in a program; a loop's count once."""
    return sum(isinstance(node, Call) for expression in expressions(statements) for node in postorder(expression))


def expressions(statements: tuple[Statement, ...]) -> list[Expression]:
    """Return all expressions of the statements, in the order in which they are written."""
    found: list[Expression] = []
    for statement in statements:
        found += own_expressions(statement)
        if isinstance(statement, (If, While, For)):
            found += expressions(statement.body)
        if isinstance(statement, If):
            found += expressions(statement.otherwise)
    return found


def own_expressions(statement: Statement) -> tuple[Expression, ...]:
    """Return a statement's expressions without those of its blocks."""
    if isinstance(statement, (If, While)):
        return (statement.test,)
    return statement.bounds if isinstance(statement, For) else (statement.value,)


class _LeafFinder:
    """Follows the flow: `assigned` holds the names that some way to this point has assigned."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.leaves: dict[str, Name] = {}

    def block(self, statements: tuple[Statement, ...], assigned: set[str]) -> None:
        """Read the statements, and add to `assigned` what they assign."""
        for statement in statements:
            for expression in own_expressions(statement):
                self._read(expression, assigned)
            if isinstance(statement, Assign):
                assigned.update(target.name for target in statement.targets)
            elif isinstance(statement, If):
                self._branches(statement, assigned)
            elif isinstance(statement, (While, For)):
                self._loop(statement, assigned)

    def _branches(self, statement: If, assigned: set[str]) -> None:
        then, otherwise = set(assigned), set(assigned)
        self.block(statement.body, then)
        self.block(statement.otherwise, otherwise)
        assigned.update(then, otherwise)

    def _loop(self, statement: While | For, assigned: set[str]) -> None:
        if isinstance(statement, For):
            assigned.add(statement.target.name)
        self.block(statement.body, assigned)

    def _read(self, expression: Expression, assigned: set[str]) -> None:
        names = [node for node in postorder(expression) if isinstance(node, Name)]
        for name in sorted(names, key=lambda name: name.span.start):
            if name.name not in assigned:
                self.leaves.setdefault(name.name, name)
