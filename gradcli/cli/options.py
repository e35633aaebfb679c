"""The options that commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from gradcli.render import FORMATS
from gradcli.settings import DataType, Initialisation, Reduction

if TYPE_CHECKING:
    FormatName: TypeAlias = str
else:
    FormatName = Literal[*FORMATS]

LEAVES = "Leaves: shapes and values"
GRADIENT = "Gradient"
COMPARISON = "Comparison with the symbolic derivative"
OUTPUT = "Output"
SUITE = "Several checks"
LIMITS = "Limits"

ProgramArgument = Annotated[
    str,
    typer.Argument(
        metavar="PROGRAM", help='The program, such as "x*y + sin(x)"; - reads standard input.', show_default=False
    ),
]
TargetsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET...",
        help='Programs, such as "x*y + sin(x)", or suite files (.toml); - reads standard input, one program a line.',
        show_default=False,
    ),
]
ShapeOption = Annotated[
    list[str],
    typer.Option(
        "--shape",
        metavar="[NAME=]2x3",
        rich_help_panel=LEAVES,
        show_default=False,
        help="Shape of all leaves, or of one; scalar by default. Repeatable.",
    ),
]
ValueOption = Annotated[
    list[str],
    typer.Option(
        "--value",
        metavar="NAME=VALUE",
        rich_help_panel=LEAVES,
        show_default=False,
        help="A number fills the leaf, a nested list sets shape and value. Repeatable.",
    ),
]
ValuesOption = Annotated[
    Path | None,
    typer.Option(
        "--values",
        metavar="FILE",
        rich_help_panel=LEAVES,
        show_default=False,
        help="Values of leaves: .json, .npz, .pt or .safetensors.",
    ),
]
InitOption = Annotated[
    Initialisation | None,
    typer.Option(
        "--init",
        metavar="METHOD",
        rich_help_panel=LEAVES,
        show_default=False,
        help="Values of the other leaves: primes (default), randn, uniform, arange, ones.",
    ),
]
SeedOption = Annotated[
    int,
    typer.Option("--seed", metavar="N", rich_help_panel=LEAVES, help="Seed of random values."),
]
DtypeOption = Annotated[
    DataType,
    typer.Option(
        "--dtype",
        metavar="TYPE",
        rich_help_panel=LEAVES,
        help="float64, float32, float16, bfloat16, complex64 or complex128.",
    ),
]
DtypesOption = Annotated[
    str,
    typer.Option(
        "--dtype",
        metavar="TYPES",
        rich_help_panel=LEAVES,
        help="One type or several, such as float64,bfloat16: a check for each.",
    ),
]
PointsOption = Annotated[
    int,
    typer.Option(
        "--points", metavar="N", rich_help_panel=LEAVES, help="Check at N random points, of seeds SEED, SEED+1, ..."
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="DEVICE", rich_help_panel=LEAVES, help="PyTorch's device.")
]
ConstantOption = Annotated[
    list[str],
    typer.Option(
        "--constant",
        metavar="NAME",
        rich_help_panel=LEAVES,
        show_default=False,
        help="A leaf with requires_grad=False. Repeatable.",
    ),
]
ReduceOption = Annotated[
    Reduction,
    typer.Option(
        "--reduce",
        metavar="METHOD",
        rich_help_panel=GRADIENT,
        help="Make the output a scalar: none, sum, mean, prod or norm.",
    ),
]
GradOutputOption = Annotated[
    str | None,
    typer.Option(
        "--grad-output",
        metavar="VECTOR",
        rich_help_panel=GRADIENT,
        show_default=False,
        help="The v of the vector-Jacobian product: ones, a number or a list.",
    ),
]
RetainGradOption = Annotated[
    list[str],
    typer.Option(
        "--retain-grad",
        metavar="NAME",
        rich_help_panel=GRADIENT,
        show_default=False,
        help="Call retain_grad() on that non-leaf, or on all. Repeatable.",
    ),
]
DetachOption = Annotated[
    list[str],
    typer.Option(
        "--detach",
        metavar="NAME",
        rich_help_panel=GRADIENT,
        show_default=False,
        help="Let that non-leaf go on as a constant. Repeatable.",
    ),
]
HooksOption = Annotated[
    bool, typer.Option("--hooks", rich_help_panel=GRADIENT, help="Show the hooks in the order in which they fire.")
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
TangentOption = Annotated[
    list[str],
    typer.Option(
        "--tangent",
        metavar="NAME=VALUE",
        rich_help_panel=GRADIENT,
        show_default=False,
        help="The direction in which a leaf moves: a number or a list; 0 by default. Repeatable.",
    ),
]
CreateGraphOption = Annotated[
    bool, typer.Option("--create-graph", rich_help_panel=GRADIENT, help="Record the graph of the gradient too.")
]
AllowUnusedOption = Annotated[
    bool, typer.Option("--allow-unused", rich_help_panel=GRADIENT, help="An unused tensor has gradient None; no error.")
]
WitnessOption = Annotated[
    list[str],
    typer.Option(
        "--witness",
        metavar="NAME",
        rich_help_panel=COMPARISON,
        show_default=False,
        help="Compare with this: symbolic, finite-difference or taylor; all by default.",
    ),
]
ClaimOption = Annotated[
    list[str],
    typer.Option(
        "--claim",
        metavar="NAME=GRADIENT",
        rich_help_panel=COMPARISON,
        show_default=False,
        help='A gradient derived by hand, such as "W=X.T @ g"; g is the upstream gradient. Repeatable.',
    ),
]
TimesOption = Annotated[
    int, typer.Option("--times", metavar="N", rich_help_panel=GRADIENT, help="How often backward() is called.")
]
ZeroGradOption = Annotated[
    bool, typer.Option("--zero-grad", rich_help_panel=GRADIENT, help="Call zero_grad() before each backward call.")
]
SetToZeroOption = Annotated[
    bool,
    typer.Option(
        "--set-to-zero",
        rich_help_panel=GRADIENT,
        help="zero_grad(set_to_none=False): .grad is filled with zeros, not None.",
    ),
]
LearningRateOption = Annotated[
    float | None,
    typer.Option(
        "--lr",
        metavar="RATE",
        rich_help_panel=GRADIENT,
        show_default=False,
        help="Learning rate of an SGD step after each call.",
    ),
]
NoVerifyOption = Annotated[bool, typer.Option("--no-verify", rich_help_panel=COMPARISON, help="Run autograd alone.")]
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
FormatOption = Annotated[
    FormatName,
    typer.Option(
        "--format",
        metavar="FORMAT",
        rich_help_panel=OUTPUT,
        help=" or ".join(", ".join(FORMATS).rsplit(", ", 1)) + ".",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Short for --format json.")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        rich_help_panel=OUTPUT,
        show_default=False,
        help="Write to a file instead of standard output.",
    ),
]
JobsOption = Annotated[
    str, typer.Option("--jobs", "-j", metavar="N", rich_help_panel=SUITE, help="Worker processes; auto: one a core.")
]
ExecutorOption = Annotated[
    str | None,
    typer.Option(
        "--executor",
        metavar="dask://HOST:PORT",
        rich_help_panel=SUITE,
        show_default=False,
        help="Carry out the checks on a Dask cluster.",
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        rich_help_panel=SUITE,
        show_default=False,
        help="Carry out part I of N, on a machine of several.",
    ),
]
OnlyOption = Annotated[
    list[str],
    typer.Option(
        "--only",
        metavar="TEXT",
        rich_help_panel=SUITE,
        show_default=False,
        help="Carry out the checks whose name holds this. Repeatable.",
    ),
]
TagOption = Annotated[
    list[str],
    typer.Option(
        "--tag",
        metavar="TAG",
        rich_help_panel=SUITE,
        show_default=False,
        help="Carry out the checks that have this tag. Repeatable.",
    ),
]
FailFastOption = Annotated[bool, typer.Option("--fail-fast", rich_help_panel=SUITE, help="Stop at the first failure.")]
LastFailedOption = Annotated[
    bool,
    typer.Option("--last-failed", rich_help_panel=SUITE, help="Carry out what failed last time; all if nothing did."),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", rich_help_panel=LIMITS, help="Time for the whole check.")
]
ProgramSizeOption = Annotated[
    str, typer.Option("--max-program-size", metavar="SIZE", rich_help_panel=LIMITS, help="Length of the program.")
]
NestingOption = Annotated[
    int, typer.Option("--max-nesting", metavar="N", rich_help_panel=LIMITS, help="Depth of brackets and blocks.")
]
OperationsOption = Annotated[
    int, typer.Option("--max-operations", metavar="N", rich_help_panel=LIMITS, help="Operations that are run.")
]
RankOption = Annotated[
    int, typer.Option("--max-rank", metavar="N", rich_help_panel=LIMITS, help="Dimensions of a tensor.")
]
ElementsOption = Annotated[
    int, typer.Option("--max-elements", metavar="N", rich_help_panel=LIMITS, help="Elements of a tensor.")
]
MemoryOption = Annotated[
    str,
    typer.Option(
        "--max-memory", metavar="SIZE", rich_help_panel=LIMITS, help="Memory of the graph, estimated before it is run."
    ),
]
ExponentOption = Annotated[
    int, typer.Option("--max-exponent", metavar="N", rich_help_panel=LIMITS, help="Size of a constant exponent.")
]
DerivationTimeOption = Annotated[
    float,
    typer.Option(
        "--max-derivation-time", metavar="SECONDS", rich_help_panel=LIMITS, help="Time for one symbolic derivation."
    ),
]
