"""`gradcli accumulate`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from gradcli.cli.bundles import OutputOptions, RunOptions
from gradcli.cli.options import GRADIENT, ProgramArgument, TimesOption
from gradcli.cli.settings import settings_from
from gradcli.cli.spread import spread


@spread
def accumulate(
    program: ProgramArgument,
    run: RunOptions,
    output: OutputOptions,
    times: TimesOption = 2,
    zero_grad: Annotated[
        bool, typer.Option("--zero-grad", rich_help_panel=GRADIENT, help="Call zero_grad() before each backward call.")
    ] = False,
    set_to_zero: Annotated[
        bool,
        typer.Option(
            "--set-to-zero",
            rich_help_panel=GRADIENT,
            help="zero_grad(set_to_none=False): .grad is filled with zeros, not None.",
        ),
    ] = False,
    lr: Annotated[
        float | None,
        typer.Option(
            "--lr",
            metavar="RATE",
            rich_help_panel=GRADIENT,
            show_default=False,
            help="Learning rate of an SGD step after each call.",
        ),
    ] = None,
) -> int:
    """Call backward several times, and show what .grad holds after each call.

    Each call runs the program anew on the same leaves. Every gradient, and
    every sum in .grad, is checked against the symbolic derivatives.

    Examples:
      gradcli accumulate "w1*w2" --times 3
      gradcli accumulate "w1*w2" --times 3 --zero-grad
      gradcli accumulate "(x - 1)**2" --value x=3 --times 8 --zero-grad --lr 0.25
    """
    from gradcli.cli.running import run as run_program

    filled: Literal["none", "zeros"] = "zeros" if set_to_zero else "none"
    emptied = filled if zero_grad or set_to_zero else None
    settings = settings_from("accumulate", run, times=times, zero_grad=emptied, learning_rate=lr)
    return run_program(program, settings, output)
