"""Which function carries out which command on a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradcli.execution.accumulate import accumulate
from gradcli.execution.chain import show_chain_rule
from gradcli.execution.check import check
from gradcli.execution.double_backward import double_backward
from gradcli.execution.evaluation import evaluate
from gradcli.execution.grad import grad
from gradcli.execution.hessians import hessian
from gradcli.execution.jacobians import jacobian, jvp
from gradcli.execution.memory import collector_paused
from gradcli.execution.run import default_dtype
from gradcli.program import Program
from gradcli.report import Report
from gradcli.settings import Command, Settings

COMMANDS: Mapping[Command, Callable[[Program, Settings, Mapping[str, Any]], Report]] = {
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


def carry_out(program: Program, settings: Settings, given: Mapping[str, Any]) -> Report:
    """Return the report of the command that the settings name."""
    with default_dtype(settings), collector_paused():
        return COMMANDS[settings.command](program, settings, given)
