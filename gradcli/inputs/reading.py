"""How a program is read: what is refused beside the options that are given, and what there is to say of the rest."""

from __future__ import annotations

from collections.abc import Iterator

from gradcli.errors import InputError, ProgramError
from gradcli.language.program import Name, Program
from gradcli.language.spelling import functions_as_leaves, notes_on_names
from gradcli.ops.table import is_function, is_function_of_numbers
from gradcli.settings import Settings

# The commands that differentiate a gradient too.
OF_SECOND_ORDER = ("double-backward", "hessian")


def check_reading(program: Program, settings: Settings) -> None:
    """Refuse a program of which a command would read only a part, or something else than it says."""
    if settings.under:
        hint = "it takes `FILE.py:NAME`, or in Python a function or a module; leave it out for a program"
        raise InputError("transformations are of code, and this is the text of a program", option="--under", hint=hint)
    for leaf in program.made:
        if leaf.name in settings.shapes and leaf.name not in settings.values:
            hint = f"leave out `--shape {leaf.name}=...`, or give another value: `--value {leaf.name}=...`"
            raise InputError(f"--shape: the program itself makes '{leaf.name}'", hint=hint)
    if program.further is not None and settings.command not in OF_SECOND_ORDER:
        hint = "`gradcli double-backward` with the same program checks the second derivative; or leave out what follows"
        message = "the program differentiates a gradient, of which this command knows only the first derivative"
        raise ProgramError(message, span=program.further, source=program.source, hint=hint)
    _check_command(program, settings)
    for leaf in functions_as_leaves(program, is_function_of_numbers):
        if not _is_described(leaf, settings):
            hint = f"write `{leaf.name}(x)`; a leaf of that name needs a value or a shape of its own: "
            hint += f"`--shape {leaf.name}=scalar`"
            message = f"`{leaf.name}` is a function, and stands here without an argument"
            raise ProgramError(message, span=leaf.span, source=program.source, hint=hint)


def _check_command(program: Program, settings: Settings) -> None:
    """Refuse a program that asks for what only another command shows."""
    if program.command is None or settings.command in (program.command, "check", "eval"):
        return
    message = f"the program asks for what `gradcli {program.command}` shows"
    hint = f"`gradcli {program.command}` with the same program"
    raise ProgramError(message, span=program.statements[-1].span, source=program.source, hint=hint)


def _is_described(leaf: Name, settings: Settings) -> bool:
    return leaf.name in settings.shapes or leaf.name in settings.values or leaf.name in settings.constants


def notes_on(program: Program, command: str = "eval") -> Iterator[str]:
    """Yield what is to be said of how a command reads a program."""
    yield from program.notes
    yield from notes_on_names(program, is_function)
    if program.command not in (None, command):
        yield (
            f"`gradcli {program.command}` with the same program shows what it asks for; "
            "`gradcli eval` the gradient, of the sum of all entries where there are several"
        )
    if program.further is not None:
        yield "the program differentiates a gradient: this is about what it differentiates first"
