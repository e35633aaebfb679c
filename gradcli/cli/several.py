"""The options of commands that carry out several checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from gradcli.cli.options import SUITE, JobsOption


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """Which of several checks are carried out, and where."""

    jobs: JobsOption = "1"
    executor: Annotated[
        str | None,
        typer.Option(
            "--executor",
            metavar="dask://HOST:PORT",
            rich_help_panel=SUITE,
            show_default=False,
            help="Carry out the checks on a Dask cluster.",
        ),
    ] = None
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            rich_help_panel=SUITE,
            show_default=False,
            help="Carry out part I of N, on a machine of several.",
        ),
    ] = None
    only: Annotated[
        list[str],
        typer.Option(
            "--only",
            metavar="TEXT",
            rich_help_panel=SUITE,
            show_default=False,
            help="Carry out the checks whose name holds this; of one target, report the tensors whose names are like "
            "it: layers.0.*. Repeatable.",
        ),
    ] = ()  # type: ignore[assignment]  # a shared default must not be mutable
    tag: Annotated[
        list[str],
        typer.Option(
            "--tag",
            metavar="TAG",
            rich_help_panel=SUITE,
            show_default=False,
            help="Carry out the checks that have this tag. Repeatable.",
        ),
    ] = ()  # type: ignore[assignment]
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", rich_help_panel=SUITE, help="Stop at the first failure.")
    ] = False
    each_line: Annotated[
        bool, typer.Option("--each-line", rich_help_panel=SUITE, help="Let - stand for one program per line.")
    ] = False
    last_failed: Annotated[
        bool,
        typer.Option(
            "--last-failed", rich_help_panel=SUITE, help="Carry out what failed last time; all if nothing did."
        ),
    ] = False
