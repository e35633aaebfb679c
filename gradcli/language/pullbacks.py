"""`out, pull = torch.func.vjp(f, x)` and the call `pull(v)` after it: together they are `vjp(f, (x,), v)`."""

from __future__ import annotations

import ast
from typing import TypeVar

from gradcli.language.names import dotted
from gradcli.python_trees import expression_tree

Node = TypeVar("Node", bound=ast.AST)
_VJP = expression_tree("torch.autograd.functional.vjp")


def without_pullback(body: list[ast.stmt], place: int) -> list[ast.stmt] | None:
    """Return the statements from a place on with `pull(v)` as the product itself; None where there is no pullback."""
    match body[place]:
        case ast.Assign(
            [ast.Tuple([ast.Name() as out, ast.Name(pull)])], ast.Call(made, [ast.Name() as f, *inputs], [])
        ):
            found = _called(pull, body[place + 1 :]) if (dotted(made) or ("",))[-1] == "vjp" else None
        case _:
            return None
    if found is None:
        return None
    distance, call = found
    forward = _at(ast.Assign([out], _at(ast.Call(f, inputs, []), made)), body[place])
    product = _at(ast.Call(_VJP, [f, _at(ast.Tuple(inputs, ast.Load()), made), *call.args], []), call)
    later = place + 1 + distance
    return [forward, *body[place + 1 : later], _at(ast.Expr(product), body[later]), *body[later + 1 :]]


def _called(name: str, body: list[ast.stmt]) -> tuple[int, ast.Call] | None:
    """Return the first statement that calls a name with one argument, by its place, and the call."""
    for place, statement in enumerate(body):
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                return (place, node) if len(node.args) == 1 else None
    return None


def _at(made: Node, like: ast.AST) -> Node:
    """Return a node that stands where another one does, and so do the nodes of it that have no place."""
    return ast.fix_missing_locations(ast.copy_location(made, like))
