"""Statements of Python in terms of simpler ones: what is said in one line, in several, before any is read."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradcli.language.gradients import as_gradients
from gradcli.language.names import dotted
from gradcli.language.pullbacks import without_pullback

# What registers a tensor or a module under a name, `self.register_buffer("scale", s)`: an assignment of an attribute.
_REGISTERS = frozenset({"register_buffer", "register_parameter", "register_module", "add_module"})


def desugared(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements of a block, each in terms of those that are read."""
    found: list[ast.stmt] = []
    for place, node in enumerate(body):
        if (switch := _switch(node)) is not None:
            return [*found, *_switched(node, switch, desugared(body[place + 1 :]))]
        if (pulled := without_pullback(body, place)) is not None:
            return [*found, *desugared(pulled)]
        if (kept := as_gradients(body, place)) is not None:
            return [*found, *desugared(kept)]
        if _is_main(node):
            found += desugared(node.body)  # type: ignore[attr-defined]  # it is an `if`
        else:
            found += _several(node)
    return found


def _is_main(node: ast.stmt) -> bool:
    """Tell whether a statement is `if __name__ == "__main__":`."""
    test = node.test if isinstance(node, ast.If) and not node.orelse else None
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _switch(node: ast.stmt) -> ast.Call | None:
    """Return the call of a statement `torch.set_grad_enabled(...)`, which holds from there on."""
    call = node.value if isinstance(node, ast.Expr) else None
    is_switch = isinstance(call, ast.Call) and (dotted(call.func) or ("",))[-1] == "set_grad_enabled"
    return call if is_switch else None  # type: ignore[return-value]  # it is a call


def _switched(node: ast.stmt, switch: ast.Call, inside: list[ast.stmt]) -> list[ast.stmt]:
    """Return what follows as a block of its own, in which gradients are recorded or not."""
    if not inside:
        return []
    made = ast.With([ast.withitem(switch, None)], inside)
    made.end_lineno, made.end_col_offset = inside[-1].end_lineno, inside[-1].end_col_offset
    return [_at(made, node, keep_end=True)]


def _at(made: ast.stmt, node: ast.AST, *, keep_end: bool = False) -> ast.stmt:
    made.lineno, made.col_offset = node.lineno, node.col_offset  # type: ignore[attr-defined]
    if not keep_end:
        made.end_lineno, made.end_col_offset = node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
    return made


def _several(node: ast.stmt) -> Iterator[ast.stmt]:
    """Yield a statement; `a = b = value` as two, and what registers an attribute as its assignment."""
    if isinstance(node, ast.Assign) and len(node.targets) > 1 and isinstance(node.targets[0], ast.Name):
        first, *others = node.targets
        assert isinstance(first, ast.Name)  # noqa: S101 (it is one)
        yield ast.copy_location(ast.Assign([first], node.value), node)
        for other in others:
            value = ast.copy_location(ast.Name(first.id, ast.Load()), first)
            yield ast.copy_location(ast.Assign([other], value), node)
        return
    yield _registered(node) or node


def _registered(node: ast.stmt) -> ast.stmt | None:
    match node:
        case ast.Expr(
            ast.Call(
                ast.Attribute(ast.Name() as owner, method),
                [ast.Constant(str(name)), value, *_],
            )
        ) if method in _REGISTERS:
            target = ast.copy_location(ast.Attribute(owner, name, ast.Store()), node)
            return ast.copy_location(ast.Assign([target], value), node)
    return None
