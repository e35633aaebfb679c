"""How a command shows its report, beside what every command shows: found by the type of what only it reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from gradcli.render.grid import Grid
from gradcli.report.report import Report, TensorReport
from gradcli.report.verdict import Verdict

WORDS: Mapping[Verdict, str] = {
    Verdict.MATCH: "{who} agrees with {reference} in every entry, {where}",
    Verdict.SUBGRADIENT: "at a kink, {who}'s choice lies between the one-sided derivatives",
    Verdict.UNVERIFIED: "nothing was compared: these are only autograd's gradients",
    Verdict.MISMATCH: "{who} disagrees with {reference}",
    Verdict.UNDEFINED: "a gradient is NaN, or the derivative does not exist there",
    Verdict.UNDECIDED: "nothing says whether it is right, so this is not a pass",
}
AUTOGRAD, SYMBOLIC = "autograd", "the symbolic derivative"


class Judged(Protocol):
    """What has a name and a verdict: a tensor, or a check of a Function."""

    @property
    def name(self) -> str:
        """Return what the reader knows it by."""

    @property
    def verdict(self) -> Verdict | None:
        """Return the verdict on it."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """How a command shows its report. `details` below is the record of `gradcli.report` that only it fills."""

    grids: Callable[[Any], tuple[Grid, ...]] = lambda _: ()
    """From the details: what stands below the tensors."""
    grids_of_tensors: Callable[[Sequence[TensorReport]], tuple[Grid, ...]] = lambda _: ()
    """What stands there first, about what only this command reports of each tensor."""
    shows: Callable[[TensorReport], bool] = lambda _: True
    """Whether a tensor's value and gradient are shown."""
    shows_gradient: bool = True
    """False for a command whose derivatives are not gradients: they have grids of their own."""
    why_no_grad: str = ""
    """Said below the non-leaves where one has no .grad, whose {name} it may have; without it, each row says None."""
    leaves_grad: bool = False
    """Whether the command leaves .grad of all tensors alone: then `why_no_grad` is about leaves too."""
    words: Callable[[Any], Mapping[Verdict, str]] | None = None
    """From the details: what the overall verdict means, where that is not what `words_of` says."""
    judged: Callable[[Any], Sequence[Judged]] = lambda _: ()
    """From the details: what has a verdict beside the tensors."""
    grids_of_report: Callable[[Report], tuple[Grid, ...]] = lambda _: ()
    """What stands there last that takes both the tensors and the details; then nothing is told by module."""


PLAIN = Presentation()


def words_of(verdict: Verdict, who: str = AUTOGRAD, reference: str | None = None, where: str = "at this point") -> str:
    """Return what a verdict says of a gradient: who gives it, and what it is compared with."""
    # A match is short enough for a line of 80 columns.
    usual = "the derivative" if verdict is Verdict.MATCH else SYMBOLIC
    return WORDS[verdict].format(who=who, reference=reference or usual, where=where)


def presentation_of(report: Report) -> Presentation:
    """Return how a report is shown: by the module of `render.commands` that is called as that of its details' type."""
    if report.details is None:
        return PLAIN
    name = type(report.details).__module__.rpartition(".")[2]
    presentation: Presentation = import_module(f"gradcli.render.commands.{name}").PRESENTATION
    return presentation
