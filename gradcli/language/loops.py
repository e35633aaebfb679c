"""What loops and comprehensions run over, and the names that they assign in each round."""

from __future__ import annotations

import ast

from gradcli.language.built import Built
from gradcli.language.names import check_target
from gradcli.language.program import Comprehension, Expression, Name, Pattern, Rest
from gradcli.language.source import Source


def build_pattern(node: ast.expr, source: Source) -> Pattern:
    """Return the names that are assigned in each round, `i, (a, b)` as nested tuples."""
    if isinstance(node, (ast.Tuple, ast.List)):
        return tuple(build_pattern(item, source) for item in node.elts)
    if isinstance(node, ast.Starred) and isinstance(node.value, ast.Name):
        name = build_pattern(node.value, source)
        assert isinstance(name, Name)  # noqa: S101 (of a name)
        return Rest(name)
    if not isinstance(node, ast.Name):
        raise source.error("a loop assigns to names only", node, "write `for i in range(n):`")
    check_target(node, source)
    source.session.assigned.add(node.id)
    return Name(node.id, source.span(node))


def is_range(node: ast.expr, source: Source) -> bool:
    """Tell whether a loop runs over `range(...)`."""
    is_ours = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range"
    if is_ours and (node.keywords or len(node.args) not in (1, 2, 3)):  # type: ignore[attr-defined]
        raise source.error("`range` takes one to three numbers", node)
    return is_ours


def comprehension_children(node: ast.ListComp | ast.GeneratorExp) -> list[ast.expr]:
    """Return what is translated before a comprehension."""
    return [part for loop in node.generators for part in (loop.iter, *loop.ifs)] + [node.elt]


def build_comprehension(node: ast.ListComp | ast.GeneratorExp, built: Built) -> Expression:
    """Return `[f(x) for x in xs if test]`; ProgramError for loops inside of each other."""
    source, (loop, *more) = built.source, node.generators
    if more or loop.ifs[1:] or loop.is_async:
        raise source.error("a comprehension has one loop", node, "write `for` loops over several lines")
    test = built.operand(loop.ifs[0]) if loop.ifs else None
    pattern = build_pattern(loop.target, source)
    return Comprehension(built.argument(node.elt), pattern, built.operand(loop.iter), test, source.span(node))
