"""What can be run and differentiated: a program's text, or code that stands in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from torch import Tensor

from gradcli.execution.forward.again import Again
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.language.program import Program
from gradcli.settings import Settings


class Code(Protocol):
    """Code in the place of a program."""

    @property
    def source(self) -> str:
        """Return what it is called in reports: `model.py:Net`."""

    def leaves_of(self, settings: Settings, given: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the leaves, by name: given, drawn, or the code's own parameters."""

    def trace_of(self, settings: Settings, leaves: Mapping[str, Tensor]) -> Trace:
        """Run the code on these leaves, and return its trace."""

    def drawn(self, settings: Settings, given: Mapping[str, Any]) -> Trace:
        """Return the trace at the first point drawn at which every value is finite; else at the first one."""

    def pure(self, settings: Settings, trace: Trace, leaves: Sequence[TracedTensor]) -> Callable[..., Tensor]:
        """Return the output as a function of some leaves, which torch.func can transform."""

    def again(self, settings: Settings, trace: Trace) -> Again:
        """Return the code as a function of its leaves, in double precision."""


Source: TypeAlias = Program | Code
