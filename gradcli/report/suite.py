"""What several checks came to, as plain data: it crosses from worker processes and needs no torch to be read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gradcli.errors import BY_SEVERITY, ExitCode, GradcliError
from gradcli.report.check import CheckDetails
from gradcli.report.custom import CustomDetails, SourcePlace
from gradcli.report.notes import Noted, NoteKind, Notes
from gradcli.report.records import dumps, jsonable
from gradcli.report.report import REPORT_SCHEMA, SUITE_SCHEMA, Report, TensorReport
from gradcli.report.verdict import Verdict, fails, worst
from gradcli.tolerance import Tolerance

# Counted beside the verdicts: a check that is wrong itself.
ERROR = "error"
# How every report's JSON begins.
_SCHEMA = f'{{"schema": {dumps(REPORT_SCHEMA)}, '


@dataclass(frozen=True, slots=True)
class Finding(Noted):
    """A tensor, or a check of a Function, with a verdict that is not a match, and what the report says of it."""

    tensor: str
    verdict: Verdict
    notes: Notes
    autograd: Any | None  # autograd's gradient at the worst entry, and the symbolic one
    symbolic: Any | None
    index: tuple[int, ...] | None
    only_claim_is_wrong: bool = False


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What one check of several came to.

    `text` is its report as JSON on one line, and None if there is none: `reason` says why. Without a verdict the check
    is wrong itself. `code` is the exit code that it asks for, `seconds` the time that it took.
    """

    name: str
    program: str
    verdict: Verdict | None
    code: ExitCode
    text: str | None = None
    findings: tuple[Finding, ...] = ()
    remarks: tuple[Finding, ...] = ()
    """Matches of which there is something to say all the same: a gradient is infinite."""
    reason: str | None = None
    hint: str | None = None
    expect: Verdict | None = None
    tags: tuple[str, ...] = ()
    file: str | None = None
    line: int | None = None
    seconds: float = 0.0
    reproduce: str | None = None  # the command that carries out this check alone; None of one that passes
    stderr: str | None = None  # what standard error says of a check that is wrong itself
    source: SourcePlace | None = None
    """The line of the user's code that a failure is about."""
    tolerance: tuple[float, float] | None = None
    """The relative and the absolute tolerance, unless they are those of the dtype."""

    @property
    def passed(self) -> bool:
        """Tell whether the check asks for exit code 0."""
        return self.code is ExitCode.OK

    @property
    def place(self) -> tuple[str | None, int | None]:
        """Return the file and line that a failure is about: of the user's code, or of the check in its suite."""
        return (self.file, self.line) if self.source is None else (self.source.file, self.source.line)

    @property
    def outcome(self) -> str:
        """Return the verdict in a word, or that there is an error."""
        return ERROR if self.verdict is None else str(self.verdict)

    @property
    def unverified(self) -> bool:
        """Tell whether nothing was compared, as `--no-verify` asks."""
        return self.passed and self.verdict is Verdict.UNVERIFIED

    @property
    def data(self) -> dict[str, Any] | None:
        """Return its report as JSON data."""
        data: dict[str, Any] | None = None if self.text is None else json.loads(self.text)
        return data

    @property
    def as_expected(self) -> bool:
        """Tell whether the check passed with a verdict that would fail if it were not expected."""
        return self.passed and self.expect is self.verdict and fails(self.verdict)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as strict JSON data, with what the suite says of the check."""
        head, data = self._head(), self.data
        if data is None:
            reason = {"message": self.reason, "hint": self.hint, "exit": int(self.code)}
            again = {} if self.reproduce is None else {"reproduce": self.reproduce}
            return {**head, "program": self.program, ERROR: reason, **again, "verdict": jsonable(self.verdict)}
        return {"schema": data["schema"], **head, **data}

    def to_json(self) -> str:
        """Return `to_dict()` as JSON on one line, for which its report's many numbers are not read again."""
        if self.text is None:
            return dumps(self.to_dict())
        return f"{_SCHEMA}{dumps(self._head())[1:-1]}, {self.text.removeprefix(_SCHEMA)}"

    def _head(self) -> dict[str, Any]:
        """Return what the suite says of the check."""
        said = {"name": self.name, "file": self.file, "line": self.line, "expect": self.expect, "tags": self.tags}
        head = {key: jsonable(value) for key, value in said.items() if value not in {None, ()}}
        return head | {"seconds": round(self.seconds, 6), "passed": self.passed}


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """What several checks came to, in their order; `asked` is how many there were, of which some may not have run.

    `interrupted` says that Ctrl-C is why. Those in `before` are written already.
    """

    checks: tuple[CheckReport, ...]
    asked: int
    interrupted: bool = False
    before: tuple[CheckReport, ...] = ()
    schema: str = field(default=SUITE_SCHEMA)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many checks came to each verdict, or to an error."""
        outcomes = [check.outcome for check in (*self.before, *self.checks)]
        return {name: outcomes.count(name) for name in [*map(str, Verdict), ERROR] if name in outcomes}

    @property
    def unverified(self) -> list[CheckReport]:
        """Return the checks that pass because nothing was to be compared."""
        return [check for check in self.checks if check.unverified]

    @property
    def remarked(self) -> list[CheckReport]:
        """Return the checks that pass and of which there is something to say all the same."""
        return [check for check in self.checks if check.passed and check.remarks]

    def after(self, written: int) -> SuiteReport:
        """Return what is left of the report once that many of its checks are written."""
        return replace(self, checks=self.checks[written:], before=self.checks[:written])

    @property
    def left(self) -> int:
        """Return how many checks did not run."""
        return self.asked - len(self.before) - len(self.checks)

    @property
    def interruption(self) -> str | None:
        """Return that the suite was interrupted, and how much of it ran; None if it was not."""
        return f"interrupted: {self.left:,} of {self.asked:,} checks were not run" if self.interrupted else None

    @property
    def failures(self) -> list[CheckReport]:
        """Return the checks that do not pass, the gravest first, then in their order."""
        failed = [check for check in self.checks if not check.passed]
        return sorted(failed, key=lambda check: BY_SEVERITY.index(check.code))

    @property
    def verdict(self) -> Verdict:
        """Return the worst verdict: one that is expected counts as a match, one that is not as a mismatch.

        A check that was not run is unverified.
        """
        return worst([*map(_judged, (*self.before, *self.checks)), Verdict.UNVERIFIED if self.left else None])

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code that all checks ask for."""
        codes = {check.code for check in self.checks}
        return next((code for code in BY_SEVERITY if code in codes), ExitCode.OK)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as strict JSON data; failures come first, by name."""
        return self.head() | {"checks": [check.to_dict() for check in self.checks]} | self.foot()

    def head(self) -> dict[str, Any]:
        """Return what the data has before the checks."""
        return {"schema": self.schema, "failures": [check.name for check in self.failures]}

    def foot(self) -> dict[str, Any]:
        """Return what the data has after the checks."""
        return {
            "counts": self.counts,
            "asked": self.asked,
            "interrupted": self.interrupted,
            "verdict": str(self.verdict),
        }


def check_report(report: Report, name: str, expect: Verdict | None = None, **place: Any) -> CheckReport:
    """Return what a check came to that has a report; `place` are the fields that the suite gives."""
    found = (*_findings(report), *_failed_checks(report))
    code = report.exit_code if expect is None else _expected(report, expect)
    used = report.tolerance
    if used is not None and not Tolerance.is_usual(report.dtype, used.rtol, used.atol):
        place = {"tolerance": (used.rtol, used.atol), **place}
    source = report.details.source if isinstance(report.details, CustomDetails | CheckDetails) else None
    place = {"expect": expect, "reproduce": report.reproduce, "source": source, **place}
    return CheckReport(
        name, report.program, report.verdict, code, dumps(report.to_dict()), found, _remarks(report), **place
    )


def error_report(error: GradcliError, name: str, program: str, **place: Any) -> CheckReport:
    """Return what a check came to that ended with an error; one without a verdict in time is undecided."""
    verdict = Verdict.UNDECIDED if error.exit_code is ExitCode.UNDECIDED else None
    return CheckReport(name, program, verdict, error.exit_code, reason=error.reason, hint=error.hint, **place)


def suite_of(reports: Sequence[Report]) -> SuiteReport:
    """Return the suite whose checks are these reports, named by their programs."""
    checks = tuple(check_report(report, " ".join(report.program.split())) for report in reports)
    return SuiteReport(checks, len(checks))


def _expected(report: Report, expect: Verdict) -> ExitCode:
    """Return the exit code of a check that expects a verdict: what passes unexpectedly fails too."""
    if report.verdict is Verdict.UNVERIFIED:  # there is nothing to tell from what is expected
        return report.exit_code
    return ExitCode.OK if report.verdict is expect else report.exit_code or ExitCode.MISMATCH


def _judged(check: CheckReport) -> Verdict:
    if check.verdict is None:
        return Verdict.UNDECIDED
    if check.expect is None or check.verdict is Verdict.UNVERIFIED:
        return check.verdict
    failed = Verdict.UNDECIDED if check.code is ExitCode.UNDECIDED else Verdict.MISMATCH
    return Verdict.MATCH if check.passed else failed


def _findings(report: Report) -> tuple[Finding, ...]:
    return tuple(_finding(tensor) for tensor in report.tensors if tensor.verdict not in {None, Verdict.MATCH})


def _remarks(report: Report) -> tuple[Finding, ...]:
    """Return the matches with an infinite gradient: a training step with it fails, though autograd is right."""
    matches = [tensor for tensor in report.tensors if tensor.verdict is Verdict.MATCH]
    return tuple(_finding(t) for t in matches if any(note.kind is NoteKind.UNDEFINED for note in t.notes))


def _failed_checks(report: Report) -> tuple[Finding, ...]:
    """Return the checks of a Function that say more than which tensors are wrong: that has been said by then."""
    checks = report.details.checks or () if isinstance(report.details, CustomDetails) else ()
    failed = [check for check in checks if check.verdict is not Verdict.MATCH]
    telling = [check for check in failed if any(note.kind is not NoteKind.SCOPE for note in check.notes)]
    if not telling and not _findings(report):
        telling = [check for check in failed if check.verdict is report.verdict]
    return tuple(Finding(check.name, check.verdict, check.notes, None, None, None) for check in telling)


def _finding(tensor: TensorReport) -> Finding:
    assert tensor.verdict is not None  # noqa: S101 (only those with one are given)
    index = None if tensor.symbolic is None else tensor.symbolic.worst_index
    symbolic = None if tensor.symbolic is None else _entry(tensor.symbolic.value, index)
    gradient, wrong = _entry(tensor.gradient, index), tensor.only_claim_is_wrong
    return Finding(tensor.name, tensor.verdict, tensor.notes, gradient, symbolic, index, wrong)


def _entry(tensor: Any | None, index: tuple[int, ...] | None) -> Any | None:
    """Return the entry of a tensor that an index names, as JSON data."""
    return None if tensor is None or index is None else jsonable(tensor[index])
