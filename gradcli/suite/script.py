"""A script in the process that runs it: each of its checked backward calls as a check of a suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gradcli.engine import run_script
from gradcli.report.suite import CheckReport, check_report, error_report
from gradcli.settings import Settings

if TYPE_CHECKING:
    from gradcli.execution.commands.run import CheckedCall


def checked_script(
    script: str, arguments: Sequence[str], settings: Settings, tell: Callable[[CheckReport], None]
) -> None:
    """Run a script, and tell what each backward call came to; raises if the script fails."""
    run_script(script, arguments, settings, lambda found: tell(_report(found)))


def _report(found: CheckedCall) -> CheckReport:
    if found.report is not None:
        report = check_report(found.report, found.name, source=found.place)
    else:
        assert found.error is not None  # noqa: S101 (one of the two is there)
        report = error_report(found.error, found.name, found.program, source=found.place, reproduce=found.reproduce)
    return replace(report, seconds=found.seconds)
