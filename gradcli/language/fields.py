"""The values that stand in the body of a class, and the fields of a dataclass: as what `__init__` assigns."""

from __future__ import annotations

import ast

_MADE = ("dataclass", "NamedTuple")  # classes whose `__init__` is written by their fields


def with_initialiser(node: ast.ClassDef) -> list[ast.stmt]:
    """Return the statements of a class with its values assigned in `__init__`, before all else."""
    fields = [statement for statement in node.body if _target(statement) is not None]
    if not fields:
        return node.body
    rest = [statement for statement in node.body if statement not in fields]
    own = next((one for one in rest if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
    if own is None:
        return [_initialiser(node, fields, takes=_is_made(node)), *rest]
    owner = own.args.args[0].arg if own.args.args else "self"
    values = [_assigned(field, owner, _value(field)) for field in fields if _value(field) is not None]
    own.body[:0] = values
    return rest


def _is_made(node: ast.ClassDef) -> bool:
    """Tell whether a class's fields are the parameters of its `__init__`."""
    return any(word in _MADE for part in (*node.bases, *node.decorator_list) for word in _words(part))


def _words(node: ast.expr) -> list[str]:
    return [inner.id if isinstance(inner, ast.Name) else inner.attr
            for inner in ast.walk(node) if isinstance(inner, ast.Name | ast.Attribute)]  # fmt: skip


def _target(statement: ast.stmt) -> str | None:
    """Return the name that a statement of a class gives a value, or declares."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return None


def _value(statement: ast.stmt) -> ast.expr | None:
    return statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None


def _assigned(statement: ast.stmt, owner: str, value: ast.expr | None) -> ast.stmt:
    """Return `owner.name = value` in the place of `name = value`."""
    target = ast.Attribute(ast.Name(owner, ast.Load()), _target(statement) or "", ast.Store())
    made = ast.Assign([target], value or ast.Constant(None))
    return _placed(made, statement)


def _placed(made: ast.stmt, place: ast.stmt) -> ast.stmt:
    """Return a new statement whose nodes all stand where another one does."""
    for inner in ast.walk(made):
        if isinstance(inner, ast.expr | ast.stmt | ast.arg) and not hasattr(inner, "lineno"):
            ast.copy_location(inner, place)
    return made


def _initialiser(node: ast.ClassDef, fields: list[ast.stmt], *, takes: bool) -> ast.stmt:
    """Return an `__init__` that assigns the fields: what it is given, or what stands in the class."""
    names = [_target(field) or "" for field in fields] if takes else []
    arguments = ast.arguments(
        posonlyargs=[], args=[ast.arg("self"), *map(ast.arg, names)], kwonlyargs=[], kw_defaults=[],
        defaults=[value for field in fields if takes and (value := _value(field)) is not None],
    )  # fmt: skip
    body = [
        _assigned(field, "self", ast.Name(_target(field) or "", ast.Load()) if takes else _value(field))
        for field in fields
        if takes or _value(field) is not None
    ]
    made = ast.FunctionDef("__init__", arguments, body or [ast.Pass()], [])
    return _placed(made, node)
