"""Calls that make tensors, leaves and types, as a notebook has them: what they mean without their options."""

from __future__ import annotations

from dataclasses import replace

from gradcli.errors import Span
from gradcli.language.modules import module_name
from gradcli.language.notebook import (
    ALIASES,
    CASTS,
    DRAWS,
    DTYPES,
    HABITS,
    LEAVES,
    MAKERS,
    PLACES,
    PYTHON_TYPES,
    TENSORS,
)
from gradcli.language.program import Call, Expression, Leaf, Literal, Name, Sequence
from gradcli.language.source import Source

_SCRIPT = "save it as FILE.py, and `gradcli run FILE.py` runs it as it stands"
OF_TYPE = "__tensor__"  # what a tensor type makes of one value: a size, or data
CALL = "__call__"  # the method that is called by brackets after an expression


def read_call(call: Call, source: Source) -> Expression:
    """Return what a call of a notebook means: its options are told by the nodes around it."""
    if module_name(call) is not None or (call.function in _own(call, source) and not call.qualified):
        return call
    _refuse_module(call, source)
    name = call.function.removeprefix("nn.init.")
    call = _renamed(call)
    if call.function in LEAVES and not call.method:
        return _leaf_of(call, source)
    if call.function == "requires_grad_":
        value, required = call.arguments[0], _truth(call, 1, default=True, source=source)
        return Leaf(value, call.span) if required else _detached(value, call.span)
    if call.method and name in CASTS:
        return _typed(call, call.arguments[0], Literal(name, call.function_span, name))
    return _with_options(call, source)


def _own(call: Call, source: Source) -> set[str]:
    """Return the names of the program's own functions and methods, whose options are its own."""
    return source.session.attributes if call.method else source.session.assigned


def _refuse_module(call: Call, source: Source) -> None:
    space, _, layer = call.function.rpartition(".")
    if space == "nn" and layer != "Parameter":
        message = f"`nn.{layer}` is a module that a program cannot make"
        raise source.error(message, call.function_span, _SCRIPT)
    if space in ("func", "autograd.functional") and call.function in HABITS:
        raise source.error(f"unknown function '{call.function}'", call.function_span, HABITS[call.function])
    if space in ("optim", "nn.utils"):
        message = f"`{call.function}` belongs to training, not to a gradient"
        raise source.error(message, call.span, "leave the line out")


def _renamed(call: Call) -> Call:
    """Return a call under the name that the table has; a tensor by its type's name is cast to it."""
    if call.function in TENSORS and not call.method:
        made = _of_sizes_or_data(call.arguments)
        word = Literal(TENSORS[call.function], call.function_span, call.function)
        return Call(made, call.arguments, (*call.keywords, ("dtype", word)), call.span, call.function_span)
    if call.function in ("array", "asarray"):
        call = replace(call, keywords=tuple((name, _named_type(name, value)) for name, value in call.keywords))
    new = ALIASES.get(call.function)
    if new is None:
        return call
    arguments = call.arguments[1:] if call.method else call.arguments
    return Call(new, arguments, call.keywords, call.span, call.function_span)


def _named_type(name: str, value: Expression) -> Expression:
    """Return a type that NumPy takes as a text, `dtype="float32"`, as one of PyTorch's."""
    if name == "dtype" and isinstance(value, Literal) and value.symbol is None and value.value in DTYPES:
        return Literal(value.value, value.span, f"torch.{value.value}")
    return value


def _of_sizes_or_data(arguments: tuple[Expression, ...]) -> str:
    """Return what a tensor type makes of its arguments; of a single one only its value tells, when the program runs."""
    if len(arguments) != 1 or all(_is_number(argument) for argument in arguments):
        return "zeros"
    return "tensor" if isinstance(arguments[0], (Literal, Sequence)) else OF_TYPE


def _is_number(node: Expression) -> bool:
    return isinstance(node, Literal) and isinstance(node.value, int)


def _leaf_of(call: Call, source: Source) -> Expression:
    """Return what `Variable(x, requires_grad=True)` and `nn.Parameter(x)` make."""
    if not call.arguments:
        raise source.error(f"`{call.function}` needs a tensor", call.span, "such as `nn.Parameter(torch.randn(3))`")
    required = _truth(call, 1, default=LEAVES[call.function], source=source)
    return Leaf(call.arguments[0], call.span) if required else _detached(call.arguments[0], call.span)


def _truth(call: Call, place: int, *, default: bool, source: Source) -> bool:
    given = [value for name, value in call.keywords if name == "requires_grad"] or [*call.arguments[place : place + 1]]
    if not given:
        return default
    if isinstance(given[0], Literal) and isinstance(given[0].value, bool):
        return given[0].value
    raise source.error("`requires_grad` is True or False", given[0].span)


def _detached(value: Expression, span: Span) -> Expression:
    return Call("detach", (value,), (), span, Span(span.start, span.start), method=True)


def _typed(call: Call, value: Expression, dtype: Expression) -> Call:
    return Call("to", (value, dtype), (), call.span, call.function_span, method=True)


def _with_options(call: Call, source: Source) -> Expression:
    """Return a call without the options that its op does not have: they become what they do."""
    if call.function == "to" and call.method:
        return call
    options = {"dtype", "requires_grad"} if call.function in MAKERS else {"dtype"}
    taken = options - ({"dtype"} if call.function in DRAWS else set())
    kept = tuple((name, value) for name, value in call.keywords if name not in taken | PLACES)
    if len(kept) == len(call.keywords):
        return call
    given = dict(call.keywords)
    made: Expression = Call(
        call.function, call.arguments, kept, call.span, call.function_span, call.operator, call.method
    )
    if "dtype" in taken and not _is_none(given.get("dtype")):
        made = _typed(call, made, _type(given["dtype"], source))
    if "requires_grad" in given and "requires_grad" in taken:
        required = _truth(call, len(call.arguments), default=False, source=source)
        return Leaf(made, call.span) if required else made
    return made


def _type(node: Expression, source: Source) -> Expression:
    """Return a type, one of Python's as PyTorch's that it means; ProgramError for a number or a text in its place."""
    if isinstance(node, Name) and node.name in PYTHON_TYPES and node.name not in source.session.assigned:
        return Literal(PYTHON_TYPES[node.name], node.span, f"torch.{PYTHON_TYPES[node.name]}")
    if isinstance(node, Literal) and node.symbol is None:
        raise source.error("`dtype` is one of PyTorch's types", node.span, "such as `torch.float64` or `torch.long`")
    return node


def _is_none(node: Expression | None) -> bool:
    return node is None or (isinstance(node, Literal) and node.value is None)
