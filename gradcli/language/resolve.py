"""Checks that the op table knows every function and field of a program, before anything is loaded or run."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from gradcli.errors import ProgramError, Span
from gradcli.language.calls import IN_PLACE
from gradcli.language.leaves import every, expressions, names_in, targets
from gradcli.language.makers import CALL, OF_TYPE
from gradcli.language.modules import PARAMETERS, SHOWN, module_name
from gradcli.language.names import NAMESPACES, SHOWN_ATTRIBUTES, VIEWS_AND_SHAPES
from gradcli.language.notebook import (
    DISTRIBUTION_ATTRIBUTES,
    DISTRIBUTIONS,
    FUNCTIONS,
    HABITS,
    IN_PLACE_ALONE,
    METHODS,
    MODULE_METHODS,
    OWN,
    PEEKING,
    PYTHON,
)
from gradcli.language.order import postorder
from gradcli.language.program import Attribute, Builtin, Call, Comprehension, Function, Name, Program, SetAttribute
from gradcli.language.words import shorten
from gradcli.phrases import did_you_mean

NEAR = 0.75  # difflib's own 0.6 takes `print` for `pinv` and `float` for `flatten`
HIDDEN = frozenset({"getitem"})  # is written `x[i]`


def resolve(
    program: Program,
    find: Callable[[str], object | None],
    names: Callable[[], Iterable[str]],
    fields: Callable[[], Collection[str]],
) -> None:
    """Raise an error for the first function that `find` does not know, or attribute that nothing has.

    `names` gives what may be suggested, `fields` those of the named tuples that functions return. Operators are always
    known.
    """
    nodes = [node for expression in expressions(program.statements) for node in postorder(expression)]
    variables = {node.name for node in nodes if isinstance(node, Name)}
    own = _own_names(program)
    attributes = {*VIEWS_AND_SHAPES, *fields(), *own.attributes}
    named = [node for node in nodes if isinstance(node, Call | Attribute | Builtin)]
    for node in sorted(named, key=lambda node: _place(node).start):
        if isinstance(node, Call) and not _is_known(node, find, own):
            raise _unknown(node, program, variables, names)
        if isinstance(node, Attribute) and node.name not in attributes:
            raise _refused(node, program)
        if isinstance(node, Builtin) and find(node.function) is None and not node.function.startswith(("nn.", PYTHON)):
            raise _unvalued(node, program)


def _unvalued(node: Builtin, program: Program) -> ProgramError:
    message = f"`{shorten(program.text(node))}` is not a value"
    hint = "a function needs brackets and arguments; constants are `pi` and `inf`"
    return ProgramError(message, span=node.span, source=program.source, hint=hint)


def _place(node: Call | Attribute | Builtin) -> Span:
    """Return where the name of a function or an attribute stands."""
    if isinstance(node, Builtin):
        return node.span
    return node.function_span if isinstance(node, Call) else Span(node.span.end - len(node.name), node.span.end)


@dataclass(frozen=True, slots=True)
class _Own:
    """What a program itself gives a name to."""

    functions: frozenset[str]
    attributes: frozenset[str]


def _own_names(program: Program) -> _Own:
    """Return the names that may be functions, and the attributes and methods of the program's modules."""
    made = [node for expression in expressions(program.statements) for node in postorder(expression)]
    functions = [node for node in made if isinstance(node, Function)]
    bodies = [statement for function in functions for statement in every(function.body)]
    statements = [*every(program.statements), *bodies]
    names = {target.name for statement in statements for target in targets(statement)}
    names |= {name for function in functions for name in function.names}
    loops = [node for node in made if isinstance(node, Comprehension)]
    names |= {name.name for loop in loops for name in names_in(loop.targets)}
    attributes = {statement.name for statement in statements if isinstance(statement, SetAttribute)}
    attributes |= {function.name for function in functions}
    if any(isinstance(node, Call) and module_name(node) is not None for node in made) or attributes:
        attributes |= {*PARAMETERS, *SHOWN, CALL, *MODULE_METHODS}
    if any(isinstance(node, Call) and node.function in DISTRIBUTIONS for node in made):
        attributes |= DISTRIBUTION_ATTRIBUTES
    return _Own(frozenset(names), frozenset(attributes))


def _is_known(call: Call, find: Callable[[str], object | None], own: _Own) -> bool:
    if call.operator is not None or call.function in (METHODS if call.method else FUNCTIONS):
        return True
    if call.method and call.function in IN_PLACE_ALONE and any(name == IN_PLACE for name, _ in call.keywords):
        return True
    if call.function in (own.attributes if call.method else own.functions) or call.function == CALL:
        return True
    if module_name(call) is not None or call.function == OF_TYPE:
        return True
    space, _, name = call.function.rpartition(".")
    return space not in NAMESPACES and not name.startswith("_") and find(call.function) is not None


def _refused(node: Attribute, program: Program) -> ProgramError:
    name = shorten(node.name)
    hint = f"attributes are {SHOWN_ATTRIBUTES}; a method needs brackets: `.{name}()`"
    if name in PEEKING:
        hint = "leave it out: each tensor is shown with its .grad, its gradient and its grad_fn"
    message = f"the attribute '.{name}' is not accepted"
    return ProgramError(message, span=_place(node), source=program.source, hint=hint)


def _unknown(call: Call, program: Program, variables: set[str], names: Callable[[], Iterable[str]]) -> ProgramError:
    kind = "method" if call.method else "function"
    listed = "`gradcli ops` lists all"
    habit = HABITS.get(call.function) or HABITS.get(call.function.rpartition(".")[2])
    hint = habit or did_you_mean(call.function, names(), listed, then=listed, nearest=nearest)
    if call.function in IN_PLACE_ALONE:
        hint = f"PyTorch has it in place only: `{call.function}_`"
    if not call.method and len(call.function) == 1:
        product, function = f"`{call.function}*(...)`", f"`def {call.function}(...):`"
        hint = f"write a product as {product}; a program holds its own functions: {function}"
    if not call.method and call.function in OWN:
        hint = f"a program defines what it calls: put a line such as `{call.function} = nn.Linear(3, 2)` before it"
    if not call.method and call.function in variables:
        hint = f"'{call.function}' is a variable: write a product as `{call.function}*(...)`"
    return ProgramError(
        f"unknown {kind} '{shorten(call.function)}'", span=call.function_span, source=program.source, hint=hint
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is closest, or None if none is near; a missing prefix is no distance."""
    candidates = [candidate for candidate in dict.fromkeys(known) if candidate not in HIDDEN]
    name = shorten(name)  # the comparison is quadratic
    short = name.rpartition(".")[2].lower()
    by_last_name = {candidate.rpartition(".")[2].lower(): candidate for candidate in reversed(candidates)}
    exact = difflib.get_close_matches(name, candidates, 1, NEAR)
    last = difflib.get_close_matches(short, by_last_name, 1, NEAR)
    return exact[0] if exact else by_last_name[last[0]] if last else None
