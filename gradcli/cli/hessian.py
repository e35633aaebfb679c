"""`gradcli hessian`."""

from __future__ import annotations

from gradcli.cli.bundles import OutputOptions, ProgramOptions
from gradcli.cli.options import ProgramArgument, WrtOption
from gradcli.cli.settings import settings_from
from gradcli.cli.spread import spread


@spread
def hessian(
    program: ProgramArgument,
    run: ProgramOptions,
    output: OutputOptions,
    wrt: WrtOption = (),  # type: ignore[assignment]  # a default must not be mutable
) -> int:
    """Differentiate a scalar output twice, by every pair of leaves.

    Each block is compared with the symbolic derivative, differentiated again, and
    the Hessian with its transpose.

    Examples:
      gradcli hessian "x**2 * y" --value x=2 --value y=3
      gradcli hessian "x @ A @ x" --shape A=2x2 --shape x=2 --wrt x
      gradcli hessian "softmax(x, dim=0)[0]" --value "x=[1, 2, 3]"
    """
    from gradcli.cli.running import run as run_program
    from gradcli.inputs import parse_names

    return run_program(program, settings_from("hessian", run, wrt=parse_names("--wrt", wrt) or None), output)
