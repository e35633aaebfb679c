"""What `audit` reports: of each of PyTorch's differentiable ops, what is known of its backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.errors import BY_SEVERITY, ExitCode
from gradcli.report.proof import EXCEPT, PROVED, REFUTED, UNDECIDED
from gradcli.report.records import jsonable

AUDIT_SCHEMA = "gradcli.audit/1"
AT_POINTS, NO_DEFINITION = "verified at points", "no definition"
VERDICTS = {
    PROVED: "its backward is the derivative for all values, of the sizes of the program",
    EXCEPT: "the same but for kinks and other regions, which `gradcli prove` names",
    AT_POINTS: "autograd agrees with the derivative at every sample, and there is no proof",
    REFUTED: "autograd does not agree with the derivative at a sample, or a proof found a point",
    UNDECIDED: "a comparison came to no verdict",
    NO_DEFINITION: "the table of ops lacks it, and PyTorch's samples are no calls that a program can write",
}


@dataclass(frozen=True, slots=True)
class AuditedOp:
    """An op: verdicts on its samples, each the worst of several; None where nothing was compared."""

    name: str
    """PyTorch's, without `torch.`"""
    verdict: str
    samples: int = 0
    """How many of PyTorch's own were looked at; 0 where none is a call, and the table's examples stand for them."""
    program: str | None = None
    """The sample that the proof is of, or that came to the verdict."""
    leaves: dict[str, tuple[int, ...]] | None = None
    """The shapes of its leaves."""
    float64: str | None = None
    float32: str | None = None
    second: str | None = None
    """Of the derivative of the gradient's sum, in float64."""
    adjoint: str | None = None
    """Of u·(J v) = (Jᵀu)·v, with forward mode, in float64."""
    proof: str | None = None
    """What `prove` says of the smallest sample: of single numbers, where the op is a formula of these."""
    reason: str | None = None
    """Why the verdict is not `proved`."""
    seconds: float = 0.0

    @property
    def code(self) -> ExitCode:
        """Return the exit code that the verdict asks for."""
        return {REFUTED: ExitCode.MISMATCH, UNDECIDED: ExitCode.UNDECIDED, NO_DEFINITION: ExitCode.UNDECIDED}.get(
            self.verdict, ExitCode.OK
        )

    @property
    def passed(self) -> bool:
        """Tell whether the verdict asks for exit code 0."""
        return self.code is ExitCode.OK


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The installed PyTorch, op by op."""

    gradcli: str
    torch: str
    device: str
    ops: tuple[AuditedOp, ...]
    command: str = "audit"
    schema: str = AUDIT_SCHEMA

    @property
    def counts(self) -> dict[str, int]:
        """Return how many ops came to each verdict."""
        found = [op.verdict for op in self.ops]
        return {verdict: found.count(verdict) for verdict in VERDICTS if verdict in found}

    @property
    def exit_code(self) -> ExitCode:
        """Return the worst exit code of the ops'."""
        codes = {op.code for op in self.ops}
        return next((code for code in BY_SEVERITY if code in codes), ExitCode.OK)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as strict JSON data."""
        data: dict[str, Any] = jsonable(self)
        return {"schema": data.pop("schema"), **data, "counts": self.counts}
