"""Usage errors of typer, said in gradcli's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from gradcli.errors import InputError
from gradcli.phrases import did_you_mean

if TYPE_CHECKING:
    from typer.exceptions import TyperException


def usage_error(error: TyperException) -> InputError:
    """Return what the user did wrong on the command line, with the nearest option where one is near."""
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "gradcli")
    option = getattr(error, "option_name", None)
    if type(error).__name__ == "NoSuchOption" and option is not None:
        return _unknown_option(option, path, context)
    message = error.format_message().strip().rstrip(".").replace("Value error, ", "")
    return InputError(message[:1].lower() + message[1:], hint=_near_choice(error) or f"`{path} --help` shows the usage")


def _unknown_option(option: str, path: str, context: object) -> InputError:
    otherwise = f"`{path} --help` lists the options; a program that starts with `-` may stand behind `--`"
    hint = did_you_mean(option, _options(context), otherwise, then=f"`{path} --help` lists all")
    return InputError(f"unknown option '{option}'", hint=hint)


def _options(context: object) -> list[str]:
    command = getattr(context, "command", None)
    parameters = command.get_params(context) if command is not None else []
    return [option for parameter in parameters for option in parameter.opts if option.startswith("-")]


def _near_choice(error: TyperException) -> str | None:
    """Return a suggestion where the value of an option is near one of its choices."""
    choices = getattr(getattr(getattr(error, "param", None), "type_descriptor", None), "choices", None)
    complaints = error.__cause__.errors() if isinstance(error.__cause__, ValidationError) else []
    return did_you_mean(str(complaints[0]["input"]), map(str, choices)) if choices and complaints else None
