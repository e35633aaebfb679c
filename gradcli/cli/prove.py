"""`gradcli prove`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gradcli.cli.bundles import OutputOptions, ProgramOptions
from gradcli.cli.custom import ReferenceOption
from gradcli.cli.options import OUTPUT
from gradcli.cli.settings import settings_from
from gradcli.cli.spread import spread
from gradcli.errors import InputError

if TYPE_CHECKING:
    from gradcli.settings import Settings

ProofFormat = Literal["table", "plain", "json"]


@dataclass(frozen=True, slots=True)
class ProofOutput(OutputOptions):
    """How and where a proof is written."""

    format: Annotated[
        ProofFormat,
        typer.Option("--format", metavar="FORMAT", rich_help_panel=OUTPUT, help="table, plain or json."),
    ] = "table"


@spread
def prove(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="A program, FILE.py:Class of a Function, or FILE.py:function.", show_default=False
        ),
    ],
    run: ProgramOptions,
    output: ProofOutput,
    reference: ReferenceOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="An exception, be it a kink, is a failure: exit code 1.")
    ] = False,
) -> int:
    """Prove that PyTorch's backward is the derivative, not at points but for all values.

    The backward is traced as PyTorch executes it, down to core ATen, and written
    as a formula; so is the derivative, by the definitions of the ops. Their
    difference is brought to 0 in exact arithmetic, over the reals. What is
    refuted has a point at which running it shows that. The sizes are those
    given: scalars by default.

    Examples:
      gradcli prove "gelu(x)"
      gradcli prove "softmax(x, dim=-1)" --shape 2x3
      gradcli prove ops.py:SquareSum --shape 3
      gradcli prove ops.py:loss --shape 2x2 --strict
    """
    settings = settings_from("prove", run, strict=strict, reference=reference)
    if not settings.verify:
        raise InputError("there is nothing to prove with --no-verify")
    return _proved(target, settings, output)


def _proved(target: str, settings: Settings, output: ProofOutput) -> int:
    from gradcli.cli.output import write
    from gradcli.cli.running import read_in_time, run_isolated
    from gradcli.inputs import is_code
    from gradcli.suite.check import Kind

    if is_code(target):
        return run_isolated(target, Kind.TARGET, settings, output)
    if settings.reference is not None:
        raise InputError("--reference is for a Function", hint="a program is its own definition")
    from gradcli.engine import prove_program
    from gradcli.render.proof import PROOF_FORMATS

    report = prove_program(read_in_time(target, settings), settings)
    write(PROOF_FORMATS[output.chosen_format](report, output.style), output.output)
    return report.exit_code
