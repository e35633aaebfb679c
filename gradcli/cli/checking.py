"""What `check` does around its checks: read the targets, tell each what concerns it, write one report for all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gradcli.cli.app import SUITE
from gradcli.cli.running import read_lines, read_program
from gradcli.errors import GradcliError, InputError

if TYPE_CHECKING:
    import typer

    from gradcli.cli.bundles import OutputOptions
    from gradcli.cli.several import SuiteOptions
    from gradcli.settings import DataType, Settings
    from gradcli.suite.check import Kind, SuiteCheck
    from gradcli.suite.given import Given

    Named = tuple[Kind, str]  # a program's text, or the name of code: which of them it is, and not how it is written


def run_checks(targets: Sequence[str], given: Given, suite: SuiteOptions, output: OutputOptions) -> int:
    """Check every target with every dtype, write the report, and return the exit code that all of it asks for.

    Without a target, those of pyproject.toml are checked.
    """
    _check_spread(suite)
    targets = [file for target in targets or _targets_of(given) for file in _suites_in(target)]
    if not any(target.endswith(SUITE) for target in targets):
        programs, variants = _programs(targets, given.settings, each_line=suite.each_line), _variants(given)
        if len(programs) * len(variants) == 1:
            return _run_one(programs[0], replace(variants[0][1], only=tuple(suite.only)), given, output)
        checks = list(_checks(programs, given))
    else:
        if suite.executor is None:
            from gradcli.suite.server import begin

            begin()
        checks = [check for target in targets for check in _checks_of(target, given, suite)]
    from gradcli.cli.suites import run_suite

    return run_suite(checks, suite, output)


def _check_spread(suite: SuiteOptions) -> None:
    """Refuse what says in no way where checks are carried out, be it that there is only one."""
    if suite.jobs != "1":
        from gradcli.suite.jobs import count_jobs

        count_jobs(suite.jobs)
    if suite.shard is not None:
        from gradcli.suite.select import shard

        shard([], suite.shard)


# Options that are not called as their key in a suite is.
KEYS = {"value": "values", "values_file": "values", "constant": "constants", "witness": "witnesses"}
KEYS |= {"argument": "arguments", "pick": "output", "evaluation": "train"}
# Options that are called as a key in a suite is, and mean something else.
KEYS |= {"output": "out"}


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


def _run_one(named: Named, settings: Settings, given: Given, output: OutputOptions) -> int:
    from gradcli.cli.running import run_isolated, write_report
    from gradcli.suite.check import Kind

    kind, program = named
    if kind is Kind.TARGET:
        return run_isolated(program, Kind.TARGET, settings, output)
    from gradcli.engine import evaluate_program
    from gradcli.suite.reproduce import reproducible

    report = evaluate_program(program, settings)
    write_report(reproducible(report, program, settings, given.program_options), output)
    return report.exit_code


def _variants(given: Given) -> list[tuple[str, Settings]]:
    """Return the settings of a program: several, each with what it adds to the name, for several shapes or dtypes."""
    from gradcli.suite.expand import variants

    return list(variants(given.keys(), given.settings, Path()))


def _checks_of(target: str, given: Given, suite: SuiteOptions) -> list[SuiteCheck]:
    """Return the checks of a suite file, or of a program beside one."""
    if not target.endswith(SUITE):
        return list(_checks(_programs([target], given.settings, each_line=suite.each_line), given))
    from gradcli.suite.read import read_suite

    return read_suite(target, given)


def _programs(targets: Sequence[str], settings: Settings, *, each_line: bool = False) -> list[Named]:
    """Return the programs that the targets are; `-` stands for the one on standard input, or for one in each line."""
    from gradcli.deadline import deadline

    limit = settings.limits.program_size
    programs: list[Named] = []
    with deadline(settings.timeout):
        for target in targets:
            programs += _texts(target, limit, each_line=each_line)
    return programs


def _texts(target: str, limit: int, *, each_line: bool) -> list[Named]:
    """Return what a target stands for: code, or programs. What is read from somewhere is never the name of code."""
    from gradcli.inputs import is_code
    from gradcli.suite.check import Kind

    if is_code(target):
        return [(Kind.TARGET, target)]
    texts = read_lines(limit) if each_line and target == "-" else [read_program(target, limit)]
    return [(Kind.PROGRAM, text) for text in texts]


def _checks(programs: Sequence[Named], given: Given) -> Iterator[SuiteCheck]:
    """Yield each program with its settings; with several, an option that names a tensor goes to those that have it."""
    from gradcli.suite.check import Kind, SuiteCheck

    known = [_names(program, given.settings) for _, program in programs] if len(programs) > 1 else []
    anywhere = {name for names in known for name in names}
    anywhere |= _names_given(given.settings) if any(kind is Kind.TARGET for kind, _ in programs) else set()
    for place, (kind, program) in enumerate(programs):
        for suffix, settings in _variants(given):
            chosen = settings
            if known and kind is Kind.TARGET:  # what it takes is known once it is loaded
                chosen = replace(settings, elsewhere=tuple(anywhere))
            elif known:
                chosen = concerning(settings, anywhere - known[place])
            name = " ".join(program.split()) + suffix
            yield SuiteCheck(name, program, chosen, kind=kind, options=given.program_options)


def _names_given(settings: Settings) -> set[str]:
    """Return the names of tensors in options."""
    return {name for name in (*settings.shapes, *settings.values, *settings.constants) if name is not None}


def concerning(settings: Settings, others: set[str]) -> Settings:
    """Return the settings without what concerns only tensors, or arguments, of other programs."""
    return replace(
        settings,
        shapes={name: shape for name, shape in settings.shapes.items() if name not in others},
        values={name: value for name, value in settings.values.items() if name not in others},
        claims={name: claim for name, claim in settings.claims.items() if name not in others},
        constants=tuple(name for name in settings.constants if name not in others),
        arguments={name: value for name, value in settings.arguments.items() if name not in others},
        elsewhere=tuple(others),
    )


def _names(source: str, settings: Settings) -> set[str]:
    """Return the names of a program's tensors; none of a text that is not a program, which its check will say."""
    from gradcli.inputs.programs import read
    from gradcli.language.leaves import assigned_names

    try:
        program = read(source, settings)
    except GradcliError:
        return set()
    return {leaf.name for leaf in (*program.leaves, *program.made)} | assigned_names(program.statements)
