"""What `prove` reports: of each leaf, whether PyTorch's backward is the derivative for all values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.errors import ExitCode
from gradcli.report.custom import Check
from gradcli.report.records import jsonable, optional
from gradcli.report.verdict import Verdict

PROOF_SCHEMA = "gradcli.proof/1"
PROVED, EXCEPT, REFUTED, UNDECIDED = "proved", "proved except", "refuted", "undecided"
EXACT = "equal at {} exact points"


@dataclass(frozen=True, slots=True)
class Exception_:  # noqa: N801 (an exception to a statement, and no error)
    """A region in which PyTorch's backward is not the derivative, or there is none."""

    region: str
    """As a condition over the entries of leaves."""
    cause: str
    """In words."""
    max_rel_error: float | None
    """The largest difference that was met there, relative to the larger of the two; None where there is none."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A point at which PyTorch was run, and does not give the derivative."""

    leaves: dict[str, Any]
    grad_output: Any
    index: tuple[int, ...]
    """The entry of the gradient."""
    gradient: float
    """PyTorch's."""
    derivative: float


@dataclass(frozen=True, slots=True)
class ProvedGradient:
    """The gradient of one leaf."""

    wrt: str
    shape: tuple[int, ...]
    verdict: str
    entry: str
    """The entry that the formulas are of."""
    derived: str | None
    """The derivative, by the definitions of the ops."""
    traced: str | None
    """What PyTorch computes."""
    difference: str | None = optional()
    """Where it is not 0: the difference."""
    exceptions: tuple[Exception_, ...] = ()
    witness: Witness | None = optional()
    reason: str | None = optional()
    """Why nothing is decided."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """PyTorch's own kernels, run at points, beside the derivative."""

    points: int
    max_rel_error: float | None
    """Relative to the largest entry of the derivative at a point; None where it is 0 at all of them."""
    traced: str
    """What the formula is of, in words."""
    max_abs_error: float | None = optional()
    """At the points where the whole derivative is 0."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A Function as it was run, for what no formula of its gradient shows: other shapes, its second derivative."""

    leaves: dict[str, Any]
    """The point."""
    grad_output: Any
    checks: tuple[Check, ...]

    @property
    def failed(self) -> list[Check]:
        """Return the checks that found something wrong."""
        return [check for check in self.checks if check.verdict is Verdict.MISMATCH]


@dataclass(frozen=True, slots=True)
class ProofReport:
    """What was to be proved, under which assumptions, and what came of it."""

    gradcli: str
    torch: str
    dtype: str
    """What was traced and run in."""
    program: str
    leaves: dict[str, tuple[int, ...]]
    domain: dict[str, str]
    """Leaf -> the interval that its entries are in."""
    assumptions: tuple[str, ...]
    """In words: the sizes, the numbers, what is not 0."""
    gradients: tuple[ProvedGradient, ...]
    kernel: Kernel | None
    ran: Ran | None = optional()
    strict: bool = False
    command: str = "prove"
    notes: tuple[str, ...] | None = optional()
    schema: str = PROOF_SCHEMA

    @property
    def verdict(self) -> str:
        """Return the worst of the gradients' verdicts; what fails as it is run is refuted, whatever its formula."""
        found = [gradient.verdict for gradient in self.gradients]
        found += [REFUTED] if self.ran is not None and self.ran.failed else []
        for verdict in (REFUTED, UNDECIDED):
            if verdict in found:
                return verdict
        exact = [verdict for verdict in found if verdict not in {PROVED, EXCEPT}]
        return exact[0] if exact else EXCEPT if EXCEPT in found else PROVED

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code: a refutation is a failure, and so is an exception where it is asked to be one."""
        if self.verdict == REFUTED or (self.strict and self.verdict == EXCEPT):
            return ExitCode.MISMATCH
        return ExitCode.UNDECIDED if self.verdict == UNDECIDED else ExitCode.OK

    def to_dict(self) -> dict[str, Any]:
        """Return the report as strict JSON data: the schema first, the verdict last."""
        data: dict[str, Any] = jsonable(self)
        del data["strict"]
        return {"schema": data.pop("schema"), **data, "verdict": self.verdict}
