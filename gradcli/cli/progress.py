"""How far a run of several checks is: a bar on standard error, on a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from gradcli.suite.status import is_wanted


class Passing(Protocol):
    """What one of several came to."""

    @property
    def passed(self) -> bool:
        """Tell whether it passed."""


@contextmanager
def progress(total: int, what: str = "checks") -> Iterator[Callable[[Passing], None]]:
    """Give what is called with each report, and moves the bar of what there are several of."""
    if not is_wanted():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task, failed = bar.add_task(what, total=total), 0

        def advance(report: Passing) -> None:
            nonlocal failed
            failed += not report.passed
            bar.update(task, advance=1, description=f"{what}, {failed} failed" if failed else what)

        yield advance
