"""Calls without PyTorch's compiler, which it loads for nothing: a second or two, a hundred megabytes, and sympy.

Where an operand of forward mode has no tangent, and where only shapes are wanted, PyTorch asks functions of
`torch._refs`. Those are shielded from the compiler by `torch._dynamo.disable`, and for that it is imported. While it is
not there, a stand-in whose `disable` changes nothing does the same; what it has shielded is forgotten afterwards.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeVar

COMPILER = "torch._dynamo"
T = TypeVar("T")
_SHIELDED = "__dynamo_disable"  # where PyTorch keeps what `disable` made of a function


def uncompiled(call: Callable[[], T]) -> T:
    """Return what a call gives without the compiler, or with it where it wants more of that."""
    try:
        with without_compiler():
            return call()
    except (ImportError, AttributeError):
        return call()


@contextmanager
def without_compiler() -> Iterator[None]:
    """Let what is run in the block do without the compiler; no change where it is loaded already.

    Raises ImportError or AttributeError, from inside the block, where PyTorch wants more of it than `disable`.
    """
    if COMPILER in sys.modules:
        yield
        return
    stand_in, shielded = ModuleType(COMPILER), []

    def disable(function: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
        shielded.append(function)
        return function

    stand_in.disable = disable  # type: ignore[attr-defined]
    sys.modules[COMPILER] = stand_in
    try:
        yield
    finally:
        sys.modules.pop(COMPILER, None)
        vars(sys.modules["torch"]).pop("_dynamo", None)
        for function in shielded:
            vars(function).pop(_SHIELDED, None)
