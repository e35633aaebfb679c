"""Usage errors of typer, said in gradcli's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import ValidationError

from gradcli.errors import InputError
from gradcli.phrases import did_you_mean, every

if TYPE_CHECKING:
    from typer.exceptions import TyperException


EXTRA = re.compile(r"unexpected extra arguments?(?:\(s\))? \((.*)\)", re.IGNORECASE | re.DOTALL)
VALUE = re.compile(r"[A-Za-z_]\w*=[-+.\d\[].*")
SECOND = "`gradcli double-backward` shows what a second backward does, with retain_graph and with create_graph"
FEW = 4  # commands that are named
# Options by PyTorch's own words, and what there is in their place.
HABITS = {
    "--retain-graph": SECOND,
    "--create-graph": f"{SECOND}; `gradcli grad --create-graph` records the graph of a gradient",
    "--requires-grad": "every leaf requires grad; `--constant NAME` makes one that does not",
    "--no-grad": "`--constant NAME` makes a leaf that needs no gradient, `--detach NAME` a non-leaf",
    "--grad-fn": "each non-leaf is shown with its grad_fn",
    "--inputs": "`--value x=2` gives values, and `--wrt x` (of `gradcli grad`) what to differentiate with respect to",
    "--file": "name the file in place of the program: `gradcli eval FILE`",
    "-f": "name the file in place of the program: `gradcli eval FILE`",
    "--latex": "`gradcli derive PROGRAM --to latex` writes the formulas, and `--json` has those of every tensor",
}


def usage_error(error: TyperException) -> InputError:
    """Return what the user did wrong on the command line, with the nearest option where one is near."""
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "gradcli")
    option = getattr(error, "option_name", None)
    if type(error).__name__ == "NoSuchOption" and option is not None:
        return _unknown_option(option, path, context)
    if (extra := EXTRA.search(error.format_message())) is not None:
        return _unquoted(extra[1], path)
    message = _quoting(error, error.format_message().strip().rstrip(".").replace("Value error, ", ""))
    return InputError(message[:1].lower() + message[1:], hint=_near_choice(error) or f"`{path} --help` shows the usage")


def _quoting(error: TyperException, message: str) -> str:
    """Return pydantic's complaint about an option's value with that value, as the other errors have it."""
    given, (before, _, after) = _refused(error), message.partition(": Input should be ")
    if given is None or not after:
        return message
    return f"{before}: {given!r} is not {after.partition(',')[0]}"


def _refused(error: TyperException) -> str | None:
    """Return the value that pydantic refuses; None where it is not said."""
    cause = error.__cause__
    complaints = cause.errors() if isinstance(cause, ValidationError) else []
    return str(complaints[0]["input"]) if complaints else None


def _unquoted(rest: str, path: str) -> InputError:
    """Return the error for words after the program: values of leaves, or the rest of a program without quotes."""
    words = rest.split()
    if words and all(VALUE.fullmatch(word) for word in words):
        values = " ".join(f"--value {word}" for word in words)
        return InputError(f"'{rest}' stands after the program", hint=f"write `{values}` to give a leaf its value")
    hint = f'put the program in quotes, so that the shell takes it for one word: `{path} "x**2 + y"`'
    return InputError(f"the program ends before '{rest}'", hint=hint)


def _unknown_option(option: str, path: str, context: object) -> InputError:
    otherwise = f"`{path} --help` lists the options; a program that starts with `-` may stand behind `--`"
    if option in HABITS:
        return InputError(f"unknown option '{option}'", hint=HABITS[option])
    if 0 < len(commands := _commands_with(option, context)) <= FEW:
        whose = every(f"`gradcli {name}`" for name in commands)
        return InputError(f"unknown option '{option}'", hint=f"{whose} {'has' if len(commands) == 1 else 'have'} it")
    hint = did_you_mean(option, _options(context), otherwise, then=f"`{path} --help` lists all")
    return InputError(f"unknown option '{option}'", hint=hint)


def _options(context: object) -> list[str]:
    command = getattr(context, "command", None)
    parameters = command.get_params(context) if command is not None else []
    return [option for parameter in parameters for option in parameter.opts if option.startswith("-")]


def _commands_with(option: str, context: object) -> list[str]:
    """Return the other commands that have an option; none where it stands before any command."""
    from typer.main import get_group

    from gradcli.cli.group import application

    if getattr(context, "parent", None) is None:
        return []
    commands = get_group(application()).commands  # this process has set up one of them alone
    return [name for name, command in commands.items() if any(option in one.opts for one in command.params)]


# What is asked of `--format` and is another option's, or another command's.
_PICTURES = dict.fromkeys(("svg", "dot", "mermaid", "png"), "`gradcli graph --to svg` (or mermaid, dot, html) draws")
_FORMATS = {
    **_PICTURES,
    **dict.fromkeys(("latex", "tex"), "`gradcli derive --to latex` writes the formulas as LaTeX"),
    **dict.fromkeys(("mathml", "typst", "torch", "numpy", "jax", "sympy"), "`gradcli derive --to {}` writes it"),
    "csv": "`--format json` has all numbers",
}


def _elsewhere(error: TyperException, given: str) -> str | None:
    """Return where there is what a command's `--format` does not have: its own `--to`, or another command."""
    parameter, command = getattr(error, "param", None), getattr(getattr(error, "ctx", None), "command", None)
    if getattr(parameter, "name", None) is None or "--format" not in getattr(parameter, "opts", ()):
        return None
    name = getattr(command, "name", "")
    is_own = (name == "graph" and given in _PICTURES and given != "png") or (name == "derive" and given in _FORMATS)
    return f"write `--to {given}`" if is_own else _FORMATS.get(given, "").format(given) or None


def _near_choice(error: TyperException) -> str | None:
    """Return a suggestion where the value of an option is near one of its choices."""
    choices = getattr(getattr(getattr(error, "param", None), "type_descriptor", None), "choices", None)
    given = _refused(error)
    if given is not None and (elsewhere := _elsewhere(error, given)) is not None:
        return elsewhere
    return did_you_mean(given, map(str, choices)) if choices and given is not None else None
