"""Every command by its name: the modules that it consists of, and their functions, are called the same.

A command is a row here, a module in `gradcli.cli` and, if it makes a report of a program, one in
`gradcli.execution.commands`; what only it reports is a record in `gradcli.report`, shown by `gradcli.render.commands`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal

# Those that make a report.
Command = Literal[
    "eval",
    "grad",
    "check",
    "accumulate",
    "jvp",
    "jacobian",
    "hessian",
    "double-backward",
    "trace",
    "graph",
    "plot",
    "report",
    "derive",
    "prove",
    "custom",
    "run",
]
# Those that tell of the installed PyTorch, of what gradcli itself consists, and of what it keeps.
Information = Literal["audit", "ops", "schema", "info", "cache"]


def function_of(command: str, package: str) -> Callable[..., Any]:
    """Return the function of a command in a package: of `double-backward`, `double_backward.double_backward` in it."""
    name = command.replace("-", "_")
    function: Callable[..., Any] = getattr(import_module(f"{package}.{name}"), name)
    return function
