"""What a witness is asked: a function of tensors, one of them to differentiate by, and the upstream gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from torch import Tensor

from gradcli.execution.forward.callables import function as callable_of
from gradcli.execution.witnesses.grain import NO_GRAIN, Grain
from gradcli.execution.witnesses.line import EPSILON, Line, ScalarFunction, Values
from gradcli.execution.witnesses.quotients import Quotients, by_entries, by_few_directions
from gradcli.report.report import WitnessReport
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance
from gradcli.witnesses import WITNESSES, WitnessRow


@dataclass(frozen=True)
class Question:
    """What is the gradient of Re Σ conj(cotangent) · function by one tensor; without slots, to keep the line."""

    function: ScalarFunction
    point: Values
    name: str
    cotangent: Tensor
    grain: Grain = NO_GRAIN
    applied: ScalarFunction | None = None
    """The function with its own backward, where `function` is its forward alone."""
    bends: bool = False
    """Whether the function is known to have a kink on the way, or to decide something, at this point."""
    jumps: bool = False
    """Whether an op on the way has a jump at this point."""
    decides: bool = False
    """Whether the function decides something otherwise next to this point; known where numbers are far apart."""
    excused: float = 0.0
    """How far rounding on the way back may have moved a gradient."""
    is_costly: bool = False
    """Whether to look along few directions alone, where the function has no kink that is known of."""
    on_the_way: int = 0
    """Entries that one evaluation reads and writes in between, as far as is known."""

    @property
    def is_coarse(self) -> bool:
        """Return whether the numbers next to an entry are further apart than 1, which a function may bend within."""
        entries = self.point[self.name].detach().abs().reshape(-1)
        return bool((entries * EPSILON > 1.0).any())

    @property
    def differentiable(self) -> ScalarFunction:
        """Return the function as autograd differentiates it."""
        return self.function if self.applied is None else self.applied

    @cached_property
    def line(self) -> Line:
        """Return the function along the entries of the tensor."""
        own = self.function, self.point, [self.name], self.cotangent, self.grain
        return Line.of(*own, on_the_way=self.on_the_way)

    @cached_property
    def quotients(self) -> Quotients:
        """Return the derivatives by every entry."""
        few = self.is_costly and not (self.bends or self.jumps)
        return by_few_directions(self.line) if few else by_entries(self.line)


class Witness(Protocol):
    """A third opinion on a gradient, which knows neither autograd nor the symbolic derivative."""

    row: WitnessRow

    def check(self, question: Question, gradient: Tensor, tolerance: Tolerance) -> WitnessReport | None:
        """Return what the witness says of a gradient; None if it has nothing to say."""


def witnesses(names: Sequence[str]) -> dict[str, Witness]:
    """Return the numerical witnesses among `names`, in the order of the table."""
    wanted: Mapping[str, WitnessRow] = {name: row for name, row in WITNESSES.items() if name in names}
    return {name: callable_of(row.implementation)(row) for name, row in wanted.items()}


def voting(reports: Mapping[str, WitnessReport]) -> dict[str, WitnessReport]:
    """Return the reports of the witnesses that know what a function's derivative is."""
    return {name: report for name, report in reports.items() if WITNESSES[name].votes}


def checked(
    witnesses: Mapping[str, Witness], question: Question, gradient: Tensor, tolerance: Tolerance
) -> dict[str, WitnessReport]:
    """Return what each witness says of a gradient, by its name.

    Where one of them sees a kink, or cannot tell, the two modes of autograd may have chosen differently.
    """
    found = {name: witness.check(question, gradient, tolerance) for name, witness in witnesses.items()}
    reports = {name: report for name, report in found.items() if report is not None}
    told = {report.verdict for report in voting(reports).values()}
    if told <= {Verdict.MATCH, Verdict.MISMATCH}:
        return reports
    return {name: r for name, r in reports.items() if WITNESSES[name].votes or r.verdict is not Verdict.MISMATCH}
