"""What the layouts of the op table share: its families and its kinds of definition."""

from __future__ import annotations

from collections.abc import Sequence

from gradcli.report.op_page import OpPage

KINDS = {
    "pointwise": "a formula for each entry",
    "composite": "a program over other ops",
    "indexed": "a sum in index notation",
    "einsum": "the sum that the call itself spells",
    "movement": "entries moved, none changed",
    "implicit": "the equation that the result solves",
    "constant": "none: a factory, a comparison, an index",
}


def by_family(pages: Sequence[OpPage]) -> dict[str, list[OpPage]]:
    """Return the pages by family, in the order in which families first appear."""
    families: dict[str, list[OpPage]] = {}
    for page in pages:
        families.setdefault(page.family, []).append(page)
    return families
