"""Formulas as tables show them: on one line, and only the start of a long one."""

from __future__ import annotations

from gradcli.escaping import escape

LONGEST_FORMULA = 600
LONGEST_FORMULA_WITHIN = 160  # of a non-leaf, or of a second derivative: the leaves' are what a reader came for
START = 60


def whole_or_start(text: str, longest: int, start: int) -> str:
    """Return a formula, or its `start` where it has more than the `longest` number of characters."""
    if len(text) <= longest:
        return escape(" ".join(text.split()))
    return escape(" ".join(text[:start].split())) + f" ... ({len(text):,} characters; --json has all)"


def second(text: str) -> str:
    """Return the formula of a second derivative, or how long it is: its start alone says nothing."""
    if len(text) <= LONGEST_FORMULA_WITHIN:
        return escape(" ".join(text.split()))
    return f"({len(text):,} characters; --json has it)"
