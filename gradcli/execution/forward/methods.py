"""Methods that a notebook calls on Python's own lists, dictionaries and texts, and one of tensors that is no op."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from gradcli.execution.forward.draws import Evaluator, handed_on
from gradcli.execution.forward.refusals import refusals
from gradcli.language.notebook import DICTIONARY_METHODS, LIST_METHODS, TEXT_METHODS
from gradcli.language.program import Call, Literal
from gradcli.ops.table import find

UNKNOWN = object()
"""What a word that means nothing for these arguments gives: the op of the same name is called."""
_KNOWN: Mapping[type, frozenset[str]] = {list: LIST_METHODS, dict: DICTIONARY_METHODS, str: TEXT_METHODS}


def on_diagonal(evaluator: Evaluator, node: Call, value: Any, rest: list[Any], keywords: dict[str, Any]) -> Any:
    """Return a tensor with another number on its diagonal, as `fill_diagonal_` leaves it."""
    given = {**dict(zip(("fill_value", "wrap"), rest, strict=False)), **keywords}
    mask = torch.zeros(evaluator.machine.tensor(value).shape, dtype=torch.bool)
    with refusals("fill_diagonal_"):
        mask.fill_diagonal_(1, given.get("wrap", False))
    op, where = find("masked_fill"), Call("tensor", (), (), node.span, node.span)
    assert op is not None  # noqa: S101 (the table has it)
    place, number = Literal(None, node.span), Literal(None, node.span)
    call = Call("masked_fill", (node.arguments[0], place, number), (), node.span, node.function_span, method=True)
    return evaluator.apply(op, call, [value, handed_on(evaluator, where, mask), given.get("fill_value")], {})


def of_sequence(evaluator: Evaluator, node: Call, value: Any, rest: list[Any]) -> Any:
    """Return what a method of a text, a list or a dictionary gives."""
    if isinstance(value, list) and node.function == "extend" and len(rest) == 1:
        rest = [evaluator.items(rest[0], node)]
    if node.function not in _KNOWN.get(type(value), ()):
        return UNKNOWN
    try:
        found = getattr(value, node.function)(*rest)
    except (IndexError, TypeError, ValueError) as error:
        raise evaluator.error(f"{evaluator.program.text(node)}: {error}", node) from None
    evaluator.sized(node, [*value])
    return [*found] if node.function in ("items", "keys", "values") else found
