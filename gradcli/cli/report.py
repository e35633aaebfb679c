"""`gradcli report`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from gradcli.cli.bundles import OutputOptions, RunOptions
from gradcli.cli.options import OUTPUT, ProgramArgument
from gradcli.cli.run import BackwardOption
from gradcli.cli.settings import settings_from
from gradcli.cli.several import SuiteOptions
from gradcli.cli.spread import spread

SCRIPT, SUITE = ".py", ".toml"


@dataclass(frozen=True, slots=True)
class PageOutput(OutputOptions):
    """How and where a page is written."""

    format: Annotated[
        Literal["html", "json", "table", "plain", "markdown"],
        typer.Option(
            "--format", metavar="FORMAT", rich_help_panel=OUTPUT, help="html, json, table, plain or markdown."
        ),
    ] = "html"


@spread
def report(
    context: typer.Context,
    target: ProgramArgument,
    run: RunOptions,
    suite: SuiteOptions,
    output: PageOutput,
    backward: BackwardOption = "1,2,3,4,5",
) -> int:
    """Write everything about a program, a suite or a script on one page of HTML.

    Of a program or code: its gradients with their formulas, the graph, a stepper
    through the backward pass, maps of tensors, notes, and the command that gives
    it again. Of a suite (.toml) or a script (.py): its checks, with a filter. The
    page needs no network, and can be read without its script and on paper.

    Examples:
      gradcli report "x=w1+w2; y=w2*w3; x+y" -o report.html
      gradcli report "softmax(X, dim=-1).log().mean()" --shape 4x4 -o report.html
      gradcli report suite.toml -o report.html
      gradcli report train.py --backward last -o report.html
    """
    if target.endswith(SUITE):
        return _of_suite(context, target, run, suite, output)
    if target.endswith(SCRIPT):
        return _of_script(target, backward, run, output)
    from gradcli.cli.running import run as run_program

    return run_program(target, settings_from("report", run), output)


def _of_suite(context: typer.Context, target: str, run: RunOptions, suite: SuiteOptions, output: PageOutput) -> int:
    """Carry out a suite as `check` does."""
    from gradcli.cli.checking import given_for, options_said, run_checks

    settings = settings_from("check", run)
    given = given_for(settings, options_said(context), (run.dtype,), isolated=False)
    return run_checks([target], given, suite, output)


def _of_script(target: str, backward: str, run: RunOptions, output: PageOutput) -> int:
    """Run a script as `run` does."""
    from gradcli.cli.scripts import run_script, settings_of_run

    return run_script(target, [], settings_of_run("run", run, backward), None, output)
