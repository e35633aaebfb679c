"""The leaves of a program: the names that are read before they are assigned."""

from __future__ import annotations

from gradcli.errors import Span
from gradcli.language.modules import Classes, makers, parameters
from gradcli.language.order import postorder
from gradcli.language.program import (
    Assign,
    Call,
    Class,
    Comprehension,
    Differentiate,
    Each,
    Expression,
    Fill,
    For,
    Function,
    GradMode,
    If,
    InPlace,
    Leave,
    Name,
    Pattern,
    Raise,
    Rest,
    Return,
    Sequence,
    SetAttribute,
    SetItem,
    Statement,
    Try,
    Unpack,
    While,
)
from gradcli.language.source import Source


def find_leaves(statements: tuple[Statement, ...], source: Source) -> tuple[Name, ...]:
    """Return the leaves in order of first appearance, each where it is first read."""
    reader = _LeafFinder(source, assigned_names(statements))
    reader.block(statements, set())
    return tuple(sorted(reader.leaves.values(), key=lambda leaf: leaf.span.start))


def assigned_names(statements: tuple[Statement, ...]) -> set[str]:
    """Return the names that the statements assign, those in branches and loops included."""
    return {target.name for statement in every(statements) for target in targets(statement)}


def count_calls(statements: tuple[Statement, ...]) -> int:
    """Return the number of operations written in a program; a loop's count once, and a function's too."""
    return sum(isinstance(node, Call) for expression in expressions(statements) for node in postorder(expression))


def expressions(statements: tuple[Statement, ...]) -> list[Expression]:
    """Return all expressions of the statements and of functions in them, in the order in which they are written."""
    found: list[Expression] = []
    for statement in every(statements):
        for expression in own_expressions(statement):
            found.append(expression)
            for function in functions_in(expression):
                found += expressions(function.body)
    return found


def functions_in(expression: Expression) -> list[Function]:
    """Return the functions that an expression makes, methods of classes included; not those inside of these."""
    return [node for node in postorder(expression) if isinstance(node, Function)]


def own_expressions(statement: Statement) -> tuple[Expression, ...]:
    """Return a statement's expressions without those of its blocks."""
    match statement:
        case If() | While():
            return (statement.test,)
        case For():
            return statement.bounds
        case Each():
            return (statement.iterable,)
        case GradMode() | Leave() | Raise() | Try():
            return ()
        case Return():
            return () if statement.value is None else (statement.value,)
        case Differentiate():
            given = (statement.output, statement.upstream, statement.wrt)
            return tuple(expression for expression in given if expression is not None)
        case SetAttribute():
            return (statement.owner, statement.value)
        case SetItem():
            return (statement.index, statement.value)
        case Fill():
            return (statement.target, *statement.value.arguments, *(value for _, value in statement.value.keywords))
        case _:
            return (statement.value,)


def targets(statement: Statement) -> tuple[Name, ...]:
    """Return the names that a statement itself assigns, a loop in each round."""
    match statement:
        case InPlace() | For():
            return (statement.target,)
        case Assign():
            return statement.targets
        case Each():
            return names_in(statement.targets)
        case Unpack():
            return names_in(statement.pattern)
        case Try(name=Name() as name):
            return (name,)
    return ()


def names_in(pattern: Pattern) -> tuple[Name, ...]:
    """Return the names that are unpacked, in a row."""
    if isinstance(pattern, Rest):
        return (pattern.name,)
    return (pattern,) if isinstance(pattern, Name) else tuple(name for part in pattern for name in names_in(part))


def find_made(statements: tuple[Statement, ...], leaves: tuple[Name, ...], source: Source) -> tuple[Name, ...]:
    """Return the leaves that statements make, each by the name that it is assigned to, else by its text."""
    found = {leaf.name: leaf for leaf in leaves}
    classes = Classes(node for expression in expressions(statements) for node in _classes(expression))
    for statement, expression in _making(statements):
        if isinstance(statement, Assign) and len(statement.targets) > 1 and isinstance(expression, Sequence):
            for target, item in zip(statement.targets, expression.items, strict=False):
                for _, own in parameters(item, target.name, classes):
                    found.setdefault(own, Name(own, target.span))
            continue
        for node in makers(expression, classes):
            name = _name_of(node, statement, source)
            for maker, own in parameters(node, name, classes):
                found.setdefault(own, Name(own, _place(maker, statement)))
    return tuple(name for name in found.values() if name not in leaves)


def _classes(expression: Expression) -> list[Class]:
    return [expression] if isinstance(expression, Class) else []


def _making(statements: tuple[Statement, ...]) -> list[tuple[Statement, Expression]]:
    """Return the expressions that may make leaves; what a class makes is called by what its instance is."""
    found: list[tuple[Statement, Expression]] = []
    for statement in every(statements):
        for expression in own_expressions(statement):
            found.append((statement, expression))
            for function in [] if isinstance(expression, Class) else functions_in(expression):
                found += _making(function.body)
    return found


def _name_of(node: Expression, statement: Statement, source: Source) -> str:
    if isinstance(statement, Assign) and statement.value is node and len(statement.targets) == 1:
        return statement.targets[0].name
    return " ".join(source.text[node.span.start : node.span.end].split())


def _place(maker: Expression, statement: Statement) -> Span:
    """Return where a leaf is made: where it is assigned, for a tensor that is."""
    if isinstance(statement, Assign) and statement.value is maker and len(statement.targets) == 1:
        return statement.targets[0].span
    return maker.span


def every(statements: tuple[Statement, ...]) -> list[Statement]:
    """Return the statements and those inside their blocks, in the order in which they are written."""
    found: list[Statement] = []
    for statement in statements:
        found.append(statement)
        for block in blocks(statement):
            found += every(block)
    return found


def blocks(statement: Statement) -> tuple[tuple[Statement, ...], ...]:
    """Return the blocks of a statement."""
    match statement:
        case If() | Try():
            return (statement.body, statement.otherwise)
        case While() | For() | Each() | GradMode():
            return (statement.body,)
    return ()


class _LeafFinder:
    """Follows the flow: `assigned` holds the names that some way to this point has assigned.

    A function runs when it is called: it may read what the program assigns anywhere.
    """

    def __init__(self, source: Source, everywhere: set[str]) -> None:
        self.source = source
        self.everywhere = everywhere
        self.leaves: dict[str, Name] = {}

    def block(self, statements: tuple[Statement, ...], assigned: set[str]) -> None:
        """Read the statements, and add to `assigned` what they assign."""
        for statement in statements:
            for expression in own_expressions(statement):
                self._read(expression, assigned)
            assigned.update(target.name for target in targets(statement))
            if isinstance(statement, If | Try):
                self._branches(statement, assigned)
            else:
                for block in blocks(statement):
                    self.block(block, assigned)

    def _branches(self, statement: If | Try, assigned: set[str]) -> None:
        then, otherwise = set(assigned), set(assigned)
        self.block(statement.body, then)
        self.block(statement.otherwise, otherwise)
        assigned.update(then, otherwise)

    def _read(self, expression: Expression, assigned: set[str]) -> None:
        nodes = list(postorder(expression, opaque=(Comprehension,)))
        names = [node for node in nodes if isinstance(node, Name)]
        for name in sorted(names, key=lambda name: name.span.start):
            if name.name not in assigned:
                self.leaves.setdefault(name.name, name)
        for node in nodes:
            if isinstance(node, Function):
                self.block(node.body, {*assigned, *self.everywhere, *node.names})
            elif isinstance(node, Comprehension):
                self._comprehension(node, assigned)

    def _comprehension(self, node: Comprehension, assigned: set[str]) -> None:
        self._read(node.iterable, assigned)
        inside = {*assigned, *(target.name for target in names_in(node.targets))}
        for part in (node.test, node.element):
            if part is not None:
                self._read(part, inside)
