"""The commands, as one typer application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperGroup

from gradcli._version import __version__
from gradcli.cli.arguments import command_class
from gradcli.commands import Command, Information, function_of
from gradcli.errors import InputError
from gradcli.phrases import did_you_mean


class Commands(TyperGroup):
    """The group of all commands; it knows what was meant by a misspelt one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments name, or say which one is near."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            raise _unknown_command(args[0], list(self.commands))
        return super().resolve_command(ctx, args)


COMMANDS = (*get_args(Command), *get_args(Information))
HELP = {"help_option_names": ["-h", "--help"]}


def _add(group: typer.Typer, name: str) -> None:
    function = function_of(name, "gradcli.cli")
    group.command(name, cls=command_class(function), context_settings=HELP)(function)


def _show_version(wanted: bool) -> None:
    if wanted:
        _write_line(f"gradcli {__version__}")
        raise typer.Exit


def root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001  # typer calls its callback
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Explore PyTorch's gradients, each checked against the symbolic derivative.

    A program is what a notebook would hold; names that it never assigns are leaves.

    Examples:
      gradcli eval "w1 + w2 + w2*w3"
      gradcli eval "x=w1+w2; y=w2*w3; z=x+y" --shape 2x2 --reduce mean
    """
    if context.invoked_subcommand is None:
        context.get_help()


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the application with all commands, or with the one that the arguments name: all take a while to set up."""
    app = typer.Typer(
        cls=Commands,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings=HELP,
    )
    for name in {*arguments[:1]} & {*COMMANDS} or COMMANDS:
        _add(app, name)
    app.callback(invoke_without_command=True)(root)
    return app


def _unknown_command(name: str, known: list[str]) -> InputError:
    otherwise = "`gradcli --help` lists the commands; a program needs one: `gradcli eval PROGRAM`"
    return InputError(f"unknown command '{name}'", hint=did_you_mean(name, known, otherwise))


def _write_line(text: str) -> None:
    from gradcli.cli.output import write

    write(text + "\n", None)
