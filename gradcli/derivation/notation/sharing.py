"""Parts that formulas have in common, named once: `s = softmax(X @ W, dim=-1)`."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from gradcli.derivation.notation.differences import one_way, signs_inside, signs_outside
from gradcli.derivation.notation.parsed import callee, is_number, parsed
from gradcli.derivation.notation.roots import with_roots
from gradcli.derivation.notation.written import symbols, text_of

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

    @property
    def symbols(self) -> int:
        """Return how many symbols all of it has."""
        return sum(map(symbols, (*(text for _, text in self.parts), *self.formulas)))


def shared(formulas: Sequence[str], taken: Collection[str], apart: Collection[str] = ()) -> Shared:
    """Return formulas with what occurs in them more than once named; those of entries stay as they are.

    No name is one of those that are `taken`. Calls of the functions `apart` are no parts.
    """
    ways = dict.fromkeys([tuple(formulas), tuple(map(with_roots, formulas))])
    return min((_shared(way, taken, apart) for way in ways), key=lambda found: found.symbols)


def _shared(formulas: Sequence[str], taken: Collection[str], apart: Collection[str]) -> Shared:
    trees = [None if text.startswith("[") else parsed(text).body for text in formulas]
    whole = iter(one_way([tree for tree in trees if tree is not None]))
    trees = [None if tree is None else signs_outside(next(whole)) for tree in trees]
    free = [name for name in NAMES if name not in taken]
    parts: list[tuple[str, ast.expr]] = []
    while len(parts) < min(MOST, len(free)):
        worth = _most_worth([*(tree for tree in trees if tree is not None), *(tree for _, tree in parts)], apart)
        if worth is None:
            break
        name = free[len(parts)]
        replace = _Replacement(worth, name)
        trees = [None if tree is None else replace.visit(tree) for tree in trees]
        parts = [(other, replace.visit(tree)) for other, tree in parts] + [(name, parsed(worth).body)]
    ordered = _ordered([(name, text_of(signs_inside(tree))) for name, tree in parts])
    texts = [text if tree is None else text_of(signs_inside(tree)) for text, tree in zip(formulas, trees, strict=True)]
    return Shared(tuple(ordered), tuple(texts))


def _most_worth(trees: Sequence[ast.expr], apart: Collection[str]) -> str | None:
    """Return the part whose naming saves the most symbols."""
    places = _Places()
    counts = Counter(place for tree in trees for place in places.under(tree))
    nodes = [(places.nodes[place], count) for place, count in counts.items() if count > 1]
    nodes = [(node, count) for node, count in nodes if not isinstance(node, ast.Call) or callee(node) not in apart]
    nodes = [(node, count) for node, count in nodes if not _is_of_places(node)]
    texts = {ast.unparse(node): (count, _smallest(node)) for node, count in nodes}
    worth = {text: (count - 1) * size for text, (count, least) in texts.items() if (size := symbols(text)) >= least}
    best = max(worth, key=lambda text: (worth[text], symbols(text)), default=None)
    return best if best is not None and worth[best] >= LEAST else None


def _is_of_places(node: ast.AST) -> bool:
    """Tell whether a part is a list of whole numbers: as labels or places they are no real numbers, which parts are."""
    if not isinstance(node, ast.Call) or callee(node) != "tensor":
        return False
    values = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
    return all(isinstance(value, int) for value in values)


def _smallest(node: ast.AST) -> int:
    """Return how many symbols a part has at least that is worth a name."""
    return SMALLEST_PRODUCT if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult) else SMALLEST


class _Places:
    """Numbers expressions, equal ones alike, without writing each of them out."""

    def __init__(self) -> None:
        self.nodes: list[ast.AST] = []
        self._numbers: dict[Hashable, int] = {}

    def under(self, tree: ast.AST) -> list[int]:
        """Return the numbers of the operations and calls in an expression, from the outside in."""
        known: dict[int, int] = {}
        self._number(tree, known)
        parts = (node for node in ast.walk(tree) if isinstance(node, ast.BinOp | ast.Call) and not is_number(node))
        return [known[id(node)] for node in parts]

    def _number(self, node: ast.AST, known: dict[int, int]) -> int:
        fields = ((name, value) for name, value in ast.iter_fields(node) if name not in {"ctx", "kind"})
        key = (type(node), *((name, self._key(value, known)) for name, value in fields))
        if key not in self._numbers:
            self._numbers[key] = len(self.nodes)
            self.nodes.append(node)
        known[id(node)] = self._numbers[key]
        return self._numbers[key]

    def _key(self, value: Any, known: dict[int, int]) -> Hashable:
        if isinstance(value, ast.AST):
            return self._number(value, known)
        if isinstance(value, list):
            return tuple(self._key(one, known) for one in value)
        return type(value), repr(value)


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
        self.tree, self.name = parsed(text).body, name

    def visit(self, node: ast.AST) -> ast.expr:
        """Return a node with the expression replaced."""
        if _is_alike(node, self.tree):
            return ast.Name(self.name)
        return cast("ast.expr", self.generic_visit(node))


def _is_alike(node: Any, other: Any) -> bool:
    """Tell whether two expressions are the same, but for what tells reading from writing."""
    if isinstance(node, ast.AST):
        names = [name for name in node._fields if name not in {"ctx", "kind"}]
        return type(node) is type(other) and all(
            _is_alike(getattr(node, name, None), getattr(other, name, None)) for name in names
        )
    if isinstance(node, list):
        return len(node) == len(other) and all(map(_is_alike, node, other))
    return type(node) is type(other) and bool(node == other)


def readers(part: str, parts: Sequence[tuple[str, str]], texts: Mapping[str, str]) -> set[str]:
    """Return the gradients that read a part, or a part that reads it."""
    found = {name for name, text in texts.items() if part in re.findall(r"\w+", text)}
    for other, text in parts:
        if part in re.findall(r"\w+", text):
            found |= readers(other, parts, texts)
    return found
