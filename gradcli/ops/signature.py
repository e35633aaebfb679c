"""PyTorch's signatures as text, and a call's arguments matched to them with errors in the user's words."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from gradcli.errors import ProgramError, Span
from gradcli.language.program import Call, Expression, Sequence
from gradcli.language.words import shorten
from gradcli.ops.record import Op
from gradcli.phrases import did_you_mean
from gradcli.python_trees import module_tree

Fitting: TypeAlias = "list[tuple[Op, Mapping[str, Expression]]]"
Default: TypeAlias = "int | float | bool | str | tuple[object, ...] | None"

_SYNONYMS = {
    "axis": "dim",
    "axes": "dim",
    "keepdims": "keepdim",
    "x": "input",
    "x1": "input",
    "x2": "other",
    "self": "input",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: `default` is meaningless where it is required; a variadic one takes any number of arguments.

    `takes` is the kind of value that the signature asks for, where overloads differ in nothing else.
    """

    name: str
    default: Default = None
    required: bool = True
    keyword_only: bool = False
    variadic: bool = False
    takes: str | None = None


@cache
def parse_signature(text: str) -> tuple[Parameter, ...]:
    """Return the parameters of one of the op table's signatures, such as `var(input, dim=None, *, correction=1)`."""
    function = module_tree(f"def f({text.partition('(')[2].rpartition(')')[0]}): ...").body[0]
    assert isinstance(function, ast.FunctionDef)  # noqa: S101 (by construction)
    arguments = function.args
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + arguments.defaults
    positional = [_parameter(argument, default) for argument, default in zip(plain, defaults, strict=True)]
    variadic = [_variadic(arguments.vararg)] if arguments.vararg else []
    named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return (*positional, *variadic, *(_parameter(argument, default, keyword_only=True) for argument, default in named))


@cache
def defaults(signature: str) -> Mapping[str, Any]:
    """Return the values of a signature's optional parameters."""
    return {parameter.name: parameter.default for parameter in parse_signature(signature) if not parameter.required}


def _parameter(argument: ast.arg, default: ast.expr | None, *, keyword_only: bool = False) -> Parameter:
    takes = _takes(argument)
    if default is None:
        return Parameter(argument.arg, keyword_only=keyword_only, takes=takes)
    return Parameter(argument.arg, _constant(default), required=False, keyword_only=keyword_only, takes=takes)


def _variadic(argument: ast.arg) -> Parameter:
    return Parameter(argument.arg, variadic=True, takes=_takes(argument))


def _takes(argument: ast.arg) -> str | None:
    return ast.unparse(argument.annotation) if argument.annotation else None


def _constant(node: ast.expr) -> Default:
    """Return a default's value: a number, string, True, False, None, `inf`, or a tuple of them."""
    match node:
        case ast.Constant(value=value):
            return value  # type: ignore[return-value]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_constant(operand)  # type: ignore[operator]
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return tuple(map(_constant, elements))
        case ast.Name(id="inf"):
            return float("inf")
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _constant(left) / _constant(right)  # type: ignore[operator]
    msg = f"a default of the op table is not a constant: {ast.unparse(node)}"
    raise ValueError(msg)


# What calls were found to fit, by their identity: that lasts while they are kept beside it.
_FITTING: dict[int, tuple[Call, Op, Fitting]] = {}
MOST_KEPT = 4096


def bind(op: Op, call: Call) -> Mapping[str, Expression]:
    """Return the arguments of a call by parameter of the first signature that they fit by number and name."""
    return fitting(op, call)[0][1]


def fitting(op: Op, call: Call) -> Fitting:
    """Return those of an op's signatures that a call fits by number and name, with its arguments by parameter.

    A call is asked about each time that it runs, and those of definitions run again and again.
    """
    known = _FITTING.get(id(call))
    if known is not None and known[0] is call and known[1] is op:
        return known[2]
    found = _fitting(op, call)
    if len(_FITTING) >= MOST_KEPT:
        _FITTING.clear()
    _FITTING[id(call)] = call, op, found
    return found


def _fitting(op: Op, call: Call) -> Fitting:
    found: Fitting = []
    errors: list[ProgramError] = []
    for candidate in _candidates(op, call):
        try:
            found.append((candidate, _bind(candidate, call)))
        except ProgramError as error:
            errors.append(error)
    if not found:
        raise errors[0] if len(errors) == 1 else _error(errors[0].message, errors[0].span or call.span, _usages(op))
    errors.clear()  # each knows this frame, and the frame knows them
    return found


def _candidates(op: Op, call: Call) -> list[Op]:
    """Return an op's signatures in the order of trial: a method's own come first, and are not a function's."""
    if not op.overloads:
        return [op]
    methods = [overload for overload in op.overloads if overload.name.startswith("Tensor.")]
    others = [op, *(overload for overload in op.overloads if overload not in methods)]
    return [*methods, *others] if call.method else others


def _bind(op: Op, call: Call) -> dict[str, Expression]:
    """Return the arguments of a call by parameter; those left to their defaults are absent.

    The nodes are the call's own. Several arguments of a variadic parameter come as one new tuple node. The error has a
    span and no source, because a call does not know its program.
    """
    parameters = parse_signature(op.signature)
    bound = _bind_positional(op, call, parameters)
    for name, value in call.keywords:
        parameter = _find(name, parameters, op, value)
        if parameter.name in bound:
            raise _error(f"{op.name}() got two values for '{parameter.name}'", value.span)
        bound[parameter.name] = value
    missing = [f"'{parameter.name}'" for parameter in parameters if parameter.required and parameter.name not in bound]
    if missing:
        raise _error(f"{op.name}() needs {' and '.join(missing)}", call.function_span, _usage(op))
    return bound


def _bind_positional(op: Op, call: Call, parameters: tuple[Parameter, ...]) -> dict[str, Expression]:
    bound: dict[str, Expression] = {}
    for position, argument in enumerate(call.arguments):
        parameter = parameters[position] if position < len(parameters) else None
        if parameter is not None and parameter.variadic:
            return bound | {parameter.name: _gathered(call.arguments[position:])}
        if parameter is None or parameter.keyword_only:
            raise _too_many(op, call, parameters, argument)
        bound[parameter.name] = argument
    return bound


def _gathered(arguments: tuple[Expression, ...]) -> Expression:
    """Return several arguments as one tuple; a tuple or a list alone is the tuple that it is."""
    if len(arguments) == 1 and isinstance(arguments[0], Sequence):
        return arguments[0]
    return Sequence(arguments, Span(arguments[0].span.start, arguments[-1].span.end), is_list=False)


def own_names(op: Op, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments by PyTorch's names: not all of its functions take `axis` for `dim`, say."""
    known = {parameter.name for parameter in parse_signature(op.signature)}
    return {name if name in known else _SYNONYMS[name]: value for name, value in keywords.items()}


def _find(name: str, parameters: tuple[Parameter, ...], op: Op, value: Expression) -> Parameter:
    known = {parameter.name: parameter for parameter in parameters}
    found = known.get(name) or known.get(_SYNONYMS.get(name, ""))
    if found is not None:
        return found
    hint = did_you_mean(shorten(name), known, _usage(op), then=_usage(op))
    raise _error(f"{op.name}() has no argument '{shorten(name)}'", value.span, hint)


def _too_many(op: Op, call: Call, parameters: tuple[Parameter, ...], argument: Expression) -> ProgramError:
    limit = sum(not parameter.keyword_only for parameter in parameters)
    word = "argument" if limit == 1 else "arguments"
    by_name = next((parameter.name for parameter in parameters if parameter.keyword_only), None)
    hint = _usage(op) if by_name is None else f"give '{by_name}' by its name; {_usage(op)}"
    message = f"{op.name}() takes {limit} {word} without a name, and {len(call.arguments)} were given"
    return _error(message, argument.span, hint)


def _usage(op: Op) -> str:
    return f"it is called as {op.signature}"


def _usages(op: Op) -> str:
    return "it is called as " + " or ".join(candidate.signature for candidate in (op, *op.overloads))


def _error(message: str, span: Span, hint: str | None = None) -> ProgramError:
    return ProgramError(message, span=span, hint=hint)
