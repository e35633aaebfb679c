"""The constants of definitions as expressions, where formulas may name them: by their calls, or by their values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gradcli.execution.reference.nodes import Node, nodes_in
from gradcli.ops.signature import parse_signature

# The entries of a constant that stands in formulas as it is.
MOST_WRITTEN = 64
# The constants that are named by their calls; what is made of its shape is a number, except inside of these.
NAMED, MADE = frozenset({"one_hot", "tril", "triu"}), frozenset({"ones"})


def constant_text(node: Node, names: Mapping[Node, str]) -> str | None:
    """Return the text of a constant; None if it has none that is short."""
    if node.origin is not None and node.origin[0].name in NAMED:
        return _called(node, names)
    if not (_is_given(node) and node.tensor.is_floating_point() and 0 < node.tensor.numel() <= MOST_WRITTEN):
        return None
    values = node.tensor.reshape(-1).tolist()
    return _value(values[0] if len({*values}) == 1 else node.tensor.tolist())


def _called(node: Node, names: Mapping[Node, str]) -> str | None:
    """Return a call without the defaults that it ends in; None if an argument has no text."""
    if node.origin is None:
        return None
    op, bound = node.origin
    texts = {one: names.get(one) or _argument(one, names) for one in nodes_in(bound)}
    if None in texts.values():
        return None
    parameters = [*parse_signature(op.signature)]
    while parameters and not parameters[-1].required and bound[parameters[-1].name] == parameters[-1].default:
        parameters.pop()
    given = [bound[parameter.name] for parameter in parameters]
    flat = [item for value in given for item in (value if isinstance(value, tuple) else [value])]
    return f"{op.name}({', '.join(str(texts[value]) if value in texts else repr(value) for value in flat)})"


def _argument(node: Node, names: Mapping[Node, str]) -> str | None:
    is_made = node.origin is not None and node.origin[0].name in MADE
    return _called(node, names) if is_made else constant_text(node, names)


def _value(values: Any) -> str:
    """Return the text of values, as a list has them: 1 rather than 1.0 where it has no axes."""
    if not isinstance(values, float) or not math.isfinite(values) or values < 0:
        return f"tensor({values!r})"
    return str(int(values)) if values.is_integer() else repr(values)


def _is_given(node: Node) -> bool:
    """Tell whether a constant of a definition is the same whatever the leaves are."""
    if node.edges or node.origin is None:
        return False
    return all(_is_given(one) for one in nodes_in(node.origin[1]))
