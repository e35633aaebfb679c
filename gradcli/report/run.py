"""What only `run` reports: which backward call of a script it is."""

from __future__ import annotations

from dataclasses import dataclass

from gradcli.report.custom import SourcePlace
from gradcli.report.records import optional


@dataclass(frozen=True, slots=True)
class RunDetails:
    """What `run` adds to the report of a backward call."""

    call: str
    """What the script calls: `Tensor.backward`, `torch.autograd.backward` or `torch.autograd.grad`."""
    number: int
    """Which of the script's backward calls it is, from 1."""
    source: SourcePlace | None = optional()
    """The line that makes it."""
