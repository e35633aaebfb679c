"""Types of a running program: which class an object is of, and what a tensor type makes of a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from gradcli.execution.forward.draws import Evaluator
from gradcli.execution.forward.methods import UNKNOWN
from gradcli.execution.forward.values import TypeOf, Value
from gradcli.language.notebook import PYTHON
from gradcli.language.program import Call

# Python's classes, by the names under which `isinstance` is handed them.
_CLASSES: Mapping[str, type] = {f"{PYTHON}{kind.__name__}": kind for kind in (bool, dict, float, int, list, str, tuple)}


def tensor_of(evaluator: Evaluator, node: Call, values: list[Any]) -> Any:
    """Return `torch.Tensor(n)`, a tensor of n entries; of data it is a tensor with these."""
    is_size = isinstance(values[0], int) and not isinstance(values[0], bool)
    function = "zeros" if is_size or isinstance(values[0], torch.Size) else "tensor"
    return evaluator.call(replace(node, function=function), values, {})


def type_of(node: Call, values: list[Any]) -> Any:
    """Return the type of a module, which is compared with classes."""
    return TypeOf(values[0]) if len(values) == len(node.arguments) == 1 and isinstance(values[0], Value) else UNKNOWN


def is_instance(evaluator: Evaluator, node: Call, values: list[Any]) -> bool:
    """Return what `isinstance(m, nn.Linear)` says; a text stands for a type of tensors."""
    kinds = values[1:] if len(values) != 2 or not isinstance(values[1], tuple) else values[1]  # noqa: PLR2004
    if len(kinds) == 0 or not all(isinstance(kind, str) or hasattr(kind, "called") for kind in kinds):
        hint = "ask for a class of `torch.nn`, one of the program's own, or `torch.Tensor`"
        raise evaluator.error("`isinstance` knows no other classes", node, hint)
    python = tuple(_CLASSES[kind.function] for kind in kinds if getattr(kind, "function", None) in _CLASSES)
    if isinstance(values[0], python):
        return True
    if hasattr(values[0], "is_a"):
        return any(values[0].is_a(kind) for kind in kinds)
    return evaluator.machine.tensor(values[0]) is not None and any(isinstance(kind, str) for kind in kinds)
