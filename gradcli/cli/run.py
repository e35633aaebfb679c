"""`gradcli run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gradcli.cli.bundles import DEFAULT_LIMITS, OutputOptions
from gradcli.cli.exit_zero import exit_code
from gradcli.cli.options import (
    GRADIENT,
    LIMITS,
    AtolOption,
    DerivationTimeOption,
    ExitZeroOption,
    LeavesOption,
    MaxElementsOption,
    NoCacheOption,
    NoVerifyOption,
    RtolOption,
    ScriptArgument,
)
from gradcli.cli.spread import spread

if TYPE_CHECKING:
    from gradcli.settings import Settings

BackwardOption = Annotated[
    str,
    typer.Option(
        "--backward",
        metavar="WHICH",
        rich_help_panel=GRADIENT,
        help="Which backward calls are checked: numbers such as 1,2,50, or last, or all.",
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        rich_help_panel=LIMITS,
        show_default=False,
        help="Time for the script with its checks; without it a check has 60 s, and the script no limit.",
    ),
]


@spread
def run(
    output: OutputOptions,
    script: ScriptArgument,
    arguments: Annotated[
        list[str], typer.Argument(metavar="[ARG]...", help="Arguments of the script.", show_default=False)
    ] = (),  # type: ignore[assignment]  # a default must not be mutable
    backward: BackwardOption = "1,2,3,4,5",
    leaves: LeavesOption = False,
    no_verify: NoVerifyOption = False,
    rtol: RtolOption = None,
    atol: AtolOption = None,
    no_cache: NoCacheOption = False,
    timeout: TimeoutOption = None,
    max_elements: MaxElementsOption = DEFAULT_LIMITS.elements,
    max_derivation_time: DerivationTimeOption = 10,
    exit_zero: ExitZeroOption = False,
) -> int:
    """Run a script as it stands, and check the gradients of its backward calls.

    The script runs as `python SCRIPT.py` would run it, in a process of its own.
    Each backward() and torch.autograd.grad() in it is a check, named by file,
    line and number. What the script prints goes to standard error. What stands
    behind SCRIPT.py is for the script; options of gradcli stand before it.

    Examples:
      gradcli run train.py
      gradcli run --backward last train.py --epochs 1
      gradcli run --backward 1,2,50 --format junit -o report.xml train.py
    """
    from gradcli.cli.scripts import run_script, script_settings

    given = {"rtol": rtol, "atol": atol, "leaves": leaves, "verify": not no_verify, "cache": not no_cache}
    limits = {"elements": max_elements, "derivation_time": max_derivation_time}
    settings: Settings = script_settings(backward, timeout, limits, **given)
    return exit_code(lambda: run_script(script, arguments, settings, timeout, output), exit_zero=exit_zero)
