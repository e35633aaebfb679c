"""What runs again at other values: the program itself, with all that it decides by values decided anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor

from gradcli.errors import Span
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor

# Which call: the op, where it is written, and how often it ran before.
Key = tuple[str, Span, int]
# What changes a result of a call.
Perturb = Callable[[Key, Tensor], Tensor]


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

    @property
    def is_unsteady(self) -> bool:
        """Return whether it computes another value when it runs again."""

    @property
    def calls(self) -> Sequence[TracedCall]:
        """Return the calls at the trace's own point."""

    def key_of(self, traced: TracedTensor) -> Key | None:
        """Return which call makes a tensor of the trace; None for a leaf, and where calls are not told apart."""

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

    def decides_otherwise(self, changed: Mapping[TracedTensor, Tensor], perturb: Perturb | None = None) -> bool:
        """Return whether other values change a decision: a truth value, an integer, or which calls are made."""
