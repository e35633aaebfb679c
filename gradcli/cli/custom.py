"""`gradcli custom`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from gradcli.cli.bundles import OutputOptions, RunOptions
from gradcli.cli.exit_zero import exit_code
from gradcli.cli.options import ExitZeroOption
from gradcli.cli.settings import settings_from
from gradcli.cli.several import SuiteOptions
from gradcli.cli.spread import spread
from gradcli.errors import InputError, SeveralFunctionsError
from gradcli.settings import Settings

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
    suite: SuiteOptions,
    output: OutputOptions,
    target: TargetArgument = "",
    reference: ReferenceOption = None,
    surrogate: SurrogateOption = None,
    forward: ForwardOption = None,
    backward: BackwardOption = (),  # type: ignore[assignment]  # a default must not be mutable
    exit_zero: ExitZeroOption = False,
) -> int:
    """Check a custom torch.autograd.Function: its backward, and all that PyTorch asks of one.

    The inputs are the names in forward's signature. Those without a value are
    random; the upstream gradient is ones unless --grad-output says otherwise.
    --value gives an input, and also an argument whose annotation or default
    says that it is not a tensor; --argument always gives one that is not.
    The file runs in a process of its own. FILE.py alone stands for the Function
    in it, or for all of them.

    Examples:
      gradcli custom ops.py:SquareSum --shape 3
      gradcli custom all.py --shape 3 -j auto
      gradcli custom ops.py:SquareSum --reference "x**2 + y**2" --shape 2
      gradcli custom ops.py:Power --shape 2x3 --argument n=3
      gradcli custom ops.py:Signed --surrogate "clamp(x, -1, 1)" --shape 3
      gradcli custom --forward "x**2" --backward "x: 2*x*g" --value x=3
    """
    from gradcli.inputs import parse_backwards

    backwards = parse_backwards(backward)
    settings = settings_from("custom", run, reference=reference, surrogate=surrogate, backwards=backwards)
    if forward is not None:
        if target or reference is not None:
            raise InputError("--forward stands instead of a file and a reference", hint="leave one of them out")
        return exit_code(lambda: _run_inline(forward, settings, output), exit_zero=exit_zero)
    if not target:
        raise InputError("custom needs a Function", hint="write FILE.py:Class, or --forward and --backward")
    if backward:
        raise InputError("--backward goes with --forward", hint="the backward of a file is its own")
    return exit_code(lambda: _run_file(target, settings, suite, output), exit_zero=exit_zero)


def _run_inline(forward: str, settings: Settings, output: OutputOptions) -> int:
    from gradcli.cli.running import write_report
    from gradcli.engine import check_inline
    from gradcli.suite.reproduce import reproducible

    report = check_inline(forward, settings)
    write_report(reproducible(report, forward, settings), output)
    return report.exit_code


def _run_file(target: str, settings: Settings, suite: SuiteOptions, output: OutputOptions) -> int:
    """Check the Function that is named, or all of a file that names none."""
    try:
        return _run_isolated(target, settings, output)
    except SeveralFunctionsError as error:
        return _run_all(error.functions, settings, suite, output)


def _run_isolated(target: str, settings: Settings, output: OutputOptions) -> int:
    """Check one Function in a process of its own."""
    from gradcli.cli.running import run_isolated
    from gradcli.suite.check import Kind

    return run_isolated(target, Kind.FUNCTION, settings, output)


def _run_all(
    functions: Mapping[str, Sequence[str]], settings: Settings, suite: SuiteOptions, output: OutputOptions
) -> int:
    """Check all Functions of a file, as a suite; an option that names an input goes to those that have it."""
    from gradcli.cli.checking import concerning
    from gradcli.cli.suites import run_suite
    from gradcli.suite.check import Kind, SuiteCheck

    anywhere = {name for names in functions.values() for name in names}
    chosen = {target: concerning(settings, anywhere - set(names)) for target, names in functions.items()}
    checks = [SuiteCheck(target, target, own, kind=Kind.FUNCTION) for target, own in chosen.items()]
    return run_suite(checks, suite, output)
