"""What every command that runs a program does around it: read the program, write the report."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gradcli.errors import InputError, LimitError

if TYPE_CHECKING:
    from gradcli.cli.bundles import OutputOptions
    from gradcli.report.report import Report
    from gradcli.settings import Settings


def run(program: str, settings: Settings, options: OutputOptions) -> int:
    """Evaluate the program, write its report, and return the exit code that its verdict asks for."""
    from gradcli.deadline import deadline
    from gradcli.engine import evaluate_program

    with deadline(settings.timeout):
        program = read_program(program, settings.limits.program_size)
    report = evaluate_program(program, settings)
    write_report(report, options)
    return report.exit_code


def read_program(program: str, limit: int) -> str:
    """Return the program; `-` reads it from standard input, up to a limit in bytes."""
    if program != "-":
        return program
    if sys.stdin is None:
        msg = "standard input is closed, so no program can be read from it"
        raise InputError(msg)
    data = sys.stdin.buffer.read(limit + 1)
    if len(data) > limit:
        msg = f"the program on standard input is longer than {limit:,} bytes"
        raise LimitError(msg, hint="`--max-program-size` raises the limit")
    return data.decode("utf-8", "surrogateescape").removeprefix("\ufeff").replace("\r\n", "\n")


def write_report(report: Report, options: OutputOptions) -> None:
    """Write the report in the format asked for, to the file or to standard output."""
    from gradcli.cli.output import write
    from gradcli.render import FORMATS
    from gradcli.render.style import style_for

    style = style_for(None if options.output else sys.stdout)
    write(FORMATS[options.chosen_format].render(report, style), options.output)
