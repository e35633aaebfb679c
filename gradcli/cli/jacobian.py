"""`gradcli jacobian`."""

from __future__ import annotations

from gradcli.cli.bundles import OutputOptions, ProgramOptions
from gradcli.cli.options import ProgramArgument, WrtOption
from gradcli.cli.settings import settings_from
from gradcli.cli.spread import spread


@spread
def jacobian(
    program: ProgramArgument,
    run: ProgramOptions,
    output: OutputOptions,
    wrt: WrtOption = (),  # type: ignore[assignment]  # a default must not be mutable
) -> int:
    """Differentiate every entry of the output by every entry of the leaves.

    The Jacobian by a leaf has the output's shape, then the leaf's.

    Examples:
      gradcli jacobian "A @ x" --shape A=3x2 --shape x=2 --wrt x
      gradcli jacobian "softmax(x, dim=0)" --value "x=[1, 2, 3]"
    """
    from gradcli.cli.running import run as run_program
    from gradcli.inputs import parse_names

    return run_program(program, settings_from("jacobian", run, wrt=parse_names("--wrt", wrt) or None), output)
