"""Walks over expressions without recursion: a chain of 2,000 operators is a tree 2,000 deep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

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
    Gradient,
    Index,
    Leaf,
    Sequence,
    Slice,
    Starred,
)

SyntaxNode: TypeAlias = "Expression | Slice | Ellipsis"


def _parts(node: Comprehension) -> tuple[SyntaxNode, ...]:
    return (node.iterable, node.element) if node.test is None else (node.iterable, node.test, node.element)


_CHILDREN: Mapping[type, Callable[[Any], tuple[SyntaxNode, ...]]] = {
    Call: lambda node: (*node.arguments, *(value for _, value in node.keywords)),
    Attribute: lambda node: (node.value,),
    Leaf: lambda node: (node.value,),
    Starred: lambda node: (node.value,),
    Index: lambda node: (node.value, *node.items),
    Slice: lambda node: tuple(bound for bound in (node.start, node.stop, node.step) if bound is not None),
    Sequence: lambda node: node.items,
    Dictionary: lambda node: (*node.keys, *node.values),
    Compare: lambda node: (node.left, node.right),
    BooleanOperation: lambda node: node.operands,
    Conditional: lambda node: (node.test, node.then, node.otherwise),
    Function: lambda node: node.defaults,  # its body runs where it is called
    Class: lambda node: node.methods,
    Comprehension: _parts,
    Gradient: lambda node: (node.outputs, node.inputs, *(() if node.upstream is None else (node.upstream,))),
}


def children(node: SyntaxNode) -> tuple[SyntaxNode, ...]:
    """Return the nodes directly inside a node, in the order in which they are written (a condition comes first)."""
    inside = _CHILDREN.get(type(node))
    return () if inside is None else inside(node)


def postorder(expression: SyntaxNode, *, opaque: tuple[type, ...] = ()) -> Iterator[SyntaxNode]:
    """Yield every node after the nodes inside it; nodes of the `opaque` types are yielded but not entered.

    An evaluator that runs only the branch taken passes `opaque=(Conditional, BooleanOperation)`.
    """
    found, waiting = list[SyntaxNode](), [expression]
    while waiting:  # from the last to the first: each node before what is inside it
        node = waiting.pop()
        found.append(node)
        if (inside := _CHILDREN.get(type(node))) is not None and not isinstance(node, opaque):
            waiting.extend(inside(node))
    return reversed(found)


def first_of(node: Expression) -> Expression | None:
    """Return the child that is evaluated first, of a node that can be deep in it."""
    if isinstance(node, Call):
        return node.arguments[0] if node.arguments else None
    return node.value if isinstance(node, (Attribute, Index)) else None
