"""What only `hessian` reports: the blocks of the Hessian, and its symmetry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.report.derivative import Derivative
from gradcli.report.records import optional


@dataclass(frozen=True, slots=True)
class Symmetry:
    """Whether a Hessian is its own transpose, and how far it is from that."""

    symmetric: bool
    max_abs_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HessianDetails:
    """What `hessian` adds to the report."""

    hessian: dict[str, dict[str, Any]]
    """Row leaf -> column leaf -> block, of both leaves' shapes."""
    symbolic_hessian: dict[str, dict[str, Derivative]] | None = optional()
    """The same blocks beside the symbolic ones; None with `--no-verify`."""
    formulas: dict[str, dict[str, str]] | None = optional()
    """The formulas of blocks, by the same names: those that there are, of a leaf and one not before it."""
    latex: dict[str, dict[str, str]] | None = optional()
    """The same formulas as LaTeX."""
    symmetry: Symmetry
    method: str
    """What of torch.func was called, or why it could not be."""
