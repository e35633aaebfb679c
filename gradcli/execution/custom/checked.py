"""What is said of one input's gradient, by autograd of the reference, the symbolic derivative and the witnesses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradcli.execution.custom.reference import Compared
from gradcli.report.comparison import Comparison
from gradcli.report.report import WitnessReport
from gradcli.report.verdict import Verdict, worst
from gradcli.witnesses import ADJOINT, DIFFERENCES, WITNESSES

AUTOGRAD, SYMBOLIC = "autograd of the reference", "symbolic derivative"


@dataclass(frozen=True, slots=True)
class CheckedGradient:
    """What is said of one input's gradient: for the report's upstream gradient, and for a random one."""

    name: str
    shown: Compared
    probed: Compared
    witnesses: Mapping[str, WitnessReport]
    returned_none: bool
    misled: bool = False
    """Whether finite differences of forward deny the reference, and not backward."""
    both_denied: bool = False
    """Whether they deny backward too."""
    body_nearby: Verdict = Verdict.UNDECIDED
    """What they say of autograd of forward's body beside the point, where they deny it at the point."""
    at_kink: bool = False
    """Whether it is a choice at a kink for the random upstream gradient, by finite differences."""
    is_limit: bool = False
    """Whether the chain rule makes NaN of the derivative, which forward's own slopes near the point tell."""
    probed_by_differences: Verdict | None = None
    """What finite differences say for the random upstream gradient, where autograd has no reference for it."""

    @property
    def kinked(self) -> bool:
        """Return whether finite differences see a kink here at which the gradient is one of the choices."""
        report = self.witnesses.get(DIFFERENCES)
        return self.at_kink or (report is not None and report.verdict is Verdict.SUBGRADIENT)

    @property
    def autograd(self) -> Verdict | None:
        """Return the verdict by autograd's gradient of the reference."""
        return self._compared(self.shown.autograd, self.probed.autograd)

    @property
    def symbolic(self) -> Verdict | None:
        """Return the verdict by the symbolic derivative; None without one."""
        return self._compared(self.shown.symbolic, self.probed.symbolic)

    def _compared(self, *comparisons: Comparison | None) -> Verdict | None:
        verdicts = [comparison.verdict for comparison in comparisons if comparison is not None]
        settled = worst(verdicts) if verdicts else None
        if self.misled:
            return Verdict.UNDECIDED if settled is not None else None
        return Verdict.SUBGRADIENT if settled is Verdict.MISMATCH and self.kinked else settled

    def numerical(self, name: str) -> Verdict | None:
        """Return the verdict of a numerical witness; None if it was not asked."""
        verdict = self.witnesses[name].verdict if name in self.witnesses else None
        if name == DIFFERENCES and verdict is not None and self.probed_by_differences is not None:
            verdict = worst([verdict, self.probed_by_differences])
        # What forward mode makes of a body that misleads is as wrong as what reverse mode does, and it knows nothing of
        # a convention by which what is derived is not what finite differences find.
        if verdict is Verdict.UNDECIDED and self.is_limit and self.derived:
            return None  # such slopes become what they are too slowly for a quotient to tell
        doubted = self.derived if WITNESSES[name].votes else self.misled or (self.derived and self.is_denied)
        return Verdict.UNDECIDED if verdict is Verdict.MISMATCH and doubted else verdict

    @property
    def is_denied_by_forward_mode(self) -> bool:
        """Return whether forward mode of the reference is alone with what it says: it is PyTorch's that is wrong.

        What autograd makes of the reference, its derivative and differences of forward are all as backward says.
        """
        said = self.witnesses.get(ADJOINT)
        agree = self.derived and self.numerical(DIFFERENCES) is Verdict.MATCH
        return agree and said is not None and said.verdict is Verdict.MISMATCH

    @property
    def is_denied(self) -> bool:
        """Return whether finite differences of forward say that the gradient is wrong."""
        return DIFFERENCES in self.witnesses and self.witnesses[DIFFERENCES].verdict is Verdict.MISMATCH

    @property
    def derived(self) -> bool:
        """Return whether autograd and the symbolic derivative both say that the gradient is right."""
        return all(verdict is not None and verdict.passes for verdict in (self.autograd, self.symbolic))

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Return the verdict of every reference and witness that there is, by what it is called."""
        numerical = {WITNESSES[name].title: self.numerical(name) for name in WITNESSES}
        verdicts = {AUTOGRAD: self.autograd, SYMBOLIC: self.symbolic, **numerical}
        return {title: verdict for title, verdict in verdicts.items() if verdict is not None}
