"""Several checks from the command line: which, where, how far they are, and what comes out."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gradcli.render import FORMATS
from gradcli.report.suite import CheckReport, SuiteReport
from gradcli.suite.check import SuiteCheck

if TYPE_CHECKING:
    from gradcli.cli.bundles import OutputOptions
    from gradcli.cli.several import SuiteOptions
    from gradcli.render.style import Style
    from gradcli.suite.executors import ExecutorFactory


def run_suite(checks: Sequence[SuiteCheck], options: SuiteOptions, output: OutputOptions) -> int:
    """Carry out those of the checks that are asked for, write their report, and return its exit code.

    Ctrl-C ends it with a report of what is finished. What `--last-failed` needs is kept only after the report is out.
    """
    chosen = _chosen(checks, options)
    done: dict[int, CheckReport] = {}
    stream = Stream(output) if _streams(output) else None
    interrupted = False
    try:
        with _orderly_end():
            _carry_out(chosen, options, output, stream, done)
    except KeyboardInterrupt:
        interrupted = True
    suite = SuiteReport(tuple(done[number] for number in sorted(done)), len(chosen), interrupted)
    write_suite(suite, output, 0 if stream is None else stream.written)
    _remember(suite)
    if interrupted:
        raise KeyboardInterrupt
    return suite.exit_code


def _streams(output: OutputOptions) -> bool:
    """Tell whether each report is written as its check finishes; a file is written whole, at the end."""
    return FORMATS[output.chosen_format].streams and output.output is None


class _EndedError(BaseException):
    """A signal has ended the run."""


@contextmanager
def _orderly_end() -> Iterator[None]:
    """End the worker processes before a signal ends this one, which then dies of it as it would have at once."""
    from gradcli.suite.server import leave

    received: list[int] = []

    def end(number: int, _: object) -> None:
        if not received:
            received.append(number)
            raise _EndedError

    usual = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in usual:
        signal.signal(number, end)
    try:
        with suppress(_EndedError):
            yield
    finally:
        for number in usual:
            signal.signal(number, signal.SIG_DFL)
    if received:
        leave()
        os.kill(os.getpid(), received[0])


def _chosen(checks: Sequence[SuiteCheck], options: SuiteOptions) -> list[SuiteCheck]:
    from gradcli.suite import select
    from gradcli.suite.last_failed import recall

    chosen = select.tagged(select.named(checks, options.only), options.tag)
    if options.last_failed:
        failed = {file: recall(file) for file in {check.file for check in chosen if check.file is not None}}
        chosen = [check for check in chosen if check.name in failed.get(check.file or "", ())] or chosen
    return select.shard(chosen, options.shard)


def _carry_out(
    checks: Sequence[SuiteCheck],
    options: SuiteOptions,
    output: OutputOptions,
    stream: Stream | None,
    done: dict[int, CheckReport],
) -> None:
    """Fill `done` with the reports by number; a stream of them is written as soon as those before them are."""
    from gradcli.cli.progress import progress
    from gradcli.suite.schedule import outcomes

    tells = output.output is not None or not FORMATS[output.chosen_format].is_read
    with closing(outcomes(checks, _place(options, len(checks)))) as found, progress(len(checks)) as advance:
        for number, report in found:
            done[number] = report
            if tells:
                _tell(report)
            advance(report)
            if stream is not None:
                stream.write_ready(done)
            if options.fail_fast and not report.passed:
                break


def _place(options: SuiteOptions, count: int) -> ExecutorFactory:
    from gradcli.suite.executors import dask_place, local_place
    from gradcli.suite.jobs import count_jobs

    jobs = count_jobs(options.jobs)
    return local_place(min(jobs, max(count, 1))) if options.executor is None else dask_place(options.executor)


class Stream:
    """Writes reports in the order of their checks, each as soon as those before it are written."""

    def __init__(self, output: OutputOptions) -> None:
        self.output, self.style, self.written = output, _style(output), 0

    def write_ready(self, done: dict[int, CheckReport]) -> None:
        """Write what is next in order."""
        while self.written in done:
            _write(SuiteReport((done[self.written],), 1), self.output, self.style)
            self.written += 1


def _tell(report: CheckReport) -> None:
    """Say on standard error what is wrong with a check that is wrong itself."""
    if report.stderr is not None:
        from gradcli.cli.output import write_error

        write_error(report.stderr)


def write_suite(suite: SuiteReport, output: OutputOptions, written: int = 0) -> None:
    """Write the report in the format asked for, to the file or to standard output; of a stream, what is left of it."""
    chosen = FORMATS[output.chosen_format]
    _write(suite.after(written), output, _style(output))
    if chosen.summary is not None:
        _append_summary(suite, output, *chosen.summary)


def _append_summary(suite: SuiteReport, output: OutputOptions, variable: str, name: str) -> None:
    """Append the report in the format of that name to the file that the environment variable names, if it does."""
    path = os.environ.get(variable)
    if path:
        output = replace(output, format=name, json=False, output=Path(path))
        _write(suite, output, _style(output), append=True)


def _style(output: OutputOptions) -> Style:
    from gradcli.render.style import style_for

    return style_for(None if output.output else sys.stdout, output.color)


def _write(suite: SuiteReport, output: OutputOptions, style: Style, *, append: bool = False) -> None:
    from gradcli.cli.output import write

    write(FORMATS[output.chosen_format].render_suite(suite, style), output.output, append=append)


def _remember(suite: SuiteReport) -> None:
    from gradcli.suite.last_failed import remember

    for file in {check.file for check in suite.checks if check.file is not None}:
        ran = [check for check in suite.checks if check.file == file]
        remember(file, (check.name for check in ran), (check.name for check in ran if not check.passed))
