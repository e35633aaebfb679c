"""Options that go together, each declared at its field: the command line shows it there, and it is read from there."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from gradcli.cli.options import (
    CODE,
    GRADIENT,
    LEAVES,
    LIMITS,
    OUTPUT,
    AtolOption,
    ColourOption,
    DepthOption,
    DerivationTimeOption,
    JsonOption,
    LeavesOption,
    MaxElementsOption,
    MaxEntriesOption,
    NoCacheOption,
    NoVerifyOption,
    OutputOption,
    RtolOption,
)
from gradcli.errors import InputError
from gradcli.limits import Limits
from gradcli.phrases import either
from gradcli.render.formats import FORMATS
from gradcli.settings import DataType, Initialisation, Reduction

DEFAULT_LIMITS = Limits()

if TYPE_CHECKING:
    from gradcli.render.style import Style

    FormatName: TypeAlias = str
else:
    FormatName = Literal[*FORMATS]


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """How and where a report is written."""

    format: Annotated[
        FormatName,
        typer.Option(
            "--format",
            metavar="FORMAT",
            rich_help_panel=OUTPUT,
            help=f"{either(FORMATS)}. json also has each formula as LaTeX, in symbolic.latex.",
        ),
    ] = "table"
    json: JsonOption = False
    output: OutputOption = None
    color: ColourOption = "auto"

    @property
    def chosen_format(self) -> str:
        """Return the format asked for; `--json` is short for one."""
        return "json" if self.json else self.format

    @property
    def style(self) -> Style:
        """Return the style that suits what it is written to."""
        from gradcli.render.style import style_for

        return style_for(None if self.output else sys.stdout, self.color)


# Endings of files that are not the name of what is in them.
ENDINGS = {"mmd": "mermaid", "gv": "dot"}


# What a reader would take for a picture, whatever text stands in it.
OTHER_PICTURES = frozenset({"gif", "jpeg", "jpg", "pdf", "png", "svg"})


def by_ending(file: Path | None, pictures: Collection[str]) -> str | None:
    """Return the picture that a file's ending says is in it; None if it says nothing, InputError for another one."""
    ending = "" if file is None else file.suffix.removeprefix(".").lower()
    meant = ENDINGS.get(ending, ending)
    if ending in OTHER_PICTURES and meant not in pictures:
        raise InputError(f"there is no picture as .{ending} here", hint=f"end FILE in {either(sorted(pictures))}")
    return meant if meant in pictures else None


@dataclass(frozen=True, slots=True)
class ProgramOptions:
    """What every command that runs a program can be told about its leaves, output, comparison and limits.

    A field that is called as one of Settings becomes it as it is, and `max_NAME` the limit NAME: see `settings_from`.
    """

    shape: Annotated[
        list[str],
        typer.Option(
            "--shape",
            metavar="[NAME=]2x3",
            rich_help_panel=LEAVES,
            show_default=False,
            help="Shape of all leaves, or of one; scalar by default. Repeatable.",
        ),
    ] = ()  # type: ignore[assignment]  # a shared default must not be mutable
    value: Annotated[
        list[str],
        typer.Option(
            "--value",
            metavar="NAME=VALUE",
            rich_help_panel=LEAVES,
            show_default=False,
            help="A number fills the leaf, a nested list sets shape and value. Repeatable.",
        ),
    ] = ()  # type: ignore[assignment]
    values_file: Annotated[
        Path | None,
        typer.Option(
            "--values",
            metavar="FILE",
            rich_help_panel=LEAVES,
            show_default=False,
            help="Values of leaves: .json, .npz, .pt or .safetensors.",
        ),
    ] = None
    init: Annotated[
        Initialisation | None,
        typer.Option(
            "--init",
            metavar="METHOD",
            rich_help_panel=LEAVES,
            show_default=False,
            help="Values of the other leaves: primes, randn, uniform, arange or ones; primes by default, or a random "
            "point.",
        ),
    ] = None
    seed: Annotated[int, typer.Option("--seed", metavar="N", rich_help_panel=LEAVES, help="Seed of random values.")] = 0
    dtype: Annotated[
        DataType,
        typer.Option(
            "--dtype",
            metavar="TYPE",
            rich_help_panel=LEAVES,
            help="float64, float32, float16, bfloat16, complex64 or complex128.",
        ),
    ] = "float64"
    device: Annotated[
        str, typer.Option("--device", metavar="DEVICE", rich_help_panel=LEAVES, help="PyTorch's device.")
    ] = "cpu"
    constant: Annotated[
        list[str],
        typer.Option(
            "--constant",
            metavar="NAME",
            rich_help_panel=LEAVES,
            show_default=False,
            help="A leaf with requires_grad=False. Repeatable.",
        ),
    ] = ()  # type: ignore[assignment]
    argument: Annotated[
        list[str],
        typer.Option(
            "--argument",
            metavar="NAME=VALUE",
            rich_help_panel=CODE,
            show_default=False,
            help="An argument that is no tensor, of forward, a function or a constructor: n=3. Repeatable.",
        ),
    ] = ()  # type: ignore[assignment]
    pick: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="PATH",
            rich_help_panel=CODE,
            show_default=False,
            help="Which tensor to differentiate, where code returns several: loss, 1, hidden.0.",
        ),
    ] = None
    train: Annotated[bool, typer.Option("--train", rich_help_panel=CODE, help="Put the module in training mode.")] = (
        False
    )
    evaluation: Annotated[
        bool, typer.Option("--eval", rich_help_panel=CODE, help="Put the module in evaluation mode.")
    ] = False
    depth: DepthOption = None
    max_entries: MaxEntriesOption = None
    reduce: Annotated[
        Reduction,
        typer.Option(
            "--reduce",
            metavar="METHOD",
            rich_help_panel=GRADIENT,
            help="Make the output a scalar: none, sum, mean, prod or norm.",
        ),
    ] = "none"
    no_verify: NoVerifyOption = False
    rtol: RtolOption = None
    atol: AtolOption = None
    no_cache: NoCacheOption = False
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", rich_help_panel=LIMITS, help="Time for the whole check.")
    ] = 60
    max_program_size: Annotated[
        str, typer.Option("--max-program-size", metavar="SIZE", rich_help_panel=LIMITS, help="Length of the program.")
    ] = "16KiB"
    max_nesting: Annotated[
        int, typer.Option("--max-nesting", metavar="N", rich_help_panel=LIMITS, help="Depth of brackets and blocks.")
    ] = DEFAULT_LIMITS.nesting
    max_operations: Annotated[
        int, typer.Option("--max-operations", metavar="N", rich_help_panel=LIMITS, help="Operations that are run.")
    ] = DEFAULT_LIMITS.operations
    max_rank: Annotated[
        int, typer.Option("--max-rank", metavar="N", rich_help_panel=LIMITS, help="Dimensions of a tensor.")
    ] = DEFAULT_LIMITS.rank
    max_elements: MaxElementsOption = DEFAULT_LIMITS.elements
    max_memory: Annotated[
        str,
        typer.Option(
            "--max-memory",
            metavar="SIZE",
            rich_help_panel=LIMITS,
            help="Memory of the graph, estimated before it is run.",
        ),
    ] = "2GiB"
    max_exponent: Annotated[
        int, typer.Option("--max-exponent", metavar="N", rich_help_panel=LIMITS, help="Size of a constant exponent.")
    ] = DEFAULT_LIMITS.exponent
    max_derivation_time: DerivationTimeOption = 10


@dataclass(frozen=True, slots=True)
class RunOptions(ProgramOptions):
    """The same, with the vector that a gradient is multiplied by, and whose gradients are shown."""

    grad_output: Annotated[
        str | None,
        typer.Option(
            "--grad-output",
            "--grad-outputs",
            metavar="VECTOR",
            rich_help_panel=GRADIENT,
            show_default=False,
            help="The v of the vector-Jacobian product: ones, random, a number or a list.",
        ),
    ] = None
    leaves: LeavesOption = False
