"""One check of several: a program or a Function, the settings to check it with, and where it is written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


class Kind(StrEnum):
    """What the text of a check is, by the key of a suite that has it."""

    PROGRAM = "program"
    FUNCTION = "function"
    """`FILE.py:Class` or `module:Class`."""
    TARGET = "target"
    """Code: `FILE.py:NAME` or `module:NAME`, where the name is a function, a module or a case."""
    FORWARD = "forward"
    """The program of a Function's forward; the settings have its backwards."""


# What is loaded from a file of the user's, in a process of its own.
LOADED = frozenset({Kind.FUNCTION, Kind.TARGET})


@dataclass(frozen=True, slots=True)
class SuiteCheck:
    """One check: `program` is the text of what it checks.

    `expect` is the verdict that it passes with, None stands for any that is a pass. `file` and `line` say where a suite
    has it; both are None for one of the command line. `options` are words of the command line that it depends on beside
    its file or its program.
    """

    name: str
    program: str
    settings: Settings
    expect: Verdict | None = None
    tags: tuple[str, ...] = ()
    file: str | None = None
    line: int | None = None
    kind: Kind = Kind.PROGRAM
    options: tuple[str, ...] = ()
