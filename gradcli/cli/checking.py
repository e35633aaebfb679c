"""What `check` does around its checks: read the targets, tell each what concerns it, write one report for all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gradcli.errors import GradcliError, InputError, LimitError

if TYPE_CHECKING:
    from gradcli.cli.bundles import OutputOptions, SuiteOptions
    from gradcli.settings import DataType, Settings
    from gradcli.suite.check import SuiteCheck


def run_checks(
    targets: Sequence[str],
    settings: Settings,
    dtypes: Sequence[DataType],
    suite: SuiteOptions,
    output: OutputOptions,
) -> int:
    """Check every target with every dtype, write the report, and return the exit code that all of it asks for."""
    targets = [file for target in targets for file in _suites_in(target)]
    if not any(target.endswith(SUITE) for target in targets):
        programs = _programs(targets, settings.limits.program_size)
        if len(programs) * len(dtypes) == 1:
            return _run_one(programs[0], replace(settings, dtype=dtypes[0]), output)
        checks = list(_checks(programs, settings, dtypes))
    else:
        checks = [check for target in targets for check in _checks_of(target, settings, dtypes)]
    from gradcli.cli.suites import run_suite

    return run_suite(checks, suite, output)


SUITE = ".toml"


def _suites_in(target: str) -> list[str]:
    """Return the suites of a folder, sorted by name, or any other target itself; InputError if a folder has none."""
    if not os.path.isdir(target):  # noqa: PTH112  # Path's raises for a text that no path can be, such as a long program
        return [target]
    suites = sorted(entry.path for entry in os.scandir(target) if entry.name.endswith(SUITE) and entry.is_file())
    if not suites:
        message = f"the folder '{target}' holds no suite (*{SUITE})"
        raise InputError(message, hint="name a file in it; a program called as a folder may stand in brackets: `(x)`")
    return suites


def _run_one(program: str, settings: Settings, output: OutputOptions) -> int:
    from gradcli.cli.running import write_report
    from gradcli.engine import evaluate_program

    report = evaluate_program(program, settings)
    write_report(report, output)
    return report.exit_code


def _checks_of(target: str, settings: Settings, dtypes: Sequence[DataType]) -> list[SuiteCheck]:
    """Return the checks of a suite file, or of a program beside one."""
    if not target.endswith(SUITE):
        return list(_checks(_programs([target], settings.limits.program_size), settings, dtypes))
    from gradcli.suite.read import read_suite

    return read_suite(target, settings, dtypes)


def _programs(targets: Sequence[str], limit: int) -> list[str]:
    """Return the programs that the targets are; `-` stands for the lines of standard input."""
    programs: list[str] = []
    for target in targets:
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
        raise InputError("standard input holds no program", hint="`-` reads one program per line")
    return programs


def _checks(programs: Sequence[str], settings: Settings, dtypes: Sequence[DataType]) -> Iterator[SuiteCheck]:
    """Yield each program with its settings; with several, an option that names a tensor goes to those that have it."""
    from gradcli.suite.check import SuiteCheck

    known = [_names(program, settings) for program in programs] if len(programs) > 1 else []
    anywhere = {name for names in known for name in names}
    for place, program in enumerate(programs):
        chosen = concerning(settings, anywhere - known[place]) if known else settings
        for dtype in dtypes:
            suffix = f"[{dtype}]" if len(dtypes) > 1 else ""
            yield SuiteCheck(" ".join(program.split()) + suffix, program, replace(chosen, dtype=dtype))


def concerning(settings: Settings, others: set[str]) -> Settings:
    """Return the settings without what concerns only tensors, or arguments, of other programs."""
    return replace(
        settings,
        shapes={name: shape for name, shape in settings.shapes.items() if name not in others},
        values={name: value for name, value in settings.values.items() if name not in others},
        claims={name: claim for name, claim in settings.claims.items() if name not in others},
        constants=tuple(name for name in settings.constants if name not in others),
        arguments={name: value for name, value in settings.arguments.items() if name not in others},
    )


def _names(source: str, settings: Settings) -> set[str]:
    """Return the names of a program's tensors; none of a text that is not a program, which its check will say."""
    from gradcli.engine import read
    from gradcli.language.leaves import assigned_names

    try:
        program = read(source, settings)
    except GradcliError:
        return set()
    return {leaf.name for leaf in program.leaves} | assigned_names(program.statements)
