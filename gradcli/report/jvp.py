"""What only `jvp` reports: the Jacobian-vector product."""

from __future__ import annotations

from dataclasses import dataclass

from gradcli.report.derivative import Derivative


@dataclass(frozen=True, slots=True)
class JvpDetails:
    """What `jvp` adds to the report."""

    jvp: Derivative
    method: str
    """What of torch.func was called."""
