"""Names that a pasted text imports: what they stand for is written in their place."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_USUAL = {
    "torch": "torch",
    "torch.nn": "nn",
    "torch.nn.functional": "F",
    "torch.optim": "optim",
    "torch.autograd": "autograd",
}
# Modules whose names have no meaning without a prefix.
_QUALIFIED = ("torch.distributions", "torch.utils.data")


def with_full_names(module: ast.Module) -> None:
    """Write `torch.distributions.Normal` in the place of `dist.Normal` and of `Normal`, as the imports say."""
    meanings = dict(_meanings(module))
    if not meanings:
        return
    for node in ast.walk(module):
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.Name):
                setattr(node, field, _full(value, meanings))
            elif isinstance(value, list):
                value[:] = [_full(item, meanings) if isinstance(item, ast.Name) else item for item in value]


def _meanings(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield what an imported name stands for, where that is not what it is called anyway."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((one.asname, one.name) for one in node.names if one.asname and _is_other(one.asname, one.name))
        elif isinstance(node, ast.ImportFrom) and node.module == "math":
            yield from ((one.asname or one.name, f"math.{one.name}") for one in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "torch":
            for one in node.names:
                whole, called = f"{node.module}.{one.name}", one.asname or one.name
                if _is_other(called, whole) and (called != one.name or (node.module or "").startswith(_QUALIFIED)):
                    space = next((space for space in _QUALIFIED if whole.startswith(f"{space}.")), None)
                    yield called, whole if space is None else f"{space}.{one.name}"


def _is_other(called: str, name: str) -> bool:
    return name.partition(".")[0] in ("torch", "math") and called not in (name, _USUAL.get(name))


def _full(name: ast.Name, meanings: dict[str, str]) -> ast.expr:
    """Return the chain of attributes that a name stands for, in its place."""
    if name.id not in meanings or not isinstance(name.ctx, ast.Load):
        return name
    first, *rest = meanings[name.id].split(".")
    made: ast.expr = ast.copy_location(ast.Name(first, ast.Load()), name)
    for part in rest:
        made = ast.copy_location(ast.Attribute(made, part, ast.Load()), name)
    return made
