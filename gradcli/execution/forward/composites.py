"""PyTorch's functions that are written in Python: looked into, so that the calls that they make are followed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, TypeGuard

# The questions by which a function of PyTorch's finds out that somebody follows it.
QUESTIONS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


def is_python(function: Any) -> TypeGuard[FunctionType]:
    """Return whether a function of PyTorch's is written in Python."""
    return isinstance(function, FunctionType) and function.__module__.startswith("torch.")


@contextmanager
def unasked(function: FunctionType) -> Iterator[None]:
    """Let a function's first question be answered with no, so that it goes on and does its work."""
    names = sys.modules[function.__module__].__dict__
    kept = {name: names[name] for name in QUESTIONS if name in names}

    def answer(*_: object) -> bool:
        names.update(kept)
        return False

    names.update(dict.fromkeys(kept, answer))
    try:
        yield
    finally:
        names.update(kept)
