"""`gradcli check`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import typer

from gradcli.cli.bundles import OutputOptions, RunOptions
from gradcli.cli.exit_zero import exit_code
from gradcli.cli.options import CODE, COMPARISON, LEAVES, SUITE, ExitZeroOption, TargetsArgument
from gradcli.cli.settings import settings_from
from gradcli.cli.several import SuiteOptions
from gradcli.cli.spread import spread
from gradcli.phrases import either
from gradcli.settings import DataType
from gradcli.witnesses import BY_DEFAULT, SYMBOLIC, TRANSFORMATIONS, WITNESSES, TransformationName, WitnessName


@dataclass(frozen=True, slots=True)
class CheckOptions(RunOptions):
    """What `check` can be told about a run: more than one dtype."""

    dtype: Annotated[
        str,
        typer.Option(
            "--dtype",
            metavar="TYPES",
            rich_help_panel=LEAVES,
            help="One type or several, such as float64,bfloat16: a check for each.",
        ),
    ] = "float64"  # type: ignore[assignment]  # several, with commas between


@spread
def check(
    context: typer.Context,
    run: CheckOptions,
    suite: SuiteOptions,
    output: OutputOptions,
    targets: TargetsArgument = (),  # type: ignore[assignment]  # a default must not be mutable
    points: Annotated[
        int,
        typer.Option(
            "--points",
            metavar="N",
            rich_help_panel=LEAVES,
            help="Check at N random points, of seeds SEED, SEED+1, ...",
        ),
    ] = 1,
    witness: Annotated[
        list[str],
        typer.Option(
            "--witness",
            metavar="NAME",
            rich_help_panel=COMPARISON,
            show_default=False,
            help=f"Compare with this: {either((SYMBOLIC, *WITNESSES))}; by default with {', '.join(BY_DEFAULT)}.",
        ),
    ] = (),  # type: ignore[assignment]  # a default must not be mutable
    under: Annotated[
        list[str],
        typer.Option(
            "--under",
            metavar="NAMES",
            rich_help_panel=CODE,
            show_default=False,
            help="Compute every gradient once more under these, such as eager,compile: "
            f"{either((*TRANSFORMATIONS,))}. Repeatable.",
        ),
    ] = (),  # type: ignore[assignment]
    claim: Annotated[
        list[str],
        typer.Option(
            "--claim",
            metavar="NAME=GRADIENT",
            rich_help_panel=COMPARISON,
            show_default=False,
            help='A gradient derived by hand, such as "W=X.T @ g"; g is the upstream gradient. Repeatable.',
        ),
    ] = (),  # type: ignore[assignment]
    exit_zero: ExitZeroOption = False,
    isolated: Annotated[bool, typer.Option("--isolated", rich_help_panel=SUITE, help="Ignore pyproject.toml.")] = False,
) -> int:
    """Verify every gradient of one or several programs, or of suite files.

    Autograd's gradients are compared with the symbolic derivative and, by further
    witnesses, with the program itself: finite differences, the order of the
    Taylor remainder, forward mode. The point is random, inside the domain of each
    op. Several targets give one report for all. Defaults, and the targets if none
    are given, may stand in pyproject.toml.

    Examples:
      gradcli check "softmax(X @ W, dim=-1).log().mean()" --shape 3x3
      gradcli check "x**2 * y" "sin(x) / x" --points 3
      gradcli check "mean(w1+w2+w2*w3)" --shape 2x2 --claim "w2=(w3+1)/4"
      gradcli check "tanh(x).sum()" --shape 8 --dtype float32,bfloat16
      gradcli check suite.toml -j auto --format junit
    """
    from gradcli.cli.checking import given_for, options_said, run_checks
    from gradcli.inputs import parse_choices, parse_claims

    dtypes = parse_choices("--dtype", [run.dtype], DataType)
    more = {"points": points, "claims": parse_claims(claim)}
    more |= {"under": parse_choices("--under", under, TransformationName)}
    more |= {"witnesses": parse_choices("--witness", witness, WitnessName)} if witness else {}
    settings = settings_from("check", replace(run, dtype=dtypes[0]), **more)
    said = options_said(context)
    given = given_for(settings, said, dtypes, isolated=isolated)
    if given.project and given.project.format and not said & {"format", "json"}:
        output = replace(output, format=given.project.format)
    return exit_code(lambda: run_checks(targets, given, suite, output), exit_zero=exit_zero)
