"""`gradcli grad`."""

from __future__ import annotations

from gradcli.cli.bundles import OutputOptions, RunOptions, settings_from
from gradcli.cli.options import AllowUnusedOption, CreateGraphOption, ProgramArgument, WrtOption
from gradcli.cli.spread import spread


@spread
def grad(
    program: ProgramArgument,
    run: RunOptions,
    output: OutputOptions,
    wrt: WrtOption = (),  # type: ignore[assignment]  # a default must not be mutable
    create_graph: CreateGraphOption = False,
    allow_unused: AllowUnusedOption = False,
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
