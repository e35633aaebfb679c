"""Text -> program, and what to do with a text that is none: a script, say."""

from __future__ import annotations

from gradcli.errors import GradcliError, InputError, ProgramError
from gradcli.language.program import Assign, Literal, Program
from gradcli.language.scripts import as_a_file
from gradcli.limits import Limits
from gradcli.ops.programs import parse_program
from gradcli.settings import Settings


def read(source: str, settings: Settings) -> Program:
    """Return the parsed program; ProgramError if it is not one, or has no leaf."""
    if not isinstance(source, str):
        raise InputError(f"the program is text, not {type(source).__name__}", hint='write `gradcli.check("x**2")`')
    try:
        program = parse_program(source, settings.limits)
    except ProgramError as error:
        error.hint = with_script(error.hint, source)
        raise
    if not (program.leaves or program.made):
        raise ProgramError(
            "the program has no leaf: nothing to differentiate with respect to",
            source=source,
            hint=_number_given(program)
            or "a leaf is a name that is never assigned, such as w in `w*w`, or a tensor with requires_grad=True",
        )
    return program


def _number_given(program: Program) -> str | None:
    """Return what to write for a program whose variable is a number, `x = 2; x**2`."""
    for statement in program.statements:
        if isinstance(statement, Assign) and isinstance(statement.value, Literal) and len(statement.targets) == 1:
            name, value = statement.targets[0].name, statement.value.value
            if isinstance(value, int | float) and not isinstance(value, bool):
                instead = f"leave `{name} = {value}` out and give `--value {name}={value}`"
                return f"{instead}: a leaf is a name that is never assigned"
    return None


def _is_read(text: str) -> bool:
    """Tell whether a program that is suggested can be read itself."""
    try:
        parse_program(text, Limits())
    except GradcliError:
        return False
    return True


def with_script(hint: str | None, source: str) -> str | None:
    """Return a hint with what to do with a text that is a script, whose part need not be pasted."""
    is_slip = (hint or "").startswith("did you mean") and "\n" not in source.strip()
    script = None if is_slip else as_a_file(source, _is_read)
    hint = None if script and ("FILE.py" in (hint or "") or script.startswith("write")) else hint
    return "; or ".join(words for words in (hint, script) if words) or None
