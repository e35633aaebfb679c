"""What came out of a command, as data: frozen dataclasses that turn into the strict JSON of the report.

Values are tensors (anything with `tolist()`, `shape`), so that Python callers get tensors and JSON gets lists.
This module imports neither torch nor sympy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gradcli.errors import ExitCode
from gradcli.report.backward import Accumulation, HookCall, TraceStep, VectorJacobianProduct
from gradcli.report.comparison import Claim, Comparison, Symbolic
from gradcli.report.notes import Noted, Notes
from gradcli.report.records import jsonable, optional, present, shown_as
from gradcli.report.second_order import Derivative, Lifecycle, Symmetry
from gradcli.report.verdict import Verdict, worst

__all__ = [
    "Claim",
    "Comparison",
    "Output",
    "Point",
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


@dataclass(frozen=True, slots=True)
class WitnessReport:
    """What a numerical witness says of autograd's gradient.

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
    note: str | None = optional()


@dataclass(frozen=True, slots=True)
class Point:
    """One of several points that a program was checked at: `--seed` draws it again."""

    seed: int
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Check(Noted):
    """One thing that was checked of a custom Function, and what was found."""

    name: str
    verdict: Verdict
    notes: Notes = shown_as("note", default=())


@dataclass(frozen=True, slots=True)
class FunctionNode:
    """The node that a custom Function leaves in the graph, and what a call of its backward by hand returns.

    `next_functions` maps each tensor input to the node that its gradient goes to. `grad_outputs` is what backward is
    called with, one gradient an output; `returned` maps each argument of forward to what backward returns for it.
    """

    name: str
    next_functions: dict[str, str | None]
    grad_outputs: tuple[Any | None, ...]
    returned: dict[str, Any | None]


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
    verdict: Verdict | None  # None: nothing to verify (a constant leaf) or --no-verify
    notes: Notes = shown_as("note", default=())
    witnesses: dict[str, WitnessReport] | None = optional()
    dissenter: str | None = optional()  # "autograd", "symbolic", "finite-difference" or "claim", where they disagree
    claim: Claim | None = optional()
    tangent: Any | None = optional()
    jacobian: Any | None = optional()  # of the output's shape, then the tensor's


@dataclass(frozen=True, slots=True)
class Output:
    """The program's output after `--reduce`."""

    name: str
    shape: tuple[int, ...]
    value: Any


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
    verdict: Verdict | None
    points: tuple[Point, ...] | None = optional()
    calls: tuple[dict[str, Any | None], ...] | None = optional()  # `accumulate`: name -> .grad, and the output's value
    accumulation: Accumulation | None = optional()
    jvp: Derivative | None = optional()
    hessian: dict[str, dict[str, Any]] | None = optional()  # row leaf -> column leaf -> of both leaves' shapes
    symbolic_hessian: dict[str, dict[str, Derivative]] | None = optional()
    symmetry: Symmetry | None = optional()
    method: str | None = optional()  # what of torch.func was called
    lifecycle: Lifecycle | None = optional()
    trace: tuple[TraceStep, ...] | None = optional()
    checks: tuple[Check, ...] | None = optional()
    node: FunctionNode | None = optional()
    vjp: VectorJacobianProduct | None = optional()
    hooks: tuple[HookCall, ...] | None = optional()
    schema: str = field(default=REPORT_SCHEMA)

    def __getitem__(self, name: str) -> TensorReport:
        """Return the tensor called `name`; KeyError if there is none."""
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as strict JSON data; NaN and infinities become strings."""
        return {name: jsonable(value) for name, value in self.fields()}

    def fields(self) -> Iterator[tuple[str, Any]]:
        """Yield the fields as they are, in the order of the JSON: the schema first, the verdict last."""
        last = {"schema": self.schema, "verdict": self.verdict}
        yield "schema", self.schema
        yield from ((name, value) for name, value in present(self) if name not in last)
        yield "verdict", self.verdict

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code that this report asks for."""
        return ExitCode.OK if self.verdict is None else self.verdict.exit_code
