"""`gradcli plot`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from gradcli.cli.bundles import OutputOptions, RunOptions, by_ending
from gradcli.cli.options import OUTPUT, ProgramArgument
from gradcli.cli.settings import settings_from
from gradcli.cli.spread import spread
from gradcli.errors import InputError
from gradcli.phrases import either
from gradcli.render.formats import FORMATS, PLOTS

if TYPE_CHECKING:
    from gradcli.settings import Settings

    PlotFormat: TypeAlias = str
else:
    PlotFormat = Literal[*FORMATS, *PLOTS]

PLOT = "Plot"
VARIABLE = "x"  # of a function that --compare names


@dataclass(frozen=True, slots=True)
class PlotOutput(OutputOptions):
    """How and where a plot is written."""

    format: Annotated[
        PlotFormat,
        typer.Option(
            "--format",
            metavar="FORMAT",
            rich_help_panel=OUTPUT,
            help=f"{either((*FORMATS, *PLOTS))}; {either(PLOTS)} where FILE ends so.",
        ),
    ] = "table"

    @property
    def chosen_format(self) -> str:
        """Return the format asked for, or what FILE's ending says; InputError for a picture without a file."""
        asked = "json" if self.json else self.format
        chosen = by_ending(self.output, PLOTS) or asked if asked == "table" else asked
        if chosen in PLOTS and PLOTS[chosen].is_binary and self.output is None:
            raise InputError(f"a {chosen.upper()} needs a file", option="--format", hint=f"add `-o FILE.{chosen}`")
        return chosen


@spread
def plot(
    run: RunOptions,
    output: PlotOutput,
    program: ProgramArgument = "",
    wrt: Annotated[
        list[str],
        typer.Option(
            "--wrt",
            metavar="NAMES",
            rich_help_panel=PLOT,
            show_default=False,
            help="The number along which it is drawn, or two: x, or x,y, or X[0,1].",
        ),
    ] = (),  # type: ignore[assignment]  # a default must not be mutable
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="NUMBER",
            rich_help_panel=PLOT,
            show_default=False,
            help="Where it begins: -3 by default; two with a comma between them over two numbers.",
        ),
    ] = "",
    stop: Annotated[
        str,
        typer.Option(
            "--to", metavar="NUMBER", rich_help_panel=PLOT, show_default=False, help="Where it ends: 3 by default."
        ),
    ] = "",
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            metavar="N",
            rich_help_panel=PLOT,
            show_default=False,
            help="Points along each number: 201 by default, 41 over two.",
        ),
    ] = None,
    order: Annotated[
        int, typer.Option("--order", metavar="N", rich_help_panel=PLOT, help="2 draws the second derivative, too.")
    ] = 1,
    compare: Annotated[
        list[str],
        typer.Option(
            "--compare",
            metavar="PROGRAMS",
            rich_help_panel=PLOT,
            show_default=False,
            help="Further programs along the same number: functions, such as relu,gelu,silu, or expressions.",
        ),
    ] = (),  # type: ignore[assignment]
) -> int:
    """Draw a function with its derivative, a gradient field, or maps of tensors.

    Along one number: the function, autograd's derivative, and every kink with the
    derivatives to both sides and autograd's choice there. Over two: contours and
    the gradient field. Of tensors: maps of their entries, gradients and errors.
    Every derivative that is drawn is compared with the symbolic one. PNG and SVG
    take matplotlib: gradcli's extra `plot` installs it.

    Examples:
      gradcli plot "relu(x)*sin(x)"
      gradcli plot "x**2*y + y**3" --wrt x,y --from -2 --to 2 -o field.png
      gradcli plot --compare "relu,gelu,silu" --from -3 --to 3 -o activations.svg
      gradcli plot "softmax(X @ W, dim=-1).log().mean()" --shape 8x8 --init randn
    """
    from gradcli.cli.running import run as run_program

    output.chosen_format  # noqa: B018  # what excludes each other is said before anything is run
    program, settings = _settings(program, run, wrt, compare, start=start, stop=stop, samples=samples, order=order)
    return run_program(program, settings, output)


def _settings(
    program: str, run: RunOptions, wrt: list[str], compare: list[str], *, start: str, stop: str, **more: int | None
) -> tuple[str, Settings]:
    """Return the program that is drawn first, and the settings."""
    from gradcli.inputs import parse_numbers, parse_parts

    names = parse_parts("--wrt", wrt)
    others = tuple(_program(part, names) for part in parse_parts("--compare", compare))
    if not program and not others:
        raise InputError("plot needs a PROGRAM", hint='such as `gradcli plot "relu(x)"`, or `--compare relu,gelu`')
    program, others = (program, others) if program else (others[0], others[1:])
    ends = {"start": parse_numbers("--from", start), "stop": parse_numbers("--to", stop)}
    return program, settings_from("plot", run, wrt=names or None, compare=others, **ends, **more)


def _program(part: str, names: tuple[str, ...]) -> str:
    """Return what `--compare` names as a program: a bare name is a function of the number."""
    return f"{part}({names[0] if names else VARIABLE})" if part.replace(".", "").isidentifier() else part
