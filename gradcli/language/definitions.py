"""`def`, `class` and `return`: functions and modules of the program's own, which run where they are called."""

from __future__ import annotations

import ast
from collections.abc import Callable

from gradcli.errors import ProgramError, Span
from gradcli.language.expressions import translate
from gradcli.language.fields import with_initialiser
from gradcli.language.functions import check_parameters, several
from gradcli.language.leaves import every
from gradcli.language.names import check_target, dotted, is_hidden
from gradcli.language.program import (
    Assign,
    Class,
    Differentiate,
    Expression,
    Function,
    GradMode,
    Name,
    Return,
    SetAttribute,
    Statement,
)
from gradcli.language.source import Source

BuildBlock = Callable[[list[ast.stmt], Source], tuple[Statement, ...]]
# Decorators that leave what a function computes as it is.
_TRANSPARENT = frozenset({"script", "compile", "jit", "enable_grad", "property", "cached_property", "wraps"})
_PROPERTIES = ("property", "cached_property")
_OFF = ("no_grad", "inference_mode")
_SHOWING = ("__repr__", "__str__", "extra_repr")  # methods that only show an object
_METHODS = ("__init__", "__call__", "forward")
_CUSTOM = "save it as FILE.py, and `gradcli custom FILE.py:{}` checks it as it stands"
_RUN = "save it as FILE.py, and `gradcli run FILE.py` runs it as it stands"


def build_function(node: ast.FunctionDef, source: Source, build_block: BuildBlock) -> Assign:
    """Return a `def` as what assigns its function to its name."""
    function = _function(node, source, build_block)
    place = _name_place(node, source)
    check_target(ast.copy_location(ast.Name(node.name), node), source)
    source.session.assigned.add(node.name)
    return Assign((Name(node.name, place),), function, source.span(node))


def _function(node: ast.FunctionDef, source: Source, build_block: BuildBlock) -> Function:
    decorators = [_decorator(decorator) for decorator in node.decorator_list]
    for decorator, name in zip(node.decorator_list, decorators, strict=True):
        if name not in _TRANSPARENT and name not in _OFF:
            raise source.error("this decorator is not accepted", decorator, "leave it out")
    session = source.session
    hidden = set(session.hidden)
    names = check_parameters(node.args, source, hides=True)
    defaults = tuple(
        translate(value, source, text=True) for value in (*node.args.defaults, *_given(node.args.kw_defaults))
    )
    session.functions, loops, session.loops = session.functions + 1, session.loops, 0
    try:
        body = build_block(node.body, source)
    finally:
        session.functions, session.loops, session.hidden = session.functions - 1, loops, hidden
    if any(isinstance(statement, Differentiate) for statement in every(body)):
        session.differentiating.add(node.name)
    span = source.span(node)
    body = (GradMode(enabled=False, body=body, span=span),) if any(name in _OFF for name in decorators) else body
    is_property = any(name in _PROPERTIES for name in decorators)
    return Function(node.name, names, defaults, body, span, *several(node.args), _outer(node), is_property)


def _decorator(node: ast.expr) -> str:
    called = node.func if isinstance(node, ast.Call) else node
    return (dotted(called) or ("",))[-1]


def _outer(node: ast.FunctionDef) -> tuple[str, ...]:
    """Return the names that a function declares as those of outside."""
    return tuple(name for inner in node.body if isinstance(inner, ast.Global | ast.Nonlocal) for name in inner.names)


def _given(values: list[ast.expr | None]) -> list[ast.expr]:
    return [value for value in values if value is not None]


def _name_place(node: ast.FunctionDef | ast.ClassDef, source: Source) -> Span:
    """Return where the name stands after `def` or `class`."""
    start = source.clean.find(node.name, source.span(node).start)
    return Span(start, start + len(node.name))


def build_class(node: ast.ClassDef, source: Source, build_block: BuildBlock) -> Assign:
    """Return a class as what assigns it to its name; ProgramError for one that is more than a module."""
    _check_bases(node, source)
    methods, values = [], _values(node, source)
    for statement in with_initialiser(node):
        if isinstance(statement, ast.FunctionDef) and statement.name in _SHOWING:
            continue
        if isinstance(statement, ast.FunctionDef):
            _check_method(statement, source)
            methods.append(_function(statement, source, build_block))
        elif not _is_idle(statement):
            raise source.error("a class may hold methods and values only", statement, "assign in `__init__`")
    source.session.assigned.add(node.name)
    source.session.attributes.update(method.name for method in methods)
    span = source.span(node)
    made = Class(node.name, tuple(methods), span, values)
    return Assign((Name(node.name, _name_place(node, source)),), made, span)


def _values(node: ast.ClassDef, source: Source) -> tuple[tuple[str, Expression], ...]:
    """Return the numbers and texts that stand in the body of a class; its instances get all values by themselves."""
    return tuple(
        (statement.targets[0].id, translate(statement.value, source, text=True))
        for statement in node.body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
        if isinstance(statement.value, ast.Constant)
    )


def _check_bases(node: ast.ClassDef, source: Source) -> None:
    bases = [(dotted(base) or ("?",))[-1] for base in node.bases]
    place = _name_place(node, source)
    if "Function" in bases:
        message = "a torch.autograd.Function has a backward of its own, which a program cannot have"
        raise source.error(message, place, _CUSTOM.format(node.name))
    if any(base not in ("Module", "object", "NamedTuple") for base in bases) or node.keywords or not _is_plain(node):
        raise source.error("only classes that derive from nn.Module are accepted", place, _RUN)


def _is_plain(node: ast.ClassDef) -> bool:
    return all(_decorator(decorator) == "dataclass" for decorator in node.decorator_list)


def _check_method(node: ast.FunctionDef, source: Source) -> None:
    if is_hidden(node.name) and node.name not in _METHODS:
        raise source.error(f"the method `{node.name}` is not accepted", _name_place(node, source), _RUN)
    if not node.args.args:
        raise source.error("a method needs `self`", _name_place(node, source), f"write `def {node.name}(self):`")


def _is_idle(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def build_return(node: ast.Return, source: Source) -> Return:
    """Return a `return`; ProgramError outside of a function."""
    span = source.span(node)
    if not source.session.functions:
        message = "`return` is not accepted outside of a function"
        raise source.error(message, Span(span.start, span.start + 6), _OUTPUT)
    return Return(None if node.value is None else translate(node.value, source, text=True), span)


_OUTPUT = "the last statement is the output: write only the expression"


def build_attribute(target: ast.Attribute, value: ast.expr, span: Span, source: Source) -> SetAttribute | None:
    """Return `self.name = value` inside a method; None where the target is no attribute of an object."""
    if not source.session.functions or not isinstance(target.value, ast.Name) or target.attr in _OF_TENSORS:
        return None
    if is_hidden(target.attr):
        raise _private(target, source)
    source.session.attributes.add(target.attr)
    return SetAttribute(
        Name(target.value.id, source.span(target.value)), target.attr, translate(value, source, text=True), span
    )


_OF_TENSORS = ("requires_grad", "grad", "data")


def _private(target: ast.Attribute, source: Source) -> ProgramError:
    return source.error(f"the attribute '.{target.attr}' is not accepted", target, "begin its name with a letter")
