"""`gradcli custom`."""

from __future__ import annotations

from typing import Annotated

import typer

from gradcli.cli.bundles import OutputOptions, RunOptions
from gradcli.cli.settings import settings_from
from gradcli.cli.spread import spread
from gradcli.errors import InputError

FUNCTION = "Function"

TargetArgument = Annotated[
    str,
    typer.Argument(metavar="[FILE.py:Class]", help="A torch.autograd.Function; module:Class too.", show_default=False),
]
ReferenceOption = Annotated[
    str | None,
    typer.Option(
        "--reference",
        metavar="PROGRAM",
        rich_help_panel=FUNCTION,
        show_default=False,
        help="What forward should compute, over the names of its inputs; else forward's own body is the reference.",
    ),
]
SurrogateOption = Annotated[
    str | None,
    typer.Option(
        "--surrogate",
        metavar="PROGRAM",
        rich_help_panel=FUNCTION,
        show_default=False,
        help="What backward is meant to be the derivative of, where that is not forward: x for a straight-through one.",
    ),
]
ArgumentOption = Annotated[
    list[str],
    typer.Option(
        "--argument",
        metavar="NAME=VALUE",
        rich_help_panel=FUNCTION,
        show_default=False,
        help="An argument of forward that is not a tensor: n=3, mode=mean. Repeatable.",
    ),
]
ForwardOption = Annotated[
    str | None,
    typer.Option(
        "--forward",
        metavar="PROGRAM",
        rich_help_panel=FUNCTION,
        show_default=False,
        help="Instead of a file: what forward computes.",
    ),
]
BackwardOption = Annotated[
    list[str],
    typer.Option(
        "--backward",
        metavar="NAME=PROGRAM",
        rich_help_panel=FUNCTION,
        show_default=False,
        help='The gradient of one input, such as "x=2*x*g" or "x: 2*x*g"; g is the upstream gradient. Repeatable.',
    ),
]


@spread
def custom(
    run: RunOptions,
    output: OutputOptions,
    target: TargetArgument = "",
    reference: ReferenceOption = None,
    surrogate: SurrogateOption = None,
    argument: ArgumentOption = (),  # type: ignore[assignment]  # a default must not be mutable
    forward: ForwardOption = None,
    backward: BackwardOption = (),  # type: ignore[assignment]
) -> int:
    """Check a custom torch.autograd.Function: its backward, and all that PyTorch asks of one.

    The inputs are the names in forward's signature. Those without a value are
    random; the upstream gradient is ones unless --grad-output says otherwise.
    --value gives an input, and also an argument whose annotation or default
    says that it is not a tensor; --argument always gives one that is not.
    The file runs in a process of its own.

    Examples:
      gradcli custom ops.py:SquareSum --shape 3
      gradcli custom ops.py:SquareSum --reference "x**2 + y**2" --shape 2
      gradcli custom ops.py:Power --shape 2x3 --argument n=3
      gradcli custom ops.py:Signed --surrogate "clamp(x, -1, 1)" --shape 3
      gradcli custom --forward "x**2" --backward "x: 2*x*g" --value x=3
    """
    from gradcli.inputs import parse_arguments, parse_backwards

    more = {"arguments": parse_arguments(argument), "backwards": parse_backwards(backward)}
    settings = settings_from("custom", run, reference=reference, surrogate=surrogate, **more)
    if forward is not None:
        from gradcli.cli.running import write_report
        from gradcli.engine import check_inline

        if target or reference is not None:
            raise InputError("--forward stands instead of a file and a reference", hint="leave one of them out")
        report = check_inline(forward, settings)
        write_report(report, output)
        return report.exit_code
    if not target:
        raise InputError("custom needs a Function", hint="write FILE.py:Class, or --forward and --backward")
    if backward:
        raise InputError("--backward goes with --forward", hint="the backward of a file is its own")
    from gradcli.cli.isolated import run_isolated

    return run_isolated(target, settings, output)
