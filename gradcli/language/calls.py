"""Rules for calls: functions with and without PyTorch's prefixes, and methods."""

from __future__ import annotations

import ast
from dataclasses import replace

from gradcli.errors import Span
from gradcli.language.built import Built
from gradcli.language.gradients import build_gradient, gradient_children
from gradcli.language.makers import CALL, read_call
from gradcli.language.names import attribute_place, dotted, function_name, is_hidden, is_namespaced_function
from gradcli.language.notebook import CLASSES, DRAWN_IN_PLACE, PYTHON, TEXT_METHODS
from gradcli.language.program import Builtin, Call, Dictionary, Expression, Literal, Name, Sequence
from gradcli.language.source import Source

_DRAW = "write `x = torch.randn(2, 3)`, `torch.rand(2, 3)` or `torch.randint(5, (3,))`"
IN_PLACE = "inplace"  # the argument that says that the result stands in the place of the first argument
OPTIONS = "**"  # stands for the name of what is a dictionary of arguments
# Methods in place that a program may call: on a tensor that no other name has.
NEW = DRAWN_IN_PLACE | {"requires_grad_"}


def call_children(node: ast.Call, source: Source) -> list[ast.expr]:
    """Return what is translated before a call: a method's own value, or what is called, and the arguments."""
    if id(node) in source.session.inner:
        return gradient_children(node)
    if (loss := _scaled(node, source)) is not None:
        return [loss]
    if isinstance(node.func, ast.Name) or is_namespaced_function(node.func):
        own = []
    elif isinstance(node.func, ast.Attribute):
        own = [node.func.value]
    else:
        own = [_called(node, source)]
    return [*own, *node.args, *(keyword.value for keyword in node.keywords)]


def _scaled(node: ast.Call, source: Source) -> ast.expr | None:
    """Return the loss in `scaler.scale(loss)`."""
    parts = dotted(node.func) or ("",)
    is_scale = parts[1:] == ("scale",) and parts[0] in source.session.scalers
    return node.args[0] if is_scale and len(node.args) == 1 else None


def _called(node: ast.Call, source: Source) -> ast.expr:
    """Return an expression that is called: `layers[0](x)`; ProgramError for one that gives no function."""
    if isinstance(node.func, (ast.Call, ast.Subscript)) and not source.definition:
        return node.func
    called = source.quoted(source.span(node.func))
    hint = f"write a product as `({called})*(...)`"
    if isinstance(node.func, ast.Lambda):
        hint = "give it a name, `f = lambda x: x**2`, or write what it computes: `x**2`"
    raise source.error(f"`{called}` is not a function", node.func, hint)


def build_call(node: ast.Call, built: Built) -> Expression:
    """Return a call of a function or a method; `float("inf")` is a number."""
    source = built.source
    if id(node) in source.session.inner:
        return build_gradient(node, built)
    if (loss := _scaled(node, source)) is not None:
        return built.operand(loss)
    keywords = _keywords(node, built)
    arguments = tuple(built.argument(argument) for argument in node.args)
    if isinstance(node.func, (ast.Call, ast.Subscript)):
        callee = built.operand(node.func)
        return Call(CALL, (callee, *arguments), keywords, source.span(node), source.span(node.func), method=True)
    if isinstance(node.func, ast.Attribute) and not is_namespaced_function(node.func):
        place = _checked(node.func, node.func.attr, source)
        is_of_text = node.func.attr in TEXT_METHODS
        receiver = (built.argument if is_of_text else built.operand)(node.func.value)
        if node.func.attr in DRAWN_IN_PLACE and not isinstance(node.func.value, ast.Call):
            raise source.error(f"`{node.func.attr}` changes its tensor in place, which is not accepted", place, _DRAW)
        name, keywords = _plain_name(node.func.attr, keywords, place, source)
        call = Call(name, (receiver, *arguments), keywords, source.span(node), place, method=True)
        return call if source.definition else read_call(call, source)
    function, place = _function(node, source)
    function, keywords = _plain_name(function, keywords, place, source)
    if function == "isinstance":
        arguments = (*arguments[:1], *(_classes(argument, source) for argument in arguments[1:]))
    entries = _dictionary(function, arguments, keywords, source.span(node))
    if entries is not None and not source.definition:
        return entries
    number = _number(function, arguments, source.span(node))
    is_qualified = isinstance(node.func, ast.Attribute)
    call = Call(function, arguments, keywords, source.span(node), place, qualified=is_qualified)
    return number or (call if source.definition else read_call(call, source))


def _classes(node: Expression, source: Source) -> Expression:
    """Return one of Python's classes, or several, as what they are: by itself such a name is a leaf's."""
    if isinstance(node, Sequence):
        return replace(node, items=tuple(_classes(item, source) for item in node.items))
    if isinstance(node, Name) and node.name in CLASSES and node.name not in source.session.assigned:
        return Builtin(f"{PYTHON}{node.name}", node.span)
    return node


def _plain_name(
    name: str, keywords: tuple[tuple[str, Expression], ...], place: Span, source: Source
) -> tuple[str, tuple[tuple[str, Expression], ...]]:
    """Return what `mul_` computes, and that it does so in place."""
    if source.definition or not name.endswith("_") or name.endswith("__") or name in NEW or "." in name:
        return name, keywords
    return name.removesuffix("_"), (*keywords, (IN_PLACE, Literal(value=True, span=place)))


def _function(node: ast.Call, source: Source) -> tuple[str, Span]:
    if isinstance(node.func, ast.Name):
        return node.func.id, _checked(node.func, node.func.id, source)
    if isinstance(node.func, ast.Attribute):
        name = function_name(node.func, source)
        return name, _checked(node.func, node.func.attr, source)
    raise source.error("this is not a function", node.func)


def _checked(function: ast.Name | ast.Attribute, name: str, source: Source) -> Span:
    """Return where the function's own name stands; refuse private names and functions that work in place."""
    place = source.span(function if isinstance(function, ast.Name) else attribute_place(function))
    if not source.definition and (is_hidden(name) or (name.startswith("_") and "." in name)):
        raise source.error(f"the name '{name}' begins with `__`", place, "`gradcli ops` lists the functions")
    if name in ("torch", "F", "math"):
        raise source.error(f"`{name}` is a module, not a function", place, f"write `{name}.exp(x)`, for example")
    return place


def _keywords(node: ast.Call, built: Built) -> tuple[tuple[str, Expression], ...]:
    pairs: list[tuple[str, Expression]] = []
    for keyword in node.keywords:
        if keyword.arg is None:
            pairs.append((OPTIONS, built.argument(keyword.value)))
            continue
        if any(keyword.arg == name for name, _ in pairs):
            raise built.source.error(f"the argument '{keyword.arg}' is given twice", keyword)
        pairs.append((keyword.arg, built.argument(keyword.value)))
    return tuple(pairs)


def _dictionary(
    function: str, arguments: tuple[Expression, ...], keywords: tuple[tuple[str, Expression], ...], span: Span
) -> Dictionary | None:
    """Return `dict(a=1)` and `OrderedDict([("a", 1)])` as `{"a": 1}`; None for another call."""
    if function.rpartition(".")[2] not in ("dict", "OrderedDict"):
        return None
    items = arguments[0].items if len(arguments) == 1 and isinstance(arguments[0], Sequence) else ()
    pairs = [item.items for item in items if isinstance(item, Sequence) and len(item.items) == 2]  # noqa: PLR2004
    if len(pairs) != len(items) or (arguments and not items):
        return None
    named = [(Literal(name, span), value) for name, value in keywords]
    return Dictionary(
        (*(key for key, _ in pairs), *(key for key, _ in named)),
        (*(value for _, value in pairs), *(value for _, value in named)),
        span,
    )


def _number(function: str, arguments: tuple[Expression, ...], span: Span) -> Expression | None:
    """Return infinity for `float("inf")`, as PyTorch users write it, and a NaN for `float("nan")`."""
    if function != "float" or len(arguments) != 1 or not isinstance(arguments[0], Literal):
        return None
    text = str(arguments[0].value).strip().lower()
    infinity = Literal(float("inf"), span, "inf")
    if text in ("nan", "+nan", "-nan"):
        return Literal(float("nan"), span, "nan")
    if text in ("inf", "+inf", "infinity"):
        return infinity
    return (
        Call("neg", (infinity,), (), span, Span(span.start, span.start + 1), "-")
        if text in ("-inf", "-infinity")
        else None
    )
