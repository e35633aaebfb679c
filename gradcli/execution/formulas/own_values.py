"""Which leaves of a program have values of their own, and which are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradcli.execution.code.program import CodeProgram
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.value_files import read_values
from gradcli.language.program import Program
from gradcli.settings import Settings


def free(program: Source) -> tuple[str, ...]:
    """Return the names of the leaves that have no value unless they are given one."""
    if isinstance(program, CodeProgram):
        return program.target.free
    assert isinstance(program, Program)  # noqa: S101 (there are two kinds)
    return tuple(leaf.name for leaf in program.leaves)


def valued(program: Source, settings: Settings, given: Mapping[str, Any]) -> set[str]:
    """Return the names of the leaves that have values of their own."""
    made = {leaf.name for leaf in program.made} if isinstance(program, Program) else set()
    return {*given, *settings.values, *read_values(settings.values_file), *made}
