"""`gradcli grad`."""

from __future__ import annotations

from typing import Annotated

import typer

from gradcli.cli.bundles import OutputOptions, RunOptions
from gradcli.cli.options import GRADIENT, ProgramArgument, WrtOption
from gradcli.cli.settings import settings_from
from gradcli.cli.spread import spread


@spread
def grad(
    program: ProgramArgument,
    run: RunOptions,
    output: OutputOptions,
    wrt: WrtOption = (),  # type: ignore[assignment]  # a default must not be mutable
    create_graph: Annotated[
        bool, typer.Option("--create-graph", rich_help_panel=GRADIENT, help="Record the graph of the gradient too.")
    ] = False,
    allow_unused: Annotated[
        bool,
        typer.Option("--allow-unused", rich_help_panel=GRADIENT, help="An unused tensor has gradient None; no error."),
    ] = False,
) -> int:
    """Differentiate with torch.autograd.grad, which leaves no .grad behind.

    Without --wrt every leaf is differentiated.

    Examples:
      gradcli grad "w1*w2 + w3" --wrt w1,w2
      gradcli grad "w1*w2" --shape 2 --wrt w1 --grad-output "[1, 10]"
      gradcli grad "w1*2 + 0*w3" --wrt w3 --create-graph
      gradcli grad "y = w2*2; w1*3" --wrt w1,w2 --allow-unused
    """
    from gradcli.cli.running import run as run_program
    from gradcli.inputs import parse_names

    names = parse_names("--wrt", wrt) or None
    settings = settings_from("grad", run, wrt=names, create_graph=create_graph, allow_unused=allow_unused)
    return run_program(program, settings, output)
