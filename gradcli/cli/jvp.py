"""`gradcli jvp`."""

from __future__ import annotations

from typing import Annotated

import typer

from gradcli.cli.bundles import OutputOptions, ProgramOptions
from gradcli.cli.options import GRADIENT, ProgramArgument
from gradcli.cli.settings import limits_from, settings_from
from gradcli.cli.spread import spread


@spread
def jvp(
    program: ProgramArgument,
    run: ProgramOptions,
    output: OutputOptions,
    tangent: Annotated[
        list[str],
        typer.Option(
            "--tangent",
            metavar="NAME=VALUE",
            rich_help_panel=GRADIENT,
            show_default=False,
            help="The direction in which a leaf moves: a number or a list; 0 by default. Repeatable.",
        ),
    ] = (),  # type: ignore[assignment]  # a default must not be mutable
) -> int:
    """Differentiate in forward mode: the Jacobian times a direction of the leaves.

    Leaves that are given no tangent stand still.

    Examples:
      gradcli jvp "x*y" --value x=2 --value y=3 --tangent x=1 --tangent y=10
      gradcli jvp "tanh(A @ x)" --shape A=3x2 --shape x=2 --tangent "x=[1, 0]"
    """
    from gradcli.cli.running import run as run_program
    from gradcli.inputs import parse_values

    tangents = parse_values(tangent, limits_from(run), "--tangent")
    return run_program(program, settings_from("jvp", run, tangents=tangents), output)
