"""Walks over expressions without recursion: a chain of 2,000 operators is a tree 2,000 deep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from gradcli.language.program import (
    Attribute,
    BooleanOperation,
    Call,
    Class,
    Compare,
    Comprehension,
    Conditional,
    Dictionary,
    Ellipsis,
    Expression,
    Function,
    Index,
    Leaf,
    Sequence,
    Slice,
    Starred,
)

SyntaxNode: TypeAlias = "Expression | Slice | Ellipsis"


def children(node: SyntaxNode) -> tuple[SyntaxNode, ...]:
    """Return the nodes directly inside a node, in the order in which they are written (a condition comes first)."""
    match node:
        case Call(arguments=arguments, keywords=keywords):
            return (*arguments, *(value for _, value in keywords))
        case Attribute(value=value) | Leaf(value=value) | Starred(value=value):
            return (value,)
        case Index(value=value, items=items):
            return (value, *items)
        case Slice(start=start, stop=stop, step=step):
            return tuple(bound for bound in (start, stop, step) if bound is not None)
        case Sequence(items=items):
            return items
        case Dictionary(keys=keys, values=values):
            return (*keys, *values)
        case Compare(left=left, right=right):
            return (left, right)
        case BooleanOperation(operands=operands):
            return operands
        case Conditional(test=test, then=then, otherwise=otherwise):
            return (test, then, otherwise)
        case Function(defaults=defaults):
            return defaults  # its body runs where it is called
        case Class(methods=methods):
            return methods
        case Comprehension(element=element, iterable=iterable, test=None):
            return (iterable, element)
        case Comprehension(element=element, iterable=iterable, test=test) if test is not None:
            return (iterable, test, element)
    return ()


def postorder(expression: SyntaxNode, *, opaque: tuple[type, ...] = ()) -> Iterator[SyntaxNode]:
    """Yield every node after the nodes inside it; nodes of the `opaque` types are yielded but not entered.

    An evaluator that runs only the branch taken passes `opaque=(Conditional, BooleanOperation)`.
    """
    stack: list[tuple[SyntaxNode, bool]] = [(expression, False)]
    while stack:
        node, entered = stack.pop()
        if entered or isinstance(node, opaque):
            yield node
            continue
        stack.append((node, True))
        stack.extend((child, False) for child in reversed(children(node)))


def first_of(node: Expression) -> Expression | None:
    """Return the child that is evaluated first, of a node that can be deep in it."""
    match node:
        case Call(arguments=(first, *_)):
            return first
        case Attribute() | Index():
            return node.value
    return None
