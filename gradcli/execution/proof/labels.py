"""The operands of an op in index notation, and how long each of its labels is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from torch import Tensor

from gradcli.execution.forward import tree
from gradcli.execution.proof.circuit import Entries
from gradcli.execution.reference import layout
from gradcli.language.order import postorder
from gradcli.language.parser import parse_formula
from gradcli.language.program import Expression, Index, Name
from gradcli.ops.record import Kind, Op


@lru_cache(maxsize=1024)
def parsed(text: str) -> Expression:
    """Return a formula, parsed."""
    return parse_formula(text)


def named(bound: Mapping[str, Any]) -> dict[str, Any]:
    """Return an op's tensor operands by name; those in a list get names of their own."""
    found: dict[str, Any] = {}
    for name, value in bound.items():
        if isinstance(value, Entries | Tensor):
            found[name] = value
        else:
            several = [leaf for leaf in tree.leaves(value) if isinstance(leaf, Entries | Tensor)]
            found |= {f"operand{place}": leaf for place, leaf in enumerate(several)}
    return found


def sizes_of(
    op: Op, shown: layout.Layout, presented: Mapping[str, Tensor], like: Tensor
) -> tuple[dict[str, int], set[str]]:
    """Return the length of each label, and the operands that a definition writes with subscripts."""
    written = set(layout.explicit_axes(op.definition)) if op.kind is Kind.INDEXED else set()
    sizes: dict[str, int] = {}
    for name, codes in presented.items():
        letters = shown.axes[name] + ("".join(_subscripts(op.definition, name)) if name in written else "")
        sizes |= dict(zip(letters, codes.shape, strict=True))
    result = shown.result.apply(like).shape
    return sizes | dict(zip(shown.out, result, strict=True)), written


def _subscripts(text: str, name: str) -> list[str]:
    """Return the indices that a definition writes out for an operand, after those that `...` stands for."""
    for node in postorder(parsed(text)):
        if isinstance(node, Index) and isinstance(node.value, Name) and node.value.name == name:
            return [item.name for item in node.items if isinstance(item, Name)]
    return []
