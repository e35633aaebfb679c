"""`gradcli trace`."""

from __future__ import annotations

from gradcli.cli.bundles import OutputOptions, RunOptions
from gradcli.cli.options import ProgramArgument
from gradcli.cli.settings import settings_from
from gradcli.cli.spread import spread


@spread
def trace(program: ProgramArgument, run: RunOptions, output: OutputOptions) -> int:
    """Show the chain rule node by node, from the output back.

    For each operation and operand: upstream gradient * local derivative =
    contribution, the axes that broadcasting sums over, and where contributions
    meet and add.

    Examples:
      gradcli trace "x=w1+w2; y=w2*w3; x+y"
      gradcli trace "(X * b).sum()" --shape X=2x3 --shape b=3
      gradcli trace "mean((X @ w)**2)" --shape X=3x2 --shape w=2 --constant X
    """
    from gradcli.cli.running import run as run_program

    return run_program(program, settings_from("trace", run), output)
