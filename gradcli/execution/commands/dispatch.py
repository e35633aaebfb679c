"""Which function carries out which command on a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradcli.derivation.derivations import Derivations
from gradcli.execution.commands.accumulate import accumulate
from gradcli.execution.commands.check import check
from gradcli.execution.commands.double_backward import double_backward
from gradcli.execution.commands.eval import evaluate
from gradcli.execution.commands.grad import grad
from gradcli.execution.commands.hessian import hessian
from gradcli.execution.commands.jacobian import jacobian, jvp
from gradcli.execution.commands.trace import show_chain_rule
from gradcli.execution.forward.dtypes import default_dtype
from gradcli.execution.process import collector_paused
from gradcli.language.program import Program
from gradcli.report.report import Report
from gradcli.settings import Command, Settings

COMMANDS: Mapping[Command, Callable[[Program, Settings, Mapping[str, Any], Derivations], Report]] = {
    "eval": evaluate,
    "grad": grad,
    "check": check,
    "accumulate": accumulate,
    "jvp": jvp,
    "jacobian": jacobian,
    "hessian": hessian,
    "double-backward": double_backward,
    "trace": show_chain_rule,
}


def carry_out(program: Program, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Report:
    """Return the report of the command that the settings name."""
    with default_dtype(settings), collector_paused():
        return COMMANDS[settings.command](program, settings, given, derivations)
