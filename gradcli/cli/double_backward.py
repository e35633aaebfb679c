"""`gradcli double-backward`."""

from __future__ import annotations

from typing import Annotated

import typer

from gradcli.cli.bundles import OutputOptions, RunOptions
from gradcli.cli.options import ProgramArgument, TimesOption, WrtOption
from gradcli.cli.settings import settings_from
from gradcli.cli.spread import spread


@spread
def double_backward(
    program: ProgramArgument,
    run: RunOptions,
    output: OutputOptions,
    wrt: WrtOption = (),  # type: ignore[assignment]  # a default must not be mutable
    times: TimesOption = 2,
    graph_kept: Annotated[bool, typer.Option("--retain-graph", "--create-graph", hidden=True)] = False,  # noqa: ARG001
) -> int:
    """Run backward twice: what is freed, what accumulates, and the second derivative.

    Whether the second backward fails, and at which node, is predicted from the
    graph before it is run. What retain_graph and create_graph change is shown
    always; --retain-graph and --create-graph may be written.

    Examples:
      gradcli double-backward "y = x**3; z = y + 1" --value x=2
      gradcli double-backward "x + 1"
      gradcli double-backward "sum(w * x**2)" --shape 3 --times 3
    """
    from gradcli.cli.running import run as run_program
    from gradcli.inputs import parse_names

    names = parse_names("--wrt", wrt) or None
    settings = settings_from("double-backward", run, wrt=names, times=times)
    return run_program(program, settings, output)
