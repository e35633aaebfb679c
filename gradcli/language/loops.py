"""What loops and comprehensions run over, and the names that they assign in each round."""

from __future__ import annotations

import ast
from dataclasses import replace

from gradcli.language.built import Built
from gradcli.language.names import check_target
from gradcli.language.program import Comprehension, Expression, Name, Pattern, Rest, Sequence
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
    return _comprehension(node, built.argument(node.elt), built)


def dictionary_children(node: ast.DictComp) -> list[ast.expr]:
    """Return what is translated before a comprehension of a dictionary; ProgramError for keys that are not read."""
    return [part for loop in node.generators for part in (loop.iter, *loop.ifs)] + [node.key, node.value]


def build_dictionary(node: ast.DictComp, built: Built) -> Expression:
    """Return `{k: f(v) for k, v in items}`, whose element is a pair."""
    span = built.source.span(node)
    if any(isinstance(part, ast.JoinedStr) for part in ast.walk(node.key)):
        raise built.source.error(
            'a key that is put together, `f"..."`, is not read', node.key, "use a number or a name"
        )
    pair = Sequence((built.argument(node.key), built.argument(node.value)), span, is_list=False)
    return replace(_comprehension(node, pair, built), is_dictionary=True)


def _comprehension(
    node: ast.ListComp | ast.GeneratorExp | ast.DictComp, element: Expression, built: Built
) -> Comprehension:
    source, (loop, *more) = built.source, node.generators
    if more or loop.ifs[1:] or loop.is_async:
        raise source.error("a comprehension has one loop", node, "write `for` loops over several lines")
    test = built.operand(loop.ifs[0]) if loop.ifs else None
    pattern = build_pattern(loop.target, source)
    return Comprehension(element, pattern, built.operand(loop.iter), test, source.span(node))
