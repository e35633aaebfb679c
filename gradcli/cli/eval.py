"""`gradcli eval`."""

from __future__ import annotations

from typing import Annotated

import typer

from gradcli.cli.bundles import OutputOptions, RunOptions
from gradcli.cli.options import GRADIENT, OnlyOption, ProgramArgument
from gradcli.cli.settings import settings_from
from gradcli.cli.spread import spread


@spread
def eval(  # noqa: A001  # the command's name
    program: ProgramArgument,
    run: RunOptions,
    output: OutputOptions,
    retain_grad: Annotated[
        list[str],
        typer.Option(
            "--retain-grad",
            metavar="NAME",
            rich_help_panel=GRADIENT,
            show_default=False,
            help="Call retain_grad() on that non-leaf, or on all. Repeatable.",
        ),
    ] = (),  # type: ignore[assignment]  # a default must not be mutable
    detach: Annotated[
        list[str],
        typer.Option(
            "--detach",
            metavar="NAME",
            rich_help_panel=GRADIENT,
            show_default=False,
            help="Let that non-leaf go on as a constant. Repeatable.",
        ),
    ] = (),  # type: ignore[assignment]
    only: OnlyOption = (),  # type: ignore[assignment]
    hooks: Annotated[
        bool,
        typer.Option("--hooks", rich_help_panel=GRADIENT, help="Show the hooks in the order in which they fire."),
    ] = False,
) -> int:
    """Run a program forward and backward, and check every gradient.

    Shows the value and gradient of each leaf and non-leaf, and whether autograd
    agrees with the derivative that sympy derives only from the definitions.

    Examples:
      gradcli eval "w1 + w2 + w2*w3"
      gradcli eval "x=w1+w2; y=w2*w3; z=x+y" --shape 2x2 --reduce mean
      gradcli eval "log_softmax(X @ W, dim=-1).mean()" --shape X=4x3 --shape W=3x2
      gradcli eval "relu(x)" --value "x=[-1, 0, 2]" --grad-output ones
      gradcli eval "-w**2" --value w=3 --json
    """
    from gradcli.cli.running import run as run_program
    from gradcli.inputs import parse_names

    names = {"retain_grad": parse_names("--retain-grad", retain_grad), "detach": parse_names("--detach", detach)}
    return run_program(program, settings_from("eval", run, hooks=hooks, only=tuple(only), **names), output)
