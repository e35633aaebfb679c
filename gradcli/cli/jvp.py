"""`gradcli jvp`."""

from __future__ import annotations

from gradcli.cli.bundles import OutputOptions, ProgramOptions, limits_from, settings_from
from gradcli.cli.options import ProgramArgument, TangentOption
from gradcli.cli.spread import spread


@spread
def jvp(
    program: ProgramArgument,
    run: ProgramOptions,
    output: OutputOptions,
    tangent: TangentOption = (),  # type: ignore[assignment]  # a default must not be mutable
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
