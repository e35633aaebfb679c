"""Parts that formulas have in common, named once: `s = softmax(X @ W, dim=-1)`."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from gradcli.derivation.notation.algebra import compact, symbols
from gradcli.derivation.notation.differences import one_way
from gradcli.derivation.notation.parsed import is_number, parsed

NAMES = "stuvwrabcdefhklmn"
# Symbols that a part has at least, a product of matrices at least, and that naming it saves at least.
SMALLEST, SMALLEST_PRODUCT, LEAST = 5, 3, 6
MOST = 6


@dataclass(frozen=True, slots=True)
class Shared:
    """Formulas with their common parts by name."""

    parts: tuple[tuple[str, str], ...]
    """Name and formula, each of leaves and of parts before it."""
    formulas: tuple[str, ...]


def shared(formulas: Sequence[str], taken: Collection[str]) -> Shared:
    """Return formulas with what occurs in them more than once named; those of entries stay as they are.

    No name is one of those that are `taken`.
    """
    trees = [None if text.startswith("[") else parsed(text).body for text in formulas]
    whole = iter(one_way([tree for tree in trees if tree is not None]))
    trees = [None if tree is None else next(whole) for tree in trees]
    free = [name for name in NAMES if name not in taken]
    parts: list[tuple[str, ast.expr]] = []
    while len(parts) < min(MOST, len(free)):
        worth = _most_worth([*(tree for tree in trees if tree is not None), *(tree for _, tree in parts)])
        if worth is None:
            break
        name = free[len(parts)]
        replace = _Replacement(worth, name)
        trees = [None if tree is None else replace.visit(tree) for tree in trees]
        parts = [(other, replace.visit(tree)) for other, tree in parts] + [(name, parsed(worth).body)]
    ordered = _ordered([(name, ast.unparse(tree)) for name, tree in parts])
    texts = [text if tree is None else compact(ast.unparse(tree)) for text, tree in zip(formulas, trees, strict=True)]
    return Shared(tuple((name, compact(text)) for name, text in ordered), tuple(texts))


def _most_worth(trees: Sequence[ast.expr]) -> str | None:
    """Return the part whose naming saves the most symbols."""
    counts = Counter(text for tree in trees for text in _candidates(tree))
    worth = {text: (count - 1) * symbols(text) for text, count in counts.items() if count > 1}
    best = max(worth, key=lambda text: (worth[text], symbols(text)), default=None)
    return best if best is not None and worth[best] >= LEAST else None


def _candidates(tree: ast.expr) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.Call) and not is_number(node):
            text = ast.unparse(node)
            is_product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
            if symbols(text) >= (SMALLEST_PRODUCT if is_product else SMALLEST):
                yield text


def _ordered(parts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return parts, each after those that it reads."""
    done: list[tuple[str, str]] = []
    waiting = list(parts)
    while waiting:
        later = {name for name, _ in waiting}
        ready = next(part for part in waiting if not later & set(re.findall(r"\w+", part[1])))
        done.append(ready)
        waiting.remove(ready)
    return done


class _Replacement(ast.NodeTransformer):
    """Puts a name in the place of an expression, wherever it stands."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name

    def visit(self, node: ast.AST) -> ast.expr:
        """Return a node with the expression replaced."""
        if isinstance(node, ast.BinOp | ast.Call) and ast.unparse(node) == self.text:
            return ast.Name(self.name)
        return cast("ast.expr", self.generic_visit(node))
