"""What came out of a command, as data: frozen dataclasses that turn into the strict JSON of the report.

Values are tensors (anything with `tolist()`, `shape`), so that Python callers get tensors and JSON gets lists.
This module imports neither torch nor sympy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gradcli.errors import ExitCode
from gradcli.report.accumulate import AccumulateDetails
from gradcli.report.check import CheckDetails
from gradcli.report.comparison import Claim, Symbolic
from gradcli.report.custom import CustomDetails
from gradcli.report.double_backward import DoubleBackwardDetails
from gradcli.report.eval import EvalDetails
from gradcli.report.grad import GradDetails
from gradcli.report.graph import GraphDetails
from gradcli.report.hessian import HessianDetails
from gradcli.report.jacobian import JacobianDetails
from gradcli.report.jvp import JvpDetails
from gradcli.report.notes import Noted, Notes
from gradcli.report.page import PageDetails
from gradcli.report.plot import PlotDetails
from gradcli.report.records import bounded, jsonable, jsonable_items, merged, optional, present, shown_as
from gradcli.report.run import RunDetails
from gradcli.report.trace import TraceDetails
from gradcli.report.verdict import Verdict, worst

__all__ = [
    "Details",
    "Output",
    "Report",
    "Symbolic",
    "TensorReport",
    "Verdict",
    "jsonable",
    "optional",
    "worst",
]

REPORT_SCHEMA = "gradcli.report/1"
SUITE_SCHEMA = "gradcli.suite/1"
# Of a report's `repr` and its KeyError: both are one line.
LONGEST_PROGRAM = 60
MOST_LISTED = 20

# What only one command reports: a record a command, in a module of its name.
Details: TypeAlias = (
    CheckDetails
    | AccumulateDetails
    | JvpDetails
    | HessianDetails
    | JacobianDetails
    | DoubleBackwardDetails
    | TraceDetails
    | GraphDetails
    | PlotDetails
    | PageDetails
    | CustomDetails
    | GradDetails
    | EvalDetails
    | RunDetails
)


@dataclass(frozen=True, slots=True)
class WitnessReport(Noted):
    """What a numerical witness says of autograd's gradient, or what that is under a transformation of the code.

    `estimated_error` is how far off the witness itself may be. `projections` is set where not every entry was looked
    at but the gradient along that many random directions. `order` is that of the Taylor remainder and
    `second_order` that of the one after the second term; `linear_error` is the
    part of the gradient that it says is wrong.
    """

    verdict: Verdict
    max_abs_error: float | None = optional()
    estimated_error: float | None = optional()
    projections: int | None = optional()
    order: float | None = optional()
    second_order: float | None = optional()
    linear_error: float | None = optional()
    notes: Notes = optional("note", default=())


@dataclass(frozen=True, slots=True)
class TensorReport(Noted):
    """One leaf or non-leaf: `grad` is the attribute as PyTorch leaves it, `gradient` is d output / d tensor."""

    name: str
    kind: str  # "leaf" or "non-leaf"
    shape: tuple[int, ...]
    requires_grad: bool
    grad_fn: str | None
    value: Any
    grad: Any | None
    gradient: Any | None
    symbolic: Symbolic | None
    verdict: Verdict | None  # None: its gradient was not compared, or it has none
    notes: Notes = shown_as("note", default=())
    witnesses: dict[str, WitnessReport] | None = optional()
    # Where they disagree: "autograd", "symbolic", "finite-difference", "claim", or a transformation such as "compile".
    dissenter: str | None = optional()
    claim: Claim | None = optional()
    tangent: Any | None = optional()
    jacobian: Any | None = optional()  # of the output's shape, then the tensor's
    source: str | None = optional()  # of a tensor that code made: the line that made it, as "model.py:14"
    module: str | None = optional()  # whose parameter it is, or in whose forward it was made: "layers.0.attention"

    @property
    def autograd_verdict(self) -> Verdict | None:
        """Return the verdict on autograd's gradient: it is not that of the tensor where only a claim is wrong."""
        symbolic = None if self.symbolic is None else self.symbolic.comparison.verdict
        return symbolic if self.dissenter == "claim" and symbolic is not None and symbolic.passes else self.verdict

    @property
    def only_claim_is_wrong(self) -> bool:
        """Return whether autograd agrees with the symbolic derivative, and a claim does not."""
        return self.autograd_verdict is not self.verdict


@dataclass(frozen=True, slots=True)
class Output:
    """The program's output after `--reduce`."""

    name: str
    shape: tuple[int, ...]
    value: Any


@dataclass(frozen=True, slots=True)
class AppliedTolerance:
    """How far apart gradients could be and still agree: `--rtol` and `--atol`, or what the dtype stands for."""

    rtol: float
    atol: float


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a report is shown."""

    max_entries: int | None = None
    """Of a tensor with more entries, the JSON has none of them but a summary; None stands for no limit."""
    depth: int | None = None
    """How many levels of modules tables open; None for as many as fit a page."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one command found out about one program."""

    gradcli: str
    torch: str
    command: str
    program: str
    dtype: str
    device: str
    seed: int
    output: Output
    tensors: tuple[TensorReport, ...]
    verdict: Verdict
    details: Details | None = merged()
    """What only this command reports."""
    notes: tuple[str, ...] | None = optional()
    """What there is to say of how the program is read."""
    tolerance: AppliedTolerance | None = optional()
    verify: bool = shown_as(default=True)
    """False: `--no-verify` asked that nothing be compared."""
    extent: Extent = shown_as(default=Extent())
    """How much of it is shown."""
    reproduce: str | None = optional()
    """The command that gives the verdict again, as one line of a shell; None of a pass, and of a call from Python."""
    schema: str = field(default=REPORT_SCHEMA)

    def __getitem__(self, name: str) -> TensorReport:
        """Return the tensor called `name`; KeyError, which lists the tensors, if there is none."""
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor
        names = [tensor.name for tensor in self.tensors]
        more = ", ..." if len(names) > MOST_LISTED else ""
        raise KeyError(f"no tensor {name!r}; there are {', '.join(names[:MOST_LISTED])}{more}")

    def __iter__(self) -> Iterator[TensorReport]:
        """Iterate over the tensors: leaves, then non-leaves in forward order."""
        return iter(self.tensors)

    def __len__(self) -> int:
        """Return how many tensors there are."""
        return len(self.tensors)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a tensor called `name`."""
        return any(tensor.name == name for tensor in self.tensors)

    def __repr__(self) -> str:
        """Return the report on one line; `print` shows what the command line does."""
        program = " ".join(self.program.split())
        shown = program if len(program) <= LONGEST_PROGRAM else f"{program[: LONGEST_PROGRAM - 3]}..."
        tensors = "1 tensor" if len(self) == 1 else f"{len(self)} tensors"
        return f"<Report {self.command} {shown!r}: {self.verdict}, {tensors}>"

    def __bool__(self) -> bool:
        """Return whether every gradient passed, for `assert gradcli.check(...)`; False where nothing was compared."""
        return self.verdict.passes

    def to_dict(self) -> dict[str, Any]:
        """Return the report as strict JSON data; NaN and infinities become strings."""
        return jsonable_items(self.fields(), self.extent.max_entries)

    def fields(self) -> Iterator[tuple[str, Any]]:
        """Yield the fields as they are, in the order of the JSON: the schema first, the verdict last."""
        yield "schema", self.schema
        items = ((name, value) for name, value in present(self) if name not in {"schema", "verdict"})
        yield from bounded(items, self.extent.max_entries)
        yield "verdict", self.verdict

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code that this report asks for."""
        return self.verdict.exit_code_where(verify=self.verify)
