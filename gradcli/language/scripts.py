"""What to do with a pasted text that is more than a program: a script, or the definition of a function or a class."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping

from gradcli.language.pasted import without_surroundings
from gradcli.python_trees import module_tree

# What differentiates a function, and the command that does the same.
TRANSFORMS: Mapping[str, str] = {
    "jacobian": "jacobian",
    "jacrev": "jacobian",
    "jacfwd": "jacobian",
    "hessian": "hessian",
    "hvp": "hessian",
    "vhp": "hessian",
    "jvp": "jvp",
    "vjp": "grad",
    "grad": "grad",
    "value_and_grad": "grad",
    "grad_and_value": "grad",
    "gradcheck": "check",
    "gradgradcheck": "double-backward",
}
# What a text that is pasted without its imports means by these names.
IMPORTS: Mapping[str, str] = {
    "torch": "import torch",
    "nn": "from torch import nn",
    "F": "import torch.nn.functional as F",
    "optim": "from torch import optim",
    "np": "import numpy as np",
    "math": "import math",
}
# Without any of these a text is no script, and need not be read as Python, which may take long.
WORDS = ("def ", "class ", "lambda", "backward", *TRANSFORMS)
# What `gradcli run` checks.
CALLS = frozenset({"backward", "grad"})


def as_a_file(text: str, is_read: Callable[[str], bool] = lambda _: True) -> str | None:
    """Return which command takes a text as it stands once it is saved; None for one that is no script of Python.

    `is_read` tells whether an expression can be read as a program, for a command that has it.
    """
    if not any(word in text for word in WORDS):
        return None
    try:
        return _command_for(module_tree(without_surroundings(text)), is_read)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _command_for(tree: ast.Module, is_read: Callable[[str], bool]) -> str | None:
    functions = dict(_functions(tree))
    for node in ast.walk(tree):
        body = _differentiated(node, functions) if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Call) and body is not None and is_read(written := ast.unparse(body)):
            return f'write `gradcli {TRANSFORMS[_last_name(node.func)]} "{written}"`'
    saved = f"save it as FILE.py{_below_imports(tree)}, and"
    if any(_differentiates(node) for node in ast.walk(tree)):
        return f"{saved} `gradcli run FILE.py` runs it as it stands and checks each backward"
    command = next(_commands(tree.body), None)
    return None if command is None else f"{saved} `gradcli {command}` checks it as it stands"


def _below_imports(tree: ast.Module) -> str:
    """Return what a text needs to be a script: the imports that it was pasted without."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    known = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            known.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    read = {node.id for node in names if node.id not in known}
    missing = [statement for name, statement in IMPORTS.items() if name in read]
    return f" below `{'; '.join(missing)}`" if missing else ""


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield the functions that are one expression, by name, with it."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda(body=body)):
                yield name, body
            case ast.FunctionDef(name=name, body=[ast.Return(value=ast.expr() as body)]):
                yield name, body


def _differentiated(node: ast.Call, functions: Mapping[str, ast.expr]) -> ast.expr | None:
    """Return what the function computes that a call such as `jacobian(f, x)` differentiates; None for other calls."""
    if _last_name(node.func) not in TRANSFORMS or not node.args:
        return None
    match node.args[0]:
        case ast.Lambda(body=body):
            return body
        case ast.Name(id=name):
            return functions.get(name)
    return None


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
