"""`gradcli ops`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gradcli.cli.options import OUTPUT, ColourOption, JsonOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gradcli.ops.record import Op
    from gradcli.report.op_page import OpPage

OpsFormat = Literal["table", "json", "markdown"]
NameArgument = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="One op; without it all are listed.", show_default=False)
]
OpsFormatOption = Annotated[
    OpsFormat,
    typer.Option("--format", metavar="FORMAT", rich_help_panel=OUTPUT, help="table, json or markdown."),
]
# As text: a path would not say whether it ended in a slash.
OpsOutputOption = Annotated[
    str | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        rich_help_panel=OUTPUT,
        show_default=False,
        help="Write to a file instead of standard output; in Markdown, FOLDER/ writes a page for each family.",
    ),
]


def ops(
    name: NameArgument = None,
    format: OpsFormatOption = "table",  # noqa: A002  # the option's name
    json: JsonOption = False,
    output: OpsOutputOption = None,
    color: ColourOption = "auto",
) -> int:
    """List the supported ops, or show how one is defined.

    An op is defined, never differentiated by hand: its derivative is derived from
    the definition that is shown here.

    Examples:
      gradcli ops
      gradcli ops sigmoid
      gradcli ops torch.linalg.solve
      gradcli ops --json
    """
    from gradcli.catalogue import page, pages, with_derivative
    from gradcli.cli.output import write
    from gradcli.render.op_table.text import PAGE_FORMATS, TABLE_FORMATS
    from gradcli.render.style import style_for

    chosen = "json" if json else format
    if name is None and chosen == "markdown" and output is not None and _is_folder(output):
        _write_pages(pages(derivatives=True), Path(output))
        return 0
    style = style_for(None if output else sys.stdout, color)
    if name is not None:
        op = find_op(name)
        text = PAGE_FORMATS[chosen](with_derivative(page(op), op), style)
    else:
        text = TABLE_FORMATS[chosen](pages(derivatives=chosen == "markdown"), style)
    write(text, Path(output) if output else None)
    return 0


def _is_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or Path(output).is_dir()


def _write_pages(listed: Sequence[OpPage], folder: Path) -> None:
    """Write a page for each family into the folder, and their index beside it: `docs/ops.md` for `docs/ops/`."""
    from gradcli.cli.output import make_folder, write
    from gradcli.render.op_table.markdown import family_pages, index

    beside = folder.with_name(f"{folder.name}.md")
    make_folder(folder)
    for file, text in family_pages(listed, beside.name).items():
        write(text, folder / file)
    write(index(listed, folder.name), beside)


def find_op(name: str) -> Op:
    """Return the op that the name stands for, with or without PyTorch's prefix, or say which name is near."""
    from gradcli.errors import InputError
    from gradcli.language.names import without_prefix
    from gradcli.ops.table import find, names
    from gradcli.phrases import did_you_mean

    op = find(without_prefix(tuple(name.split("."))) or name)
    if op is not None and not op.name.startswith("_"):  # one of definitions only
        return op
    listed = "`gradcli ops` lists all"
    hint = did_you_mean(name.rpartition(".")[2], names(), listed, then=listed)
    raise InputError(f"unknown op '{name}'", hint=hint)
