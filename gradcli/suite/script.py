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
    from gradcli.render.style import Style


def checked_script(
    script: str, arguments: Sequence[str], settings: Settings, tell: Callable[[CheckReport], None]
) -> None:
    """Run a script, and tell what each backward call came to; raises if the script fails."""
    run_script(script, arguments, settings, lambda found: tell(_report(found)))


def drawn_script(
    script: str,
    arguments: Sequence[str],
    settings: Settings,
    say: Callable[..., None],
    *,
    form: str,
    style: Style,
) -> None:
    """Run a script, and say the graph of each backward call as text in a format; raises if the script fails."""
    from gradcli.render.formats import format_of

    def tell(found: CheckedCall) -> None:
        if found.report is None:
            assert found.error is not None  # noqa: S101 (one of the two is there)
            say(name=found.name, reason=found.error.reason, code=int(found.error.exit_code))
        else:
            report = replace(found.report, program=f"{found.program}  # {found.name}")
            text = format_of(form, settings.command).render(report, style)
            say(name=found.name, text=text, code=int(report.exit_code))

    run_script(script, arguments, settings, tell)


def _report(found: CheckedCall) -> CheckReport:
    if found.report is not None:
        report = check_report(found.report, found.name, source=found.place)
    else:
        assert found.error is not None  # noqa: S101 (one of the two is there)
        report = error_report(found.error, found.name, found.program, source=found.place, reproduce=found.reproduce)
    return replace(report, seconds=found.seconds)
