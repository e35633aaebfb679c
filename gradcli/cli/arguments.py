"""What the command line says before click reads it: whether a program that starts with `-` is one, and plain numbers.

`gradcli eval "-w1*w2" --json` is a program and an option; `gradcli eval "w*w" -x` is a program and a mistake. A program
that starts with `--` and a letter looks like an option, so it has to stand behind `--`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

from gradcli.cli.options import ProgramArgument, ScriptArgument, TargetsArgument
from gradcli.errors import InputError

if TYPE_CHECKING:
    from typer import Context

NUMBERS = (int, float)
LONG_OPTION = re.compile(r"--[A-Za-z].*", re.DOTALL)


class PlainCommand(TyperCommand):
    """A command whose numbers are written as on paper."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:  # type: ignore[override]  # click's own class
        """Parse the arguments; InputError for a number that only Python reads as one, such as 1_0."""
        written, _, _ = self.make_parser(ctx).parse_args([*args])
        for parameter in self.get_params(ctx):
            text = written.get(parameter.name or "")
            if isinstance(text, str) and "_" in text and _is_number(parameter):
                hint = "a number is written without `_`"
                raise InputError(f"'{text}' is not a number", option=parameter.opts[0], hint=hint)
        return super().parse_args(ctx, args)


def _is_number(parameter: Any) -> bool:
    return parameter.type_descriptor.annotation in NUMBERS


class ProgramCommand(PlainCommand):
    """A command whose one argument is a program, which may start with `-`."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:  # type: ignore[override]  # click's own class
        """Parse the arguments, the program protected."""
        values_of: dict[str, int] = {}
        for parameter in self.get_params(ctx):
            if parameter.param_type_name == "option":
                flag = getattr(parameter, "is_flag", False) or getattr(parameter, "count", False)
                values_of.update(
                    dict.fromkeys([*parameter.opts, *parameter.secondary_opts], 0 if flag else parameter.nargs)
                )
        return super().parse_args(ctx, protect_program(args, values_of))


class ScriptCommand(TyperCommand):
    """A command whose first argument is a script: what stands behind it is the script's own."""

    allow_interspersed_args = False


def command_class(function: Callable[..., Any]) -> type[TyperCommand]:
    """Return the class of the command that a function carries out: whether it takes programs decides."""
    annotations = [parameter.annotation for parameter in inspect.signature(function, eval_str=True).parameters.values()]
    if ScriptArgument in annotations:
        return ScriptCommand
    takes_programs = any(annotation in {ProgramArgument, TargetsArgument} for annotation in annotations)
    return ProgramCommand if takes_programs else PlainCommand


def protect_program(arguments: Sequence[str], values_of: Mapping[str, int]) -> list[str]:
    """Return the arguments with a program that starts with `-` moved to the end, behind `--`.

    `values_of` maps each option of the command to the number of values it takes. The first argument that starts with
    `-` and is not an option is the program, unless another argument is one without doubt.
    """
    candidate: int | None = None
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        if argument == "--" or _is_plain(argument):
            return list(arguments)
        if argument in values_of:
            position += values_of[argument]
        elif LONG_OPTION.fullmatch(argument):
            position += _values_of_unknown(arguments, position, values_of)
        elif candidate is None:
            candidate = position
        position += 1
    if candidate is None:
        return list(arguments)
    return [*arguments[:candidate], *arguments[candidate + 1 :], "--", arguments[candidate]]


def _is_plain(argument: str) -> bool:
    return not argument.startswith("-") or argument == "-"


def _values_of_unknown(arguments: Sequence[str], position: int, values_of: Mapping[str, int]) -> int:
    """Return how many values to skip after `--name=value` (none) or a misspelt option (one, if it looks like one)."""
    if arguments[position].partition("=")[0] in values_of or position + 1 == len(arguments):
        return 0
    return int(_is_plain(arguments[position + 1]))
