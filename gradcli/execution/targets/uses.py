"""What forward's own text says of an argument without annotation and default: used as no tensor is, it is none."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gradcli.python_trees import module_tree

# Keywords of PyTorch's functions that take no tensor.
KEYWORDS = frozenset(
    {
        "dim",
        "dims",
        "axis",
        "keepdim",
        "keepdims",
        "dtype",
        "stride",
        "padding",
        "dilation",
        "groups",
        "kernel_size",
        "training",
        "inplace",
        "reduction",
    }
)
# Functions whose arguments after the tensor are dimensions or sizes.
REDUCTIONS = {"sum", "mean", "prod", "amax", "amin", "argmax", "argmin", "logsumexp"}
ALONG = {"softmax", "log_softmax", "cumsum", "cumprod", "unbind", "narrow", "select", "roll", "size"}
SHAPED = {"unsqueeze", "squeeze", "transpose", "permute", "reshape", "view", "flatten", "expand", "repeat"}
SIZED = REDUCTIONS | ALONG | SHAPED
NAMESPACES = frozenset({"torch", "F", "functional"})
NUMBERS = frozenset({"int", "float", "bool", "complex"})


@dataclass(frozen=True, slots=True)
class Use:
    """A use of an argument that no tensor has, as it is written, and a value that fits it."""

    text: str
    example: str


def uses_of(function: Callable[..., Any]) -> Mapping[str, Use]:
    """Return the arguments of a function that it uses as no tensor is used, each with its first such use."""
    try:
        tree = module_tree(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}
    found: dict[str, Use] = {}
    for node in ast.walk(tree):
        for name, example in _told(node):
            found.setdefault(name, Use(ast.unparse(node).partition("\n")[0], example))
    return found


def _told(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the names that one node uses as a number, a truth value or text, and an example of it."""
    match node:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            yield from _named([test], "true")
        case ast.BoolOp(values=values):
            yield from _named(values, "true")
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from _named([operand], "true")
        case ast.Compare(
            left=ast.Name(id=name), ops=[ast.Eq() | ast.NotEq()], comparators=[ast.Constant(value=str(text))]
        ):
            yield name, text
        case ast.Call():
            yield from _called(node)


def _called(node: ast.Call) -> Iterator[tuple[str, str]]:
    yield from _named([keyword.value for keyword in node.keywords if keyword.arg in KEYWORDS], "0")
    match node.func:
        case ast.Name(id="range"):
            yield from _named(node.args, "3")
        case ast.Name(id="isinstance") if len(node.args) > 1 and _are_numbers(node.args[1]):
            yield from _named(node.args[:1], "2")
        case ast.Attribute(attr=method, value=owner) if method in SIZED:
            is_function = isinstance(owner, ast.Name) and owner.id in NAMESPACES
            yield from _named(node.args[is_function:], "0")


def _are_numbers(types: ast.expr) -> bool:
    """Return whether the types of an `isinstance` are numbers and text, and no tensor."""
    names = [node.id for node in ast.walk(types) if isinstance(node, ast.Name)]
    return bool(names) and set(names) <= NUMBERS | {"str"}


def _named(nodes: list[ast.expr], example: str) -> Iterator[tuple[str, str]]:
    return ((node.id, example) for node in nodes if isinstance(node, ast.Name))
