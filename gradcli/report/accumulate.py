"""What only `accumulate` reports: what each backward call leaves in `.grad`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.report.records import shown_as
from gradcli.report.verdict import Verdict


@dataclass(frozen=True, slots=True)
class LeafCall:
    """What one backward call did to one leaf.

    `before` and `grad` are its `.grad` before and after the call, `gradient` is what the call added, and `symbolic` is
    what `.grad` holds by the symbolic derivatives of this call and of the earlier ones that it still holds.
    """

    name: str
    value: Any
    before: Any | None
    gradient: Any | None
    grad: Any | None
    symbolic: Any | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class BackwardCall:
    """One forward run and its backward call."""

    output: Any
    leaves: tuple[LeafCall, ...]


@dataclass(frozen=True, slots=True)
class Accumulation:
    """Several backward calls on the same leaves; `zero_grad` is what it sets `.grad` to: "none", "zeros", or null."""

    zero_grad: str | None
    learning_rate: float | None
    calls: tuple[BackwardCall, ...]


@dataclass(frozen=True, slots=True)
class AccumulateDetails:
    """What `accumulate` adds to the report."""

    accumulation: Accumulation = shown_as("calls", "accumulation")
    output_key: str = shown_as(default="output")
    """The key of the output's value in `calls`: a name that no leaf has."""

    @property
    def calls(self) -> tuple[dict[str, Any | None], ...]:
        """Return every leaf's `.grad` after each call, by name, and the output's value."""
        return tuple(
            {**{leaf.name: leaf.grad for leaf in call.leaves}, self.output_key: call.output}
            for call in self.accumulation.calls
        )
