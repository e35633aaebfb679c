"""What a comparison says, and which exit code it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from gradcli.errors import ExitCode


class Verdict(StrEnum):
    """What the comparison of autograd with the symbolic derivative says; ordered from best to worst by `rank`.

    `unverified` says that nothing was compared: worse than every pass, because it is none, and better than all that was
    found by comparing, `undecided` included, which says that a comparison was tried and failed.
    """

    MATCH = "match"
    SUBGRADIENT = "subgradient"
    UNVERIFIED = "unverified"
    UNDECIDED = "undecided"
    UNDEFINED = "undefined"
    MISMATCH = "mismatch"

    @property
    def rank(self) -> int:
        """Return the severity: the worst verdict of several is the one of highest rank."""
        return _RANKS[self]

    @property
    def passes(self) -> bool:
        """Tell whether the gradient is right: the derivative, or at a kink a choice between the one-sided ones."""
        return self in {Verdict.MATCH, Verdict.SUBGRADIENT}

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code that a run with this overall verdict ends with, if a comparison was asked for."""
        if self.passes:
            return ExitCode.OK
        return ExitCode.UNDECIDED if self in {Verdict.UNDECIDED, Verdict.UNVERIFIED} else ExitCode.MISMATCH

    def exit_code_where(self, *, verify: bool) -> ExitCode:
        """Return the same, or 0 where nothing was compared because that was asked for."""
        return ExitCode.OK if self is Verdict.UNVERIFIED and not verify else self.exit_code


_RANKS: Mapping[Verdict, int] = {verdict: rank for rank, verdict in enumerate(Verdict)}


def fails(verdict: Verdict | None) -> bool:
    """Tell whether there is a verdict, and it is not a pass."""
    return verdict is not None and not verdict.passes


def worst(verdicts: Iterable[Verdict | None]) -> Verdict:
    """Return the worst of several verdicts; where there is none, nothing was compared: `unverified`."""
    found = [verdict for verdict in verdicts if verdict is not None]
    return max(found, key=lambda verdict: verdict.rank, default=Verdict.UNVERIFIED)
