"""Carry out a command on a program: the function of its name, in the module of its name beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradcli.commands import function_of
from gradcli.derivation.derivations import Derivations
from gradcli.execution.forward.dtypes import default_dtype
from gradcli.execution.forward.memory import in_force
from gradcli.execution.forward.source import Source
from gradcli.execution.process import collector_paused
from gradcli.settings import Settings


def carry_out(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Any:
    """Return what the command that the settings name makes of a program: a report, or a derivation."""
    command: Callable[..., Any] = function_of(settings.command, "gradcli.execution.commands")
    with default_dtype(settings), in_force(settings.limits), collector_paused():
        return command(program, settings, given, derivations)
