"""What `check` does around its checks: read the targets, tell each what concerns it, write one report for all."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gradcli.errors import GRAVEST_FIRST, ExitCode, GradcliError, InputError, LimitError

if TYPE_CHECKING:
    from gradcli.cli.bundles import OutputOptions
    from gradcli.report import Report
    from gradcli.settings import DataType, Settings


def run_checks(targets: Sequence[str], settings: Settings, dtypes: Sequence[DataType], options: OutputOptions) -> int:
    """Check every target with every dtype, write the report, and return the exit code that all of it asks for."""
    from gradcli.cli.running import write_report, write_suite
    from gradcli.report import SuiteReport

    checks = list(_checks(_programs(targets, settings.limits.program_size), settings, dtypes))
    if len(checks) == 1:
        report = _run(*checks[0])
        write_report(report, options)
        return report.exit_code
    found = [_attempted(source, chosen) for source, chosen in checks]
    reports = [report for report, _ in found if report is not None]
    if reports:
        write_suite(SuiteReport.of(reports), options)
    codes = {code for _, code in found}
    return next(code for code in GRAVEST_FIRST if code in codes)


def _run(source: str, settings: Settings) -> Report:
    from gradcli.session import evaluate_program

    return evaluate_program(source, settings)


def _attempted(source: str, settings: Settings) -> tuple[Report | None, ExitCode]:
    """Return a check's report and exit code; an error is told at once, and costs no other check its report."""
    from gradcli.output import write_error
    from gradcli.render.errors import format_error

    try:
        report = _run(source, settings)
    except GradcliError as error:
        write_error(format_error(error))
        return None, error.exit_code
    return report, report.exit_code


def _programs(targets: Sequence[str], limit: int) -> list[str]:
    """Return the programs that the targets are; `-` stands for the lines of standard input."""
    programs: list[str] = []
    for target in targets:
        if target.endswith(".toml"):
            raise InputError(f"{target}: suite files are not supported yet", hint="give the programs themselves")
        programs += _lines(limit) if target == "-" else [target]
    return programs


def _lines(limit: int) -> list[str]:
    """Return the programs on standard input: a line each, but for empty lines and those that are comments."""
    if sys.stdin is None:
        raise InputError("standard input is closed, so no program can be read from it")
    lines = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").removeprefix("\ufeff").splitlines()
    if any(len(line) > limit for line in lines):
        message = f"a program on standard input is longer than {limit:,} bytes"
        raise LimitError(message, hint="`--max-program-size` raises the limit")
    programs = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not programs:
        raise InputError("standard input holds no program", hint="`-` reads one program a line")
    return programs


def _checks(programs: Sequence[str], settings: Settings, dtypes: Sequence[DataType]) -> Iterator[tuple[str, Settings]]:
    """Yield each program with its settings; with several, an option that names a tensor goes to those that have it."""
    known = [_names(program, settings) for program in programs] if len(programs) > 1 else []
    anywhere = {name for names in known for name in names}
    for place, program in enumerate(programs):
        chosen = _concerning(settings, anywhere - known[place]) if known else settings
        for dtype in dtypes:
            yield program, replace(chosen, dtype=dtype)


def _concerning(settings: Settings, others: set[str]) -> Settings:
    """Return the settings without what concerns tensors of other programs alone."""
    return replace(
        settings,
        shapes={name: shape for name, shape in settings.shapes.items() if name not in others},
        values={name: value for name, value in settings.values.items() if name not in others},
        claims={name: claim for name, claim in settings.claims.items() if name not in others},
        constants=tuple(name for name in settings.constants if name not in others),
    )


def _names(source: str, settings: Settings) -> set[str]:
    """Return the names of a program's tensors; none of a text that is no program, which its check will say."""
    from gradcli.language.leaves import assigned_names
    from gradcli.session import read

    try:
        program = read(source, settings)
    except GradcliError:
        return set()
    return {leaf.name for leaf in program.leaves} | assigned_names(program.statements)
