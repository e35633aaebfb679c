"""PyTorch's functions that are written in Python: looked into, so that the calls that they make are followed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, TypeGuard

import torch

# The questions by which a function of PyTorch's finds out that somebody follows it.
QUESTIONS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


def is_python(function: Any) -> TypeGuard[FunctionType]:
    """Return whether a function of PyTorch's is written in Python."""
    return isinstance(function, FunctionType) and function.__module__.startswith("torch.")


@contextmanager
def unasked(function: FunctionType) -> Iterator[None]:
    """Let a function's first question be answered with no, so that it goes on and does its work."""
    spaces = [vars(sys.modules[function.__module__]), function.__globals__, vars(torch.overrides)]
    kept = [(names, {name: names[name] for name in QUESTIONS if name in names}) for names in spaces]

    def answer(*_: object) -> bool:
        restore()
        return False

    def restore() -> None:
        for names, own in kept:
            names.update(own)

    for names, own in kept:
        names.update(dict.fromkeys(own, answer))
    try:
        yield
    finally:
        restore()
