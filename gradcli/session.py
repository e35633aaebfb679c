"""One program from text to report: parse, run, differentiate, compare."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gradcli.deadline import deadline
from gradcli.derivation.client import DERIVATIONS
from gradcli.errors import InputError, ProgramError
from gradcli.inputs import check_names, suggest
from gradcli.language.limits import Limits
from gradcli.language.parser import parse
from gradcli.language.resolve import resolve
from gradcli.ops.table import find, names

if TYPE_CHECKING:
    from gradcli.program import Program
    from gradcli.report import Report
    from gradcli.settings import Settings


def evaluate_program(source: str, settings: Settings, given: Mapping[str, Any] | None = None) -> Report:
    """Return the report of the command that the settings name.

    The symbolic worker is started before torch is imported, so that sympy loads beside it.
    """
    program = read(source, settings)
    leaves = [leaf.name for leaf in program.leaves]
    check_names(leaves, settings)
    for name in given or {}:
        if name not in leaves:
            near = suggest(name, leaves)
            raise InputError(f"the program has no leaf '{name}'", hint=f"did you mean '{near}'?" if near else None)
    DERIVATIONS.worker.seconds = settings.limits.derivation_time
    if settings.verify:
        DERIVATIONS.worker.start()
    with warnings.catch_warnings():
        # torch warns once that numpy is not there; gradcli does not need it.
        warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
        from gradcli.execution.commands import carry_out

    with deadline(settings.timeout):
        return carry_out(program, settings, given or {})


def read(source: str, settings: Settings) -> Program:
    """Return the parsed program; ProgramError if it is none, or has no leaf."""
    limits = settings.limits
    program = _parsed(source, Limits(limits.program_size, limits.nesting, limits.operations, limits.exponent))
    if not program.leaves:
        raise ProgramError(
            "the program has no leaf: nothing to differentiate with respect to",
            source=source,
            hint="a leaf is a name that is never assigned, such as w in `w*w`",
        )
    return program


@lru_cache(maxsize=128)
def _parsed(source: str, limits: Limits) -> Program:
    """Return the parsed program, whose functions are all known: the same text is parsed once."""
    program = parse(source, limits)
    resolve(program, find, names)
    return program
