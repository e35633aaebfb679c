"""How a gradient compares with the right one, and what is compared: the symbolic derivative, a claim."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gradcli.report.notes import Noted, NoteKind, Notes, noted, text_of
from gradcli.report.records import shown_as
from gradcli.report.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Comparison(Noted):
    """What comparing two gradients found."""

    verdict: Verdict
    max_abs_error: float | None = None
    """Of the entries that are finite in both; None if nothing could be compared."""
    max_rel_error: float | None = None
    worst_index: tuple[int, ...] | None = None
    notes: Notes = shown_as("note", default=())
    is_finite: bool = shown_as(default=False)
    """Whether every entry of both is known to be finite."""

    @staticmethod
    def undecided(reason: str | None) -> Comparison:
        """Return a comparison that could not be made, and why."""
        return Comparison(Verdict.UNDECIDED, notes=noted(NoteKind.LIMIT, reason))

    def explained(self, verdict: Verdict, notes: Notes) -> Comparison:
        """Return the comparison with a different verdict, and first what explains it."""
        return replace(self, verdict=verdict, notes=(*notes, *self.notes))

    @property
    def cause(self) -> str | None:
        """Return what is likely wrong with the gradient, as far as its entries tell."""
        return text_of([note for note in self.notes if note.kind is NoteKind.CAUSE])


class WithComparison:
    """What holds a comparison; its numbers can be asked for directly."""

    __slots__ = ()
    comparison: Comparison

    @property
    def max_abs_error(self) -> float | None:
        """Return the largest error of an entry."""
        return self.comparison.max_abs_error

    @property
    def max_rel_error(self) -> float | None:
        """Return the largest error of an entry relative to it."""
        return self.comparison.max_rel_error

    @property
    def worst_index(self) -> tuple[int, ...] | None:
        """Return the index of the entry with the largest error."""
        return self.comparison.worst_index


def is_telling(formula: str) -> bool:
    """Return whether a formula says more than the names of the ops again, as `vjp(y, grad(y))` does not."""
    return "vjp(" not in formula


@dataclass(frozen=True, slots=True)
class Symbolic(WithComparison):
    """The symbolic derivative beside autograd's: formula, value, and how far apart they are.

    `value` is a tensor of the operand's shape, or None if undecided; errors are None if there is no value.
    """

    formula: str | None
    latex: str | None
    value: Any | None
    comparison: Comparison = shown_as("max_abs_error", "max_rel_error", "worst_index")

    @property
    def telling_formula(self) -> str | None:
        """Return the formula; None of one that only names the ops again."""
        return self.formula if self.formula is not None and is_telling(self.formula) else None


@dataclass(frozen=True, slots=True)
class Claim(WithComparison):
    """A gradient derived by hand, beside the symbolic one."""

    text: str
    value: Any
    comparison: Comparison = shown_as("verdict", "max_abs_error", "max_rel_error", "worst_index", "note")

    @property
    def verdict(self) -> Verdict:
        """Return whether the claim is right."""
        return self.comparison.verdict

    @property
    def note(self) -> str | None:
        """Return what there is to say of the claim."""
        return self.comparison.note
