"""The options that several commands share but no bundle holds, and the panels that `--help` shows options in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

LEAVES = "Leaves: shapes and values"
GRADIENT = "Gradient"
COMPARISON = "Comparison with the symbolic derivative"
OUTPUT = "Output"
SUITE = "Several checks"
LIMITS = "Limits"
CODE = "Code: FILE.py:NAME or module:NAME"

ProgramArgument = Annotated[
    str,
    typer.Argument(
        metavar="PROGRAM",
        help='The program, such as "x*y + sin(x)", the name of a file with it, or code: FILE.py:NAME; - reads standard '
        "input.",
        show_default=False,
    ),
]
TargetsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET...",
        help='Programs, such as "x*y + sin(x)", files with one, code (FILE.py:NAME), suite files (.toml) or folders of '
        "suites; - reads a program from standard input.",
        show_default=False,
    ),
]
ScriptArgument = Annotated[
    str, typer.Argument(metavar="SCRIPT.py", help="The script to run, a file of Python's.", show_default=False)
]
WrtOption = Annotated[
    list[str],
    typer.Option(
        "--wrt",
        metavar="NAMES",
        rich_help_panel=GRADIENT,
        show_default=False,
        help="Differentiate with respect to these, such as w1,w2.",
    ),
]
TimesOption = Annotated[
    int, typer.Option("--times", metavar="N", rich_help_panel=GRADIENT, help="How often backward() is called.")
]
DepthOption = Annotated[
    int | None,
    typer.Option(
        "--depth",
        metavar="N",
        rich_help_panel=CODE,
        show_default=False,
        help="Levels of modules that tables open; as many as fit a page by default.",
    ),
]
MaxEntriesOption = Annotated[
    int | None,
    typer.Option(
        "--max-entries",
        metavar="N",
        rich_help_panel=OUTPUT,
        show_default=False,
        help="Write a larger tensor to JSON as a summary: norm, extremes, mean; 1000 for code, no limit for programs.",
    ),
]
OnlyOption = Annotated[
    list[str],
    typer.Option(
        "--only",
        metavar="PATTERN",
        rich_help_panel=OUTPUT,
        show_default=False,
        help="Report the tensors whose names are like this: layers.0.*. Repeatable.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Short for --format json.")]
ColourOption = Annotated[
    Literal["auto", "always", "never"],
    typer.Option("--color", metavar="WHEN", rich_help_panel=OUTPUT, help="Colour of tables: auto, always or never."),
]
ExitZeroOption = Annotated[
    bool,
    typer.Option(
        "--exit-zero", rich_help_panel=OUTPUT, help="Exit with 0 whatever the verdicts; errors keep their codes."
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        rich_help_panel=OUTPUT,
        show_default=False,
        help="Write to a file instead of standard output.",
    ),
]
NoVerifyOption = Annotated[
    bool,
    typer.Option(
        "--no-verify",
        rich_help_panel=COMPARISON,
        help="Run autograd only: the verdict is unverified, which is no match, and the exit code 0.",
    ),
]
RtolOption = Annotated[
    float | None,
    typer.Option(
        "--rtol",
        metavar="R",
        rich_help_panel=COMPARISON,
        show_default=False,
        help="Relative tolerance; 1e-9 for float64.",
    ),
]
AtolOption = Annotated[
    float | None,
    typer.Option(
        "--atol",
        metavar="A",
        rich_help_panel=COMPARISON,
        show_default=False,
        help="Absolute tolerance; 1e-13 of the largest entry for float64.",
    ),
]
NoCacheOption = Annotated[
    bool,
    typer.Option(
        "--no-cache",
        rich_help_panel=LIMITS,
        help="Derive everything anew, and keep nothing of it on disk: see `gradcli cache`.",
    ),
]
MaxElementsOption = Annotated[
    int, typer.Option("--max-elements", metavar="N", rich_help_panel=LIMITS, help="Elements of a tensor.")
]
DerivationTimeOption = Annotated[
    float,
    typer.Option(
        "--max-derivation-time", metavar="SECONDS", rich_help_panel=LIMITS, help="Time for one symbolic derivation."
    ),
]
LeavesOption = Annotated[bool, typer.Option("--leaves", rich_help_panel=OUTPUT, help="Report the leaves alone.")]
JobsOption = Annotated[
    str, typer.Option("--jobs", "-j", metavar="N", rich_help_panel=SUITE, help="Worker processes; auto: one per core.")
]
