"""What only `jacobian` reports, beside the Jacobian of each tensor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JacobianDetails:
    """What `jacobian` adds to the report."""

    method: str
    """What of torch.func was called."""
