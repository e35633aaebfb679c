"""`--detach NAME`: the program in which a non-leaf's value goes on as a constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from gradcli.errors import InputError, LimitError
from gradcli.language.program import Call, Program

# A name that is assigned is not read there.
TARGETS = frozenset({"target", "targets", "span", "function_span"})


def detached(program: Program, wanted: Sequence[str]) -> Program:
    """Return the program with `detach` around every use of the tensors named, by name or by source text.

    Raises InputError for a leaf, and for a tensor that the program never reads; LimitError for an expression of so
    many operations in a row that it cannot be rewritten.
    """
    if not wanted:
        return program
    leaves = {leaf.name for leaf in program.leaves}
    texts = {"".join(name.split()) for name in wanted}
    for name in wanted:
        if name in leaves:
            raise InputError(f"--detach: '{name}' is a leaf", hint=f"`--constant {name}` makes a leaf a constant")
    found: set[str] = set()
    try:
        statements = tuple(_rewritten(statement, program, texts, found) for statement in program.statements)
    except RecursionError:
        message = "--detach: an expression of the program has too many operations in a row"
        raise LimitError(message, hint="write it in several statements") from None
    for name in wanted:
        if "".join(name.split()) not in found:
            hint = "give the name of a non-leaf that is used further on, or its source text"
            raise InputError(f"--detach: the program does not use a non-leaf '{name}'", hint=hint)
    return replace(program, statements=statements)


def _rewritten(node: Any, program: Program, texts: set[str], found: set[str]) -> Any:
    if isinstance(node, tuple):
        return tuple(_rewritten(item, program, texts, found) for item in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    inner = {field.name: getattr(node, field.name) for field in fields(node) if field.name not in TARGETS}
    node = replace(node, **{name: _rewritten(value, program, texts, found) for name, value in inner.items()})
    text = "".join(program.text(node).split()) if hasattr(node, "span") else ""
    if text in texts and not hasattr(node, "targets") and type(node).__name__ != "Evaluate":
        found.add(text)
        return Call("detach", (node,), (), node.span, node.span)
    return node
