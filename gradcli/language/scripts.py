"""What to do with a pasted text that is more than a program: a script, or the definition of a function or a class."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradcli.language.pasted import without_surroundings

# What `gradcli run` checks.
CALLS = frozenset({"backward", "grad"})


def as_a_file(text: str) -> str | None:
    """Return which command takes a text as it stands once it is saved; None for one that is no script of Python."""
    try:
        tree = ast.parse(without_surroundings(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if any(_differentiates(node) for node in ast.walk(tree)):
        return "save it as FILE.py, and `gradcli run FILE.py` runs it as it stands and checks each backward"
    command = next(_commands(tree.body), None)
    return None if command is None else f"save it as FILE.py, and `gradcli {command}` checks it as it stands"


def _differentiates(node: ast.AST) -> bool:
    """Return whether a node is a call of `backward()` or `autograd.grad()`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS


def _commands(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the command for each definition: of Functions, modules, then functions, the last one first."""
    classes = [node for node in reversed(body) if isinstance(node, ast.ClassDef)]
    for command, base in (("custom", "Function"), ("check", "Module")):
        yield from (f"{command} FILE.py:{node.name}" for node in classes if base in map(_last_name, node.bases))
    yield from (f"check FILE.py:{node.name}" for node in reversed(body) if isinstance(node, ast.FunctionDef))


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
