"""The leaves of a program: the names that are read before they are assigned."""

from __future__ import annotations

from gradcli.language.order import postorder
from gradcli.language.program import (
    Assign,
    Call,
    Differentiate,
    Expression,
    For,
    GradMode,
    If,
    InPlace,
    Leaf,
    Name,
    Statement,
    While,
)
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
        found.update(target.name for target in targets(statement))
        if isinstance(statement, (If, While, For, GradMode)):
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
        if isinstance(statement, (If, While, For, GradMode)):
            found += expressions(statement.body)
        if isinstance(statement, If):
            found += expressions(statement.otherwise)
    return found


def own_expressions(statement: Statement) -> tuple[Expression, ...]:
    """Return a statement's expressions without those of its blocks."""
    match statement:
        case If() | While():
            return (statement.test,)
        case For():
            return statement.bounds
        case GradMode():
            return ()
        case Differentiate():
            given = (statement.output, statement.upstream, statement.wrt)
            return tuple(expression for expression in given if expression is not None)
        case _:
            return (statement.value,)


def targets(statement: Statement) -> tuple[Name, ...]:
    """Return the names that a statement itself assigns."""
    if isinstance(statement, InPlace):
        return (statement.target,)
    return statement.targets if isinstance(statement, Assign) else ()


def find_made(statements: tuple[Statement, ...], leaves: tuple[Name, ...], source: Source) -> tuple[Name, ...]:
    """Return the leaves that statements make, each by the name that it is assigned to, else by its text."""
    found = {leaf.name: leaf for leaf in leaves}
    for statement in _all(statements):
        for expression in own_expressions(statement):
            for node in postorder(expression):
                if isinstance(node, Leaf):
                    name = _name_of(node, statement, source)
                    found.setdefault(name.name, name)
    return tuple(name for name in found.values() if name not in leaves)


def _name_of(leaf: Leaf, statement: Statement, source: Source) -> Name:
    if isinstance(statement, Assign) and statement.value is leaf and len(statement.targets) == 1:
        return statement.targets[0]
    return Name(" ".join(source.text[leaf.span.start : leaf.span.end].split()), leaf.span)


def _all(statements: tuple[Statement, ...]) -> list[Statement]:
    """Return the statements and those inside their blocks, in the order in which they are written."""
    found: list[Statement] = []
    for statement in statements:
        found.append(statement)
        if isinstance(statement, (If, While, For, GradMode)):
            found += _all(statement.body)
        if isinstance(statement, If):
            found += _all(statement.otherwise)
    return found


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
            assigned.update(target.name for target in targets(statement))
            if isinstance(statement, If):
                self._branches(statement, assigned)
            elif isinstance(statement, GradMode):
                self.block(statement.body, assigned)
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
