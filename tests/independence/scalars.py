"""A program evaluated on arrays of scalars: Python's own parser, textbook definitions, forward mode."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
from dual import Dual
from textbook import TEXTBOOK

OPERATORS: Mapping[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: TEXTBOOK["matmul"],
    ast.Lt: operator.lt,
    ast.Gt: operator.gt,
}
NEEDED = {ast.MatMult: "matmul", ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}

# What the textbook has under the same last name is another op.
OTHER = {"torch.linalg.diagonal", "torch.linalg.norm"}


def gradients(program: str, leaves: Mapping[str, Any], weights: Any) -> dict[str, Any]:
    """Return d(sum of weights times the output)/d(leaf) for every leaf, computed at 30 digits."""
    variables: dict[str, Any] = {"inf": math.inf} | {
        name: _symbols(name, np.asarray(value)) for name, value in leaves.items()
    }
    output: Any = None
    for statement in ast.parse(program).body:
        output = _statement(statement, variables)
    total = sum(np.ravel(np.asarray(output, dtype=object) * np.asarray(weights)), Dual(0))
    return {name: _slopes(name, np.asarray(value).shape, total) for name, value in leaves.items()}


def _symbols(name: str, value: Any) -> Any:
    out = np.empty(value.shape, dtype=object)
    for place in np.ndindex(value.shape):
        out[place] = Dual(float(value[place]), {(name, place): 1})
    return out


def _slopes(name: str, shape: tuple[int, ...], total: Dual) -> Any:
    out = np.zeros(shape)
    for place in np.ndindex(shape):
        out[place] = float(total.slopes.get((name, place), 0))
    return out


def _statement(statement: ast.stmt, variables: dict[str, Any]) -> Any:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            variables[name] = _evaluate(value, variables)
            return variables[name]
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=value):
            items = _evaluate(value, variables)
            variables |= {name.id: item for name, item in zip(names, items, strict=True)}  # type: ignore[attr-defined]
            return items
        case ast.Expr(value=value):
            return _evaluate(value, variables)
    raise NotImplementedError(ast.unparse(statement))


def _evaluate(node: Any, variables: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return variables[node.id]
        case ast.Tuple() | ast.List():
            return tuple(_evaluate(item, variables) for item in node.elts)
        case ast.Call():
            return _call(node, variables)
        case ast.Attribute():
            return TEXTBOOK[node.attr](_evaluate(node.value, variables))
        case ast.Subscript():
            return _array(_evaluate(node.value, variables)[_index(node.slice, variables)])
    return _operation(node, variables)


def _operation(node: Any, variables: Mapping[str, Any]) -> Any:
    match node:
        case ast.UnaryOp(op=ast.USub()):
            return -_evaluate(node.operand, variables)
        case ast.BinOp():
            left, right = _evaluate(node.left, variables), _evaluate(node.right, variables)
            return _array(OPERATORS[type(node.op)](left, right))
        case ast.Compare(ops=[relation], comparators=[right]):
            return OPERATORS[type(relation)](_evaluate(node.left, variables), _evaluate(right, variables))
    raise NotImplementedError(ast.unparse(node))


def _array(value: Any) -> Any:
    return np.asarray(value, dtype=object) if isinstance(value, Dual) else value


def _index(node: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Tuple):
        return tuple(_index(item, variables) for item in node.elts)
    if isinstance(node, ast.Slice):
        parts = (node.lower, node.upper, node.step)
        return slice(*(None if part is None else _evaluate(part, variables) for part in parts))
    return _evaluate(node, variables)


def _call(node: ast.Call, variables: Mapping[str, Any]) -> Any:
    arguments = [_evaluate(argument, variables) for argument in node.args]
    keywords = {keyword.arg: _evaluate(keyword.value, variables) for keyword in node.keywords}
    if isinstance(node.func, ast.Attribute) and not _is_prefix(node.func.value):
        arguments.insert(0, _evaluate(node.func.value, variables))
    return _array(TEXTBOOK[function_name(node)](*arguments, **keywords))


def _is_prefix(node: ast.expr) -> bool:
    return ast.unparse(node) in {
        "torch",
        "F",
        "torch.linalg",
        "torch.special",
        "torch.nn.functional",
        "special",
        "linalg",
    }


def function_name(node: ast.Call) -> str:
    """Return the last part of what is called."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)


def needed(program: str) -> set[str]:
    """Return the textbook ops that a program needs; one of PyTorch's other modules by its full name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(program)):
        match node:
            case ast.Call(func=ast.Attribute(value=prefix)) if ast.unparse(prefix).startswith("torch."):
                known = _is_prefix(prefix) and ast.unparse(node.func) not in OTHER
                found.add(function_name(node) if known else ast.unparse(node.func))
            case ast.Call():
                found.add(function_name(node))
            case ast.Attribute(attr=name) if not _is_prefix(node) and not _is_prefix(node.value):
                found.add(name)
            case ast.BinOp(op=op):
                found.add(NEEDED.get(type(op), type(op).__name__))
    return found


def knows(program: str, leaves: Mapping[str, Any]) -> bool:
    """Return whether the textbook holds everything that a program needs, with the arguments that it gives."""
    if not needed(program) <= set(TEXTBOOK):
        return False
    try:
        gradients(program, leaves, 1.0)
    except (TypeError, ValueError, ArithmeticError, NotImplementedError):
        return False
    return True
