"""Formulas that read a program's output where they compute it: it is saved for backward, and has the value already."""

from __future__ import annotations

import ast
from typing import Any

from gradcli.derivation.notation.code import Wanted
from gradcli.derivation.notation.function_parts import OUTPUT
from gradcli.derivation.notation.parsed import bound_names, names_read, parsed
from gradcli.derivation.notation.written import symbols, text_of
from gradcli.errors import NotSupportedError
from gradcli.execution.formulas.executed import executed
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.verified import arguments, code_at, difference
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.tolerance import CLOSENESS


def through_output(point: Point, text: str) -> str:
    """Return a formula that reads the output where it computes it: by its value, whatever its text."""
    tree = parsed(text)
    if tree.indices is not None:
        return text
    for candidate in _candidates(tree.body, point):
        if _is_output(candidate, point):
            return text_of(_Output(candidate).visit(tree.body))
    return text


def _candidates(tree: ast.expr, point: Point) -> list[str]:
    """Return the parts of a formula that read leaves alone, the largest first."""
    leaves, bound = {*point.shapes}, {*bound_names(tree)}
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.Call | ast.UnaryOp):
            read = {*names_read(node)}
            if read and read <= leaves and not read & bound:
                found[ast.unparse(node)] = None
    return sorted(found, key=symbols, reverse=True)


def _is_output(text: str, point: Point) -> bool:
    shape = tuple(point.output.tensor.shape)
    wanted = Wanted(text, (next(iter(point.shapes)),), shape, exact=True)
    try:
        (value,) = executed(code_at(point, "torch", [wanted]), "torch", arguments(point))
    except (NotSupportedError, *REFUSALS):
        return False
    if value.shape != shape or not value.is_floating_point():
        return False
    return difference(value, point.output.tensor.detach()) <= CLOSENESS


class _Output(ast.NodeTransformer):
    """Puts the output in the place of what computes it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def visit(self, node: ast.AST) -> Any:
        """Return a node with the output in it."""
        if isinstance(node, ast.expr) and ast.unparse(node) == self.text:
            return ast.Name(OUTPUT)
        return self.generic_visit(node)
