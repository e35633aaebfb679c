"""From the options of a command to the settings that they amount to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from gradcli.cli.bundles import ProgramOptions
from gradcli.commands import Command
from gradcli.errors import InputError
from gradcli.limits import Limits
from gradcli.settings import Settings

# The options of fields that no command line is written with again.
FLAGS = {"calls": "--backward", "sizes": "--shape", "product": "--layout"}


def settings_from(command: Command, options: ProgramOptions, **more: Any) -> Settings:
    """Return the settings that the options amount to; `more` are the fields that only this command has.

    Options whose field has the same name in Settings are taken as they are, the others are parsed or turned round here.
    """
    from gradcli import inputs

    limits = limits_from(options)
    known = {field.name for field in fields(Settings)}
    given = {field.name: getattr(options, field.name) for field in fields(options) if field.name in known}
    parsed = {
        "shapes": inputs.parse_shapes(options.shape, limits),
        "values": inputs.parse_values(options.value, limits),
        "constants": inputs.parse_names("--constant", options.constant),
        "grad_output": inputs.parse_grad_output(given.get("grad_output"), limits),
        "arguments": inputs.parse_arguments(options.argument),
        "mode": _mode(options),
    }
    with errors_by_flag("--"):
        chosen = {"verify": not options.no_verify, "cache": not options.no_cache}
        return Settings(command=command, limits=limits, **(chosen | given | parsed | more))


def _mode(options: ProgramOptions) -> str | None:
    """Return the mode that a module is put in; InputError for both."""
    if options.train and options.evaluation:
        raise InputError("--train and --eval exclude each other")
    return "train" if options.train else "eval" if options.evaluation else None


def limits_from(options: ProgramOptions) -> Limits:
    """Return the limits that the options set; an option for a size is text, and the others are numbers."""
    from gradcli.inputs import parse_size

    given = {field.name: getattr(options, f"max_{field.name}") for field in fields(Limits)}
    texts = {name: size for name, size in given.items() if isinstance(size, str)}
    sizes = {name: parse_size(f"--max-{name.replace('_', '-')}", size) for name, size in texts.items()}
    with errors_by_flag("--max-"):
        return Limits(**(given | sizes))


@contextmanager
def errors_by_flag(prefix: str) -> Iterator[None]:
    """Let an error about a field name the option that sets it."""
    try:
        yield
    except InputError as error:
        raise error.about(_flag(prefix, error.option or "")) from None


def _flag(prefix: str, name: str) -> str:
    from gradcli.inputs.command_line import OPTIONS

    return OPTIONS[name].flag if name in OPTIONS else FLAGS.get(name, prefix + name.replace("_", "-"))
