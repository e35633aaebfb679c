"""The last statement of a program, whose value is its output."""

from __future__ import annotations

from gradcli.errors import ProgramError, Span
from gradcli.language.leaves import every, targets
from gradcli.language.program import (
    Assign,
    BooleanOperation,
    Call,
    Class,
    Compare,
    Comprehension,
    Each,
    Evaluate,
    Expression,
    For,
    Function,
    GradMode,
    If,
    Literal,
    Name,
    Sequence,
    Statement,
    While,
)
from gradcli.language.source import Source
from gradcli.language.statements import ends


def with_call(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """Return a program's statements; one that ends with a function calls it, on leaves of its parameters' names."""
    last = statements[-1] if statements else None
    if not isinstance(last, Assign) or not isinstance(last.value, Function):
        return statements
    function, span = last.value, last.span
    needed = function.parameters[: len(function.parameters) - len(function.defaults)]
    arguments = tuple(Name(name, last.targets[0].span) for name in needed)
    call = Call(last.targets[0].name, arguments, (), span, last.targets[0].span)
    return (*statements, Evaluate(call, span))


_COMPUTES = "what is printed or looked at is shown anyway: write the expression itself, such as `x**2`"


def check_output(statements: tuple[Statement, ...], source: Source) -> None:
    """Refuse a last statement that has no differentiable value, as far as the text shows it."""
    for statement in statements[:-1]:
        if isinstance(statement, Evaluate) and isinstance(statement.value, Compare):
            hint = "`=` assigns" if statement.value.operator == "==" else None
            raise source.error("a comparison by itself does nothing", statement.span, hint)
    if not statements:
        raise ProgramError("the program computes nothing", source=source.text, hint=_COMPUTES)
    last = statements[-1]
    if (
        isinstance(last, GradMode)
        and not ends(last)
        and (last.enabled or isinstance((last.body or [None])[-1], GradMode))
    ):
        check_output(last.body, source)
        return
    if isinstance(last, (If, While, For, Each, GradMode)) and not ends(last):
        span = Span(last.span.start, last.span.start + 1)
        raise source.error("the program ends with a block", span, _ending(last))
    if isinstance(last, Assign) and isinstance(last.value, Class):
        raise source.error("the program ends with a class", last.targets[0].span, f"call it: `{last.value.name}()(x)`")
    if isinstance(last, Assign) and len(last.targets) > 1:
        raise source.error("the last statement assigns several names", last.span, "end with the one that is the output")
    if isinstance(last, Evaluate):
        _check_value(last.value, source)


def _ending(block: Statement) -> str:
    """Return what to put after a block: a line with what it assigned last, where it assigns anything."""
    names = [target.name for statement in every((block,)) for target in targets(statement)]
    such = f", such as `{names[-1]}`" if names else ""
    return f"end with an expression{such}: its value is the output"


def _check_value(value: Expression, source: Source) -> None:
    if isinstance(value, (Compare, BooleanOperation)):
        hint = "`=` assigns" if value.operator == "==" else "use it as a condition: `where(a > b, a, b)`"
        raise source.error("a comparison has no gradient, so it cannot be the output", value.span, hint)
    if isinstance(value, (Sequence, Comprehension)):
        raise source.error("the output must be one tensor", value.span, "choose or combine: `cat`, `stack`, a sum")
    if isinstance(value, Literal) and (value.value is None or isinstance(value.value, bool)):
        raise source.error("the output must be a tensor", value.span)
