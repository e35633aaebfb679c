"""How far a run of several checks is: a bar on standard error, on a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gradcli.suite.status import is_wanted

if TYPE_CHECKING:
    from gradcli.report.suite import CheckReport


@contextmanager
def progress(total: int) -> Iterator[Callable[[CheckReport], None]]:
    """Give what is called with each report, and moves the bar."""
    if not is_wanted():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task, failed = bar.add_task("checks", total=total), 0

        def advance(report: CheckReport) -> None:
            nonlocal failed
            failed += not report.passed
            bar.update(task, advance=1, description=f"checks, {failed} failed" if failed else "checks")

        yield advance
