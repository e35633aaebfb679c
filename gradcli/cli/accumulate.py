"""`gradcli accumulate`."""

from __future__ import annotations

from typing import Literal

from gradcli.cli.bundles import OutputOptions, RunOptions, settings_from
from gradcli.cli.options import LearningRateOption, ProgramArgument, SetToZeroOption, TimesOption, ZeroGradOption
from gradcli.cli.spread import spread


@spread
def accumulate(
    program: ProgramArgument,
    run: RunOptions,
    output: OutputOptions,
    times: TimesOption = 2,
    zero_grad: ZeroGradOption = False,
    set_to_zero: SetToZeroOption = False,
    lr: LearningRateOption = None,
) -> int:
    """Call backward several times, and show what .grad holds after each call.

    Each call runs the program anew on the same leaves. Every gradient, and
    every sum in .grad, is checked against the symbolic derivatives.

    Examples:
      gradcli accumulate "w1*w2" --times 3
      gradcli accumulate "w1*w2" --times 3 --zero-grad
      gradcli accumulate "(x - 1)**2" --value x=3 --times 8 --zero-grad --lr 0.25
    """
    from gradcli.cli.running import run as run_program
    from gradcli.inputs import check_positive, check_rate

    filled: Literal["none", "zeros"] = "zeros" if set_to_zero else "none"
    settings = settings_from(
        "accumulate",
        run,
        times=check_positive("--times", times),
        zero_grad=filled if zero_grad or set_to_zero else None,
        learning_rate=None if lr is None else check_rate("--lr", lr),
    )
    return run_program(program, settings, output)
