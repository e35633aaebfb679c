"""The two sides of a comparison with `torch.autograd.gradcheck`: the same program at the same point."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.forward.callables import function
from gradcli.execution.forward.dtypes import default_dtype
from gradcli.execution.forward.sampling import run_at_a_point
from gradcli.inputs.programs import read
from gradcli.ops.table import find, names
from gradcli.settings import Settings


def point(source: str, settings: Settings) -> dict[str, Tensor]:
    """Return the point at which `gradcli check` looks at a program."""
    with default_dtype(settings):
        trace = run_at_a_point(read(source, settings), settings, {})
    return {leaf.text: leaf.tensor.detach() for leaf in trace.leaves}


def gradcheck(source: str, leaves: Mapping[str, Tensor], **options: Any) -> bool:
    """Return what `torch.autograd.gradcheck` says of a program, every entry of its Jacobian looked at."""
    inputs = [leaf.clone().requires_grad_(leaf.is_floating_point()) for leaf in leaves.values()]
    return torch.autograd.gradcheck(python(source, tuple(leaves)), inputs, **{"raise_exception": False, **options})


def python(source: str, leaves: tuple[str, ...]) -> Callable[..., Tensor]:
    """Return a program as the Python function that a user of PyTorch would write, without gradcli in between."""
    *statements, last = ast.parse(source).body  # noqa: TID251  # a benchmark has one thread
    assert isinstance(last, ast.Expr)  # noqa: S101  # a program ends with its output
    arguments = ast.arguments([], [ast.arg(leaf) for leaf in leaves], None, [], [], None, [])
    made = ast.FunctionDef("program", arguments, [*statements, ast.Return(last.value)], [], None, None, lineno=1)
    found: dict[str, Any] = {}
    module = ast.fix_missing_locations(ast.Module([made], []))
    exec(compile(module, "<program>", "exec"), namespace(), found)  # noqa: S102  # the suite is our own
    return found["program"]  # type: ignore[no-any-return]


@cache
def namespace() -> dict[str, Any]:
    """Return what a program's names mean: PyTorch's functions, bare and with their prefixes."""
    bare = {name: find(name) for name in names() if "." not in name}
    functions = {name: function(op.torch) for name, op in bare.items() if op is not None}
    modules = {"special": torch.special, "linalg": torch.linalg, "fft": torch.fft}
    return {**functions, **modules, "torch": torch, "F": torch.nn.functional, "pi": torch.pi, "inf": torch.inf}
