"""What PyTorch runs for a call of the table."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from gradcli.execution.forward.machine import BoundCall
from gradcli.language.operator_table import OPERATOR_OF
from gradcli.ops.record import Op


@cache
def function(dotted: str) -> Callable[..., Any]:
    """Return the callable that a dotted name means."""
    module, _, name = dotted.rpartition(".")
    if module == "torch.Tensor":
        return getattr(torch.Tensor, name)
    return getattr(importlib.import_module(module), name)


def target_of(op: Op, call: BoundCall) -> Callable[..., Any]:
    """Return what PyTorch runs for a call: Python's own operator where one was written."""
    written = OPERATOR_OF.get(op.name) if call.node.operator else None
    return function(op.torch) if written is None else written.compute
