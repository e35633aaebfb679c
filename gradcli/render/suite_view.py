"""What a reader is shown of several checks, as grids and sentences: table, plain text and Markdown share it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gradcli.errors import ExitCode
from gradcli.escaping import clip, escape
from gradcli.render.grid import Grid, Lines, left_out
from gradcli.render.numbers import short
from gradcli.report.notes import NoteKind, shared, without
from gradcli.report.suite import ERROR, CheckReport, Finding, SuiteReport
from gradcli.report.verdict import Verdict

MOST_CHECKS = 24  # beyond these, a row each would bury the failures
MOST_SLOWEST = 5
MOST_FAILURES = 24
MOST_FINDINGS = 12
LONGEST_NAME = 44
NOTHING = "nothing was compared"
CLAIM = "autograd is right, and the claim is wrong"


@dataclass(frozen=True, slots=True)
class SuiteView:
    """Several checks as text: `failures` are titles, sentences and the command for each, the gravest first."""

    grids: tuple[Grid, ...]
    failures: tuple[tuple[str, Lines, str], ...]
    left_out: str
    verdict: Verdict
    outcome: str
    """The verdict in a word, or that a check is wrong itself."""
    summary: str


def suite_view(suite: SuiteReport) -> SuiteView:
    """Return what a reader is shown of several checks."""
    few = len(suite.checks) <= MOST_CHECKS
    wrong = suite.exit_code in {ExitCode.USAGE, ExitCode.INTERNAL}
    failures, more = suite.failures[:MOST_FAILURES], len(suite.failures) - MOST_FAILURES
    return SuiteView(
        grids=(_rows("Checks", suite.checks) if few else _slowest(suite), *_tolerances(suite), *_remarks(suite)),
        failures=tuple(
            (_heading(title(check), place(check)), sentences(check), check.reproduce or "") for check in failures
        ),
        left_out="".join(left_out(more, "failures")),
        verdict=Verdict.MISMATCH if wrong else suite.verdict,
        outcome=ERROR if wrong else str(suite.verdict),
        summary=summary(suite),
    )


def summary(suite: SuiteReport) -> str:
    """Return how many checks there were, and how many came to each verdict."""
    counts = ", ".join(f"{count:,} {verdict}{_expected(suite, verdict)}" for verdict, count in suite.counts.items())
    left = suite.interruption or (f"{suite.left:,} not run" if suite.left else "")
    return _outcome(suite) + (f": {counts}" if counts else "") + (f"; {left}" if left else "")


def _outcome(suite: SuiteReport) -> str:
    failed = len(suite.failures)
    total = "1 check" if len(suite.checks) == 1 else f"{len(suite.checks):,} checks"
    if failed or any(check.unverified for check in suite.checks):
        return f"{total}, {failed:,} failed" if failed else f"{total}, none failed"
    return f"{total} passed" if suite.checks else "no check was run"


def _expected(suite: SuiteReport, verdict: str) -> str:
    """Return how many of the checks with a verdict passed because it is the one that they expect."""
    count = sum(check.as_expected for check in suite.checks if check.outcome == verdict)
    return "" if not count else " as expected" if count == suite.counts[verdict] else f" ({count:,} as expected)"


def title(check: CheckReport) -> str:
    """Return the name of a check on one line."""
    return escape(" ".join(check.name.split()))


def _heading(title: str, place: str) -> str:
    """Return a title with the place in a file, unless that is what it begins with."""
    return title if not place or title.startswith(place) else f"{title}  {place}"


def place(check: CheckReport) -> str:
    """Return where a check, or the Function that it is about, is written; nothing for a program of the command line."""
    file, line = check.place
    return "" if file is None else escape(f"{file}:{line}")


def sentence(check: CheckReport) -> str:
    """Return a check that failed, and all that is wrong with it, as one sentence."""
    return f"{title(check)}: {'; '.join(reasons(check)) or check.outcome}"


def sentences(check: CheckReport) -> Lines:
    """Return what is wrong with a check that failed."""
    program = "" if check.name == " ".join(check.program.split()) else clip(check.program, 100)
    hint = () if check.hint is None else (f"hint: {escape(' '.join(check.hint.split()))}",)
    return tuple(part for part in (program, *reasons(check), *hint) if part)


def headline(check: CheckReport) -> str:
    """Return on one line why a check failed: the cause, if it is known."""
    if check.reason is not None:
        return f"{check.outcome}: {escape(' '.join(check.reason.split()))}"
    if check.expect is not None:
        return f"expected {check.expect}, found {check.outcome}"
    if check.verdict is Verdict.UNVERIFIED:
        return f"{check.outcome}: {NOTHING}"
    worst = [finding for finding in check.findings if finding.verdict is check.verdict]
    return ": ".join([check.outcome, *map(_cause, worst[:1])])


def _cause(finding: Finding) -> str:
    """Return what is most worth knowing of a finding: who is to blame, the last likely cause, or the first note."""
    blamed, causes = (
        [note for note in finding.notes if note.kind is kind] for kind in (NoteKind.BLAME, NoteKind.CAUSE)
    )
    words = [escape(" ".join(note.words.split())) for note in (blamed[:1] or causes[-1:] or finding.notes[:1])]
    return ": ".join([clip(finding.tensor, LONGEST_NAME), *words])


def reasons(check: CheckReport) -> Lines:
    """Return why a check failed: an error, an unexpected verdict, or what is wrong with each tensor."""
    reason = () if check.reason is None else (f"{check.outcome}: {escape(' '.join(check.reason.split()))}",)
    nothing = (NOTHING,) if check.verdict is Verdict.UNVERIFIED else ()
    unexpected = () if check.expect is None else (f"expected {check.expect}, found {check.outcome}",)
    return (*reason, *nothing, *unexpected, *_findings(check.findings))


def _findings(findings: tuple[Finding, ...]) -> Lines:
    """Return what is wrong with each tensor, of many the first ones; what holds of several comes first."""
    groups = shared([finding.notes for finding in findings])
    told = {one for words in groups for one in words}
    shown = [replace(finding, notes=without(finding.notes, told)) for finding in findings[:MOST_FINDINGS]]
    told_once = (escape(" ".join("; ".join(words).split())) for words in groups)
    return (*told_once, *map(_finding, shown), *left_out(len(findings) - len(shown), "tensors"))


def remarks(check: CheckReport) -> Lines:
    """Return what there is to say of the matches of a check that passes."""
    return tuple(
        f"{clip(found.tensor, LONGEST_NAME)}: {escape(' '.join((found.note or '').split()))}" for found in check.remarks
    )


def _remarks(suite: SuiteReport) -> tuple[Grid, ...]:
    """Return a grid of what there is to say of checks that pass, if there is anything."""
    rows = [((clip(check.name, LONGEST_NAME),), (line,)) for check in suite.remarked for line in remarks(check)]
    return (Grid("Notes", (), tuple(rows[:MOST_CHECKS]), left_out(len(rows) - MOST_CHECKS)),) if rows else ()


def _rows(heading: str, checks: tuple[CheckReport, ...] | list[CheckReport]) -> Grid:
    rows = tuple(((clip(check.name, LONGEST_NAME),), _verdict(check), (_time(check),)) for check in checks)
    return Grid(heading, ("check", "verdict", "time"), rows)


def _tolerances(suite: SuiteReport) -> tuple[Grid, ...]:
    """Return a grid of the checks whose tolerances are not those of their dtypes, if there are any."""
    own = [(check.name, check.tolerance) for check in suite.checks if check.tolerance is not None]
    rows = tuple(((clip(name, LONGEST_NAME),), (f"{r:g}",), (f"{a:g}",)) for name, (r, a) in own[:MOST_CHECKS])
    more = left_out(len(own) - MOST_CHECKS)
    return (Grid("Tolerances that are not the defaults", ("check", "rtol", "atol"), rows, more),) if own else ()


def _slowest(suite: SuiteReport) -> Grid:
    return _rows("Slowest checks", sorted(suite.checks, key=lambda check: -check.seconds)[:MOST_SLOWEST])


def _verdict(check: CheckReport) -> Lines | Verdict:
    if check.verdict is None:
        return (check.outcome,)
    if check.verdict is Verdict.UNVERIFIED:
        return check.verdict
    # An expected verdict is as good as a match, an unexpected one as bad as a mismatch: the words say what was found.
    expected = check.expect is not None and check.verdict is not Verdict.MATCH
    return (
        (f"{check.outcome}, {'as expected' if check.code is ExitCode.OK else 'unexpected'}",)
        if expected
        else check.verdict
    )


def _time(check: CheckReport) -> str:
    return f"{check.seconds:.2f} s"


def _finding(finding: Finding) -> str:
    words = CLAIM if finding.only_claim_is_wrong else finding.verdict
    text = f"{clip(finding.tensor, LONGEST_NAME)}: {words}"
    if finding.note:  # it has the place and the numbers, of a claim too
        return f"{text}: {escape(' '.join(finding.note.split()))}"
    if finding.index is None or finding.symbolic is None:
        return text
    at = f" at {list(finding.index)}" if finding.index else ""
    return f"{text}{at}: autograd {_number(finding.autograd)}, symbolic {_number(finding.symbolic)}"


def _number(value: object) -> str:
    if isinstance(value, dict):
        return f"{_number(value['real'])}{'' if str(value['imag']).startswith('-') else '+'}{_number(value['imag'])}j"
    return short(value) if isinstance(value, float | int) else str(value)
