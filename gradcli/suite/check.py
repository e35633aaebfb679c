"""One check of several: a program, the settings to check it with, and where it is written."""

from __future__ import annotations

from dataclasses import dataclass

from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


@dataclass(frozen=True, slots=True)
class SuiteCheck:
    """One check; `expect` is the verdict that it passes with, None stands for any that is a pass.

    `file` and `line` say where a suite has it; both are None for a program of the command line. `options` are words of
    the command line that it depends on beside its file or its program.
    """

    name: str
    program: str
    settings: Settings
    expect: Verdict | None = None
    tags: tuple[str, ...] = ()
    file: str | None = None
    line: int | None = None
    options: tuple[str, ...] = ()
