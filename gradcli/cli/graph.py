"""`gradcli graph`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from gradcli.cli.bundles import OutputOptions, RunOptions, by_ending
from gradcli.cli.options import GRADIENT, OUTPUT, ProgramArgument
from gradcli.cli.settings import settings_from
from gradcli.cli.spread import spread
from gradcli.errors import InputError
from gradcli.phrases import either
from gradcli.render.formats import PICTURES

TREE = "tree"

if TYPE_CHECKING:
    PictureName: TypeAlias = str
else:
    PictureName = Literal[TREE, *PICTURES]


@dataclass(frozen=True, slots=True)
class PictureOptions(OutputOptions):
    """The same, and what the graph is drawn as."""

    to: Annotated[
        PictureName | None,
        typer.Option(
            "--to",
            metavar="PICTURE",
            rich_help_panel=OUTPUT,
            show_default=False,
            help=f"{either((TREE, *PICTURES))}; by default what FILE's ending says, or tree.",
        ),
    ] = None

    @property
    def chosen_format(self) -> str:
        """Return the format asked for, or else the picture; InputError for both."""
        asked = "json" if self.json else self.format
        is_default = asked == type(self).__dataclass_fields__["format"].default
        if self.to in {None, TREE}:
            meant = by_ending(self.output, PICTURES) if self.to is None and is_default else None
            return meant or asked
        if not is_default:
            raise InputError(f"--to {self.to} and --format {asked} exclude each other", hint="a picture has one format")
        return str(self.to)


@spread
def graph(
    program: ProgramArgument,
    run: RunOptions,
    output: PictureOptions,
    backward: Annotated[
        str,
        typer.Option(
            "--backward",
            metavar="WHICH",
            rich_help_panel=GRADIENT,
            help="Of a script: the backward calls that are drawn, numbers such as 1,2,50, or last, or all.",
        ),
    ] = "1",
) -> int:
    """Draw the forward graph beside autograd's backward graph.

    Each tensor with its value, gradient and verdict; each grad_fn with what it
    passes gradients to (next_functions) and the tensors that it saves. Above a
    size, a module of a model is one box. Of a script (.py), each backward call
    has a graph.

    Examples:
      gradcli graph "x=w1+w2; y=w2*w3; x+y"
      gradcli graph "x=w1+w2; y=w2*w3; x+y" -o graph.svg
      gradcli graph "mean((X @ w)**2)" --shape X=3x2 --shape w=2 --to mermaid
      gradcli graph train.py --backward last -o graph.svg
    """
    from gradcli.cli.running import run as run_program

    output.chosen_format  # noqa: B018  # what excludes each other is said before anything is run
    if program.endswith(".py"):
        from gradcli.cli.scripts import draw_script, settings_of_run

        return draw_script(program, settings_of_run("graph", run, backward), output)
    return run_program(program, settings_from("graph", run), output)
