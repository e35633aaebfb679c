"""What was found at other points, and how a check tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gradcli.deadline import OverdueError, share_of_time
from gradcli.execution.process import state_kept
from gradcli.execution.targets.function.trial import Trial
from gradcli.execution.targets.function.wide import ENTRIES
from gradcli.report.custom import Check
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.verdict import Verdict

# The part of the time limit that one point, or one dtype, may take.
LOOK = 0.1
NO_TIME = "that takes too long: `--timeout` gives more time"
MOST_WRONG = 2
# The most of what was not looked at that is listed for one reason.
LISTED = 8


@dataclass(slots=True)
class Findings:
    """What was found elsewhere: what is wrong, and what was not looked at, by the reason."""

    wrong: list[Notes] = field(default_factory=list)
    missed: dict[str, list[str]] = field(default_factory=dict)
    cause: str | None = None
    """What all that is wrong has in common."""
    said: dict[str | tuple[int, ...] | None, Notes] = field(default_factory=dict)
    """What there is to say of what is right, by what it is about."""

    def say(self, notes: Notes) -> None:
        """Add notes on what is right; the first about each thing stay."""
        if notes:
            self.said.setdefault(notes[0].where, notes)

    def miss(self, label: str, reason: str) -> None:
        """Note that something was not looked at."""
        self.missed.setdefault(reason, []).append(label)

    @contextmanager
    def in_time(self, trial: Trial, label: str) -> Iterator[None]:
        """Look at something for no more than a part of the time, and note if it takes longer."""
        try:
            with state_kept(), share_of_time(LOOK * trial.settings.timeout):
                yield
        except OverdueError as error:
            self.miss(label, f"{NO_TIME}{error.where}")

    def check(self, name: str) -> Check:
        """Return the check that these findings make."""
        if self.wrong:
            notes = tuple(note for notes in self.wrong[:MOST_WRONG] for note in notes)
            return Check(name, Verdict.MISMATCH, (*notes, *noted(NoteKind.CAUSE, self.cause)))
        parts = [f"{_listed(labels)} ({reason})" for reason, labels in self.missed.items()]
        words = f"not looked at: {'; '.join(parts)}" if parts else None
        said = tuple(note for notes in self.said.values() for note in notes)
        return Check(name, Verdict.MATCH, (*noted(NoteKind.SCOPE, words), *said))


def _listed(labels: list[str]) -> str:
    more = len(labels) - LISTED
    prefix = ENTRIES if labels[0].startswith(ENTRIES) else ""
    return ", ".join([labels[0], *(label.removeprefix(prefix) for label in labels[1:LISTED])]) + (
        f" and {more} more" if more > 0 else ""
    )
