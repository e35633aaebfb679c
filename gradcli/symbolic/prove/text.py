"""A node of a circuit as a formula."""

from __future__ import annotations

from collections.abc import Sequence

Node = tuple[str | int, ...]
SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
SIGNS |= {"eq": "==", "ne": "!=", "sum": "+"}
LONGEST = 400
TOO_LONG = "a formula of more than 400 characters"


class LongError(Exception):
    """A formula is too long to be read."""


def written(nodes: Sequence[Node], place: int) -> str:
    """Return a formula, or that it is too long."""
    try:
        return _text(nodes, place, 0)[0]
    except (LongError, RecursionError):
        return TOO_LONG


# How tightly operators bind.
TIGHT = {"lt": 1, "le": 1, "gt": 1, "ge": 1, "eq": 1, "ne": 1, "add": 2, "sub": 2, "sum": 2, "mul": 3, "div": 3}
TIGHT |= {"neg": 3, "pow": 5}
ATOM = 9


def _text(nodes: Sequence[Node], place: int, used: int) -> tuple[str, int]:
    """Return a node's text, and how tightly it binds."""
    if used > LONGEST:
        raise LongError
    name, *operands = nodes[place]
    if name == "infinity":
        return ("inf", ATOM) if operands[0] == "1" else ("-inf", TIGHT["add"])
    if name in {"number", "leaf", "pi", "nan"}:
        text = str(operands[0]) if operands else str(name)
        return text, 2 if text.startswith("-") or "/" in text else ATOM
    if name == "unknown":
        return str(name), ATOM
    if name == "detach":
        return _text(nodes, int(operands[0]), used)
    parts, total = [], used
    for operand in operands:
        parts.append(_text(nodes, int(operand), total))
        total += len(parts[-1][0])
    if total > LONGEST:
        raise LongError
    if name == "neg":
        return "-" + _inside(parts[0], TIGHT["neg"]), TIGHT["neg"]
    if name not in SIGNS:
        return f"{name}({', '.join(text for text, _ in parts)})", ATOM
    own = TIGHT[str(name)]
    sign = SIGNS[str(name)] if own > TIGHT["add"] else f" {SIGNS[str(name)]} "
    last = own + (name in {"sub", "div", "pow"})
    first = own + (name == "pow")
    shown = [_inside(part, first if k == 0 else last) for k, part in enumerate(parts)]
    return sign.join(shown), own


def _inside(part: tuple[str, int], tight: int) -> str:
    text, own = part
    return text if own >= tight else f"({text})"
