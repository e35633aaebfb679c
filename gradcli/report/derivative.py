"""A derivative beyond a tensor's gradient: a Jacobian-vector product, or a block of a Hessian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.report.comparison import Symbolic
from gradcli.report.notes import Noted, Notes
from gradcli.report.records import shown_as
from gradcli.report.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Derivative(Noted):
    """A derivative by PyTorch beside the symbolic one."""

    value: Any
    symbolic: Symbolic | None
    verdict: Verdict | None
    notes: Notes = shown_as("note", default=())
