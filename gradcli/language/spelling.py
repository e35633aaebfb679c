"""Leaves whose names say something else: the name of a function, or of Euler's number."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gradcli.language.leaves import expressions
from gradcli.language.order import postorder
from gradcli.language.program import Call, Name, Program


def functions_as_leaves(program: Program, is_function: Callable[[str], object]) -> Iterator[Name]:
    """Yield the leaves that are called as a function is."""
    return (leaf for leaf in program.leaves if is_function(leaf.name))


def notes_on_names(program: Program, is_function: Callable[[str], object]) -> Iterator[str]:
    """Yield what is to be said of the names of leaves."""
    for leaf in functions_as_leaves(program, is_function):
        yield f"'{leaf.name}' is a leaf here, not the function: `{leaf.name}(...)` calls that"
    if any(leaf.name == "e" for leaf in program.leaves) and _raises_e(program):
        yield "'e' is a leaf here: Euler's number is `math.e`, and its power `exp(x)`"


def _raises_e(program: Program) -> bool:
    nodes = (node for expression in expressions(program.statements) for node in postorder(expression))
    bases = (node.arguments[0] for node in nodes if isinstance(node, Call) and node.operator == "**")
    return any(isinstance(base, Name) and base.name == "e" for base in bases)
