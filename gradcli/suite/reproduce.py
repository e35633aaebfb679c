"""The command that gives a verdict again: of a program with its settings, or of a check of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradcli.errors import ExitCode
from gradcli.inputs.command_line import command_line, joined, with_positional
from gradcli.report.report import Report
from gradcli.report.verdict import fails
from gradcli.settings import Settings
from gradcli.suite.check import SuiteCheck


def reproducible(report: Report, program: str, settings: Settings, also: Sequence[str] = ()) -> Report:
    """Return the report with the command that gives its verdict again, if that is not a pass; a page always has it.

    `program` is the target, of `custom`; `also` are further words of the command.
    """
    passed = not fails(report.verdict) or report.exit_code is ExitCode.OK
    if passed and settings.command != "report":
        return report
    return replace(report, reproduce=_at_point(program, settings, report.seed, also))


def command_of(check: SuiteCheck, seed: int | None = None) -> str:
    """Return the command that carries out a check of several alone: at the point of a seed, or at all its points."""
    if check.file is None:
        return _at_point(check.program, check.settings, seed, check.options)
    options = ["--only", check.name, *check.options]
    return joined(["gradcli", "check", *with_positional(check.file, options)])


def _at_point(program: str, settings: Settings, seed: int | None, also: Sequence[str]) -> str:
    return command_line(program, settings if seed is None else replace(settings, seed=seed, points=1), also)
