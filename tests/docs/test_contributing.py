"""The recipes of the justfile, the steps of continuous integration and the table in CONTRIBUTING.md are the same."""

from __future__ import annotations

import re

import pytest
from documented import ROOT

RECIPE = re.compile(r"^(?P<name>\w+)(?: \*\w+)?:(?P<needs>[ \w]*)\n(?P<lines>(?:    .*\n)*)", re.MULTILINE)
TABLE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
# What keeps the tools' caches and banners out of continuous integration.
QUIET = re.compile(r" --(no-cache|no-logo|cache-dir=\S+)")
SHORTENED = {"benchmarks"}  # the table names one script of several


def recipes() -> dict[str, tuple[list[str], list[str]]]:
    """Return each recipe's commands, as they are typed in the root of the tree, and the recipes that it needs."""
    found = {}
    for recipe in RECIPE.finditer((ROOT / "justfile").read_text(encoding="utf-8")):
        lines = [line.strip().replace("{{venv}}", ".venv/bin/") for line in recipe["lines"].splitlines()]
        found[recipe["name"]] = ([line.removesuffix(" {{paths}}") for line in lines], recipe["needs"].split())
    return {name: recipe for name, recipe in found.items() if name != "default"}


def test_the_table_names_every_recipe() -> None:
    assert sorted(set(re.findall(r"`just (\w+)", TABLE))) == sorted(recipes())


@pytest.mark.parametrize("name", [name for name in recipes() if name not in SHORTENED])
def test_the_table_has_a_recipe_s_commands(name: str) -> None:
    commands, _ = recipes()[name]
    (line,) = [line for line in TABLE.splitlines() if f"`just {name}`" in line]
    text = TABLE if name == "setup" else line
    assert [command for command in commands if command not in text] == []


def test_continuous_integration_runs_what_check_runs() -> None:
    _, needed = recipes()["check"]
    commands = [command.removeprefix(".venv/bin/") for name in needed for command in recipes()[name][0]]
    steps = [QUIET.sub("", line) for line in CI.splitlines()]
    assert len(commands) == 5
    assert [command for command in commands if command not in steps and command not in README] == []
    assert "readme_command test" in CI


def test_the_hooks_run_the_same_tools() -> None:
    entries = [entry.removesuffix(" --force-exclude") for entry in re.findall(r"entry: (.*)", HOOKS)]
    commands = [command for commands, _ in recipes().values() for command in commands]
    assert entries
    assert [entry for entry in entries if f".venv/bin/{entry}" not in commands] == []


def test_the_recipe_runs_the_benchmarks_that_the_readme_quotes() -> None:
    quoted = re.findall(r"^\|.*\| `(benchmarks/\w+\.py)` \|$", README, re.MULTILINE)
    commands, _ = recipes()["benchmarks"]
    run = " ".join(commands)
    assert [script for script in quoted if script not in run] == [quoted[2]] == ["benchmarks/models.py"]
