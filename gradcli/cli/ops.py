"""`gradcli ops`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gradcli.cli.options import OUTPUT, JsonOption, OutputOption

if TYPE_CHECKING:
    from gradcli.ops.record import Op

OpsFormat = Literal["table", "json", "markdown"]
NameArgument = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="One op; without it all are listed.", show_default=False)
]
OpsFormatOption = Annotated[
    OpsFormat,
    typer.Option("--format", metavar="FORMAT", rich_help_panel=OUTPUT, help="table, json or markdown."),
]


def ops(
    name: NameArgument = None,
    format: OpsFormatOption = "table",  # noqa: A002  # the option's name
    json: JsonOption = False,
    output: OutputOption = None,
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
    style = style_for(None if output else sys.stdout)
    if name is not None:
        op = find_op(name)
        text = PAGE_FORMATS[chosen](with_derivative(page(op), op), style)
    else:
        text = TABLE_FORMATS[chosen](pages(derivatives=chosen == "markdown"), style)
    write(text, output)
    return 0


def find_op(name: str) -> Op:
    """Return the op that the name stands for, with or without PyTorch's prefix, or say which name is near."""
    from gradcli.errors import InputError
    from gradcli.language.names import without_prefix
    from gradcli.ops.table import find, names
    from gradcli.phrases import did_you_mean

    op = find(without_prefix(tuple(name.split("."))) or name)
    if op is not None:
        return op
    listed = "`gradcli ops` lists all"
    hint = did_you_mean(name.rpartition(".")[2], names(), listed, then=listed)
    raise InputError(f"unknown op '{name}'", hint=hint)
