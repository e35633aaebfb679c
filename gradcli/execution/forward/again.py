"""What runs again at other values: the program itself, with all that it decides by values decided anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch import Tensor

from gradcli.execution.forward.trace import Trace, TracedTensor

Perturb = Callable[[Tensor], Tensor]


class RefusedError(RuntimeError):
    """The program does not run at these values, or its output has a different shape there."""


class Again(Protocol):
    """A program in double precision, as a function of tensors of a trace of it."""

    @property
    def trace(self) -> Trace:
        """Return the trace at the program's own point."""

    @property
    def leaves(self) -> Mapping[TracedTensor, TracedTensor]:
        """Return the trace's leaves in double precision."""

    @property
    def may_decide(self) -> bool:
        """Return whether the program may decide anything by the values of tensors."""

    def value(self, traced: TracedTensor) -> Tensor | None:
        """Return the value of a tensor of the trace in double precision; None if it is not made there."""

    def output(self, changed: Mapping[TracedTensor, Tensor]) -> Tensor:
        """Return the output with other values of some tensors of the trace.

        RefusedError, or another RuntimeError of PyTorch's, where the program does not run there.
        """

    def result(
        self, traced: TracedTensor, changed: Mapping[TracedTensor, Tensor], perturb: Perturb | None = None
    ) -> Tensor:
        """Return a call's result with other values of some tensors; RefusedError where the call is not made."""

    def run(self, changed: Mapping[TracedTensor, Tensor], perturb: Perturb | None = None) -> tuple[Tensor, Any]:
        """Return the output, and the calls, with other values; `perturb` changes the numbers that a call results in."""

    def decides_otherwise(self, changed: Mapping[TracedTensor, Tensor]) -> bool:
        """Return whether other values change a decision: a truth value, an integer, or which calls are made."""
