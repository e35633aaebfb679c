"""What PyTorch runs for a call of the table."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch

from gradcli.execution.forward.expressions import COMPARISONS
from gradcli.execution.forward.machine import BoundCall
from gradcli.ops.record import Op

OPERATORS: Mapping[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "neg": operator.neg,
    "matmul": operator.matmul,
    **dict(COMPARISONS.values()),
}


@cache
def function(dotted: str) -> Callable[..., Any]:
    """Return the callable that a dotted name means."""
    module, _, name = dotted.rpartition(".")
    if module == "torch.Tensor":
        return getattr(torch.Tensor, name)
    return getattr(importlib.import_module(module), name)


def target_of(op: Op, call: BoundCall) -> Callable[..., Any]:
    """Return what PyTorch runs for a call: Python's own operator where one was written."""
    return OPERATORS[op.name] if call.node.operator and op.name in OPERATORS else function(op.torch)
