"""Methods that do not keep what they belong to."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar
from weakref import WeakMethod

P = ParamSpec("P")
Result = TypeVar("Result")


def without_owner(method: Callable[P, Result]) -> Callable[P, Result]:
    """Return a method for what its owner holds: without a cycle, all tensors of a run are gone as soon as it is."""
    reference = WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        found = reference()
        assert found is not None  # noqa: S101 (its owner is asking)
        return found(*args, **kwargs)

    return call
