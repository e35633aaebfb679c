"""What `torch.compile` has compiled: while it is followed it runs as it is written, not through the compiler."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import torch

COMPILER = "torch._dynamo"


@contextmanager
def as_written() -> Iterator[None]:
    """Let compiled code run as it is written meanwhile; the compiler, of some seconds, is loaded only if code is."""
    module: Any = torch
    original = module.compile
    with ExitStack() as stack:
        is_open = True

        @wraps(original)
        def compile_(*args: Any, **kwargs: Any) -> Any:
            if is_open and module.compile is compile_:
                module.compile = original
                stack.enter_context(_eager())
            return original(*args, **kwargs)

        if COMPILER in sys.modules:
            stack.enter_context(_eager())
        else:
            module.compile = compile_
        try:
            yield
        finally:
            is_open = False
            if module.compile is compile_:
                module.compile = original


@contextmanager
def compiling() -> Iterator[None]:
    """Let PyTorch compile meanwhile, inside of `as_written` too."""
    module: Any = torch
    before = module.compile
    module.compile = getattr(before, "__wrapped__", before)
    try:
        with torch.compiler.set_stance("default"):
            yield
    finally:
        module.compile = before


def _eager() -> Any:
    return torch.compiler.set_stance("force_eager")
