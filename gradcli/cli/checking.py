"""What `check` does around its checks: read the targets, tell each what concerns it, write one report for all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gradcli.errors import GradcliError, InputError, LimitError

if TYPE_CHECKING:
    import typer

    from gradcli.cli.bundles import OutputOptions, SuiteOptions
    from gradcli.settings import DataType, Settings
    from gradcli.suite.check import SuiteCheck
    from gradcli.suite.given import Given


def run_checks(targets: Sequence[str], given: Given, suite: SuiteOptions, output: OutputOptions) -> int:
    """Check every target with every dtype, write the report, and return the exit code that all of it asks for.

    Without a target, those of pyproject.toml are checked.
    """
    targets = [file for target in targets or _targets_of(given) for file in _suites_in(target)]
    if not any(target.endswith(SUITE) for target in targets):
        programs, variants = _programs(targets, given.settings.limits.program_size), _variants(given)
        if len(programs) * len(variants) == 1:
            return _run_one(programs[0], variants[0][1], given, output)
        checks = list(_checks(programs, given))
    else:
        checks = [check for target in targets for check in _checks_of(target, given)]
    from gradcli.cli.suites import run_suite

    return run_suite(checks, suite, output)


SUITE = ".toml"
# Options that are not called as their key in a suite is.
KEYS = {"value": "values", "values_file": "values", "constant": "constants", "witness": "witnesses"}


def options_said(context: typer.Context) -> frozenset[str]:
    """Return the parameters that the command line gives, called as their keys in a suite are."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return frozenset(
        KEYS.get(name, name) for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"
    )


def given_for(settings: Settings, said: frozenset[str], dtypes: tuple[DataType, ...], *, isolated: bool) -> Given:
    """Return what holds for every check: the command line, and pyproject.toml unless it is to be ignored."""
    from gradcli.suite.given import Given
    from gradcli.suite.project import find_project

    return Given(settings, said, dtypes, isolated, None if isolated else find_project(settings))


def _targets_of(given: Given) -> list[str]:
    targets = [] if given.project is None else given.project.targets()
    if not targets:
        hint = "name a program or a suite; `targets` in [tool.gradcli] of pyproject.toml stand for none"
        raise InputError("check needs a TARGET", hint=hint)
    return targets


def _suites_in(target: str) -> list[str]:
    """Return the suites of a folder, sorted by name, or any other target itself; InputError if a folder has none."""
    if not os.path.isdir(target):  # noqa: PTH112  # Path's raises for a text that no path can be, such as a long program
        return [target]
    found = [entry for entry in os.scandir(target) if entry.name.endswith(SUITE) and entry.name != "pyproject.toml"]
    suites = sorted(entry.path for entry in found if entry.is_file())
    if not suites:
        message = f"the folder '{target}' holds no suite (*{SUITE})"
        raise InputError(message, hint="name a file in it; a program called as a folder may stand in brackets: `(x)`")
    return suites


def _run_one(program: str, settings: Settings, given: Given, output: OutputOptions) -> int:
    from gradcli.cli.running import write_report
    from gradcli.engine import evaluate_program
    from gradcli.suite.reproduce import reproducible

    report = evaluate_program(program, settings)
    write_report(reproducible(report, program, settings, given.program_options), output)
    return report.exit_code


def _variants(given: Given) -> list[tuple[str, Settings]]:
    """Return the settings of a program: several, each with what it adds to the name, for several shapes or dtypes."""
    from gradcli.suite.expand import variants

    return list(variants(given.keys(), given.settings, Path()))


def _checks_of(target: str, given: Given) -> list[SuiteCheck]:
    """Return the checks of a suite file, or of a program beside one."""
    if not target.endswith(SUITE):
        return list(_checks(_programs([target], given.settings.limits.program_size), given))
    from gradcli.suite.read import read_suite

    return read_suite(target, given)


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


def _checks(programs: Sequence[str], given: Given) -> Iterator[SuiteCheck]:
    """Yield each program with its settings; with several, an option that names a tensor goes to those that have it."""
    from gradcli.suite.check import SuiteCheck

    known = [_names(program, given.settings) for program in programs] if len(programs) > 1 else []
    anywhere = {name for names in known for name in names}
    for place, program in enumerate(programs):
        for suffix, settings in _variants(given):
            chosen = _concerning(settings, anywhere - known[place]) if known else settings
            yield SuiteCheck(" ".join(program.split()) + suffix, program, chosen, options=given.program_options)


def _concerning(settings: Settings, others: set[str]) -> Settings:
    """Return the settings without what concerns only tensors of other programs."""
    return replace(
        settings,
        shapes={name: shape for name, shape in settings.shapes.items() if name not in others},
        values={name: value for name, value in settings.values.items() if name not in others},
        claims={name: claim for name, claim in settings.claims.items() if name not in others},
        constants=tuple(name for name in settings.constants if name not in others),
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
