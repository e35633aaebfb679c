"""A traced tensor as an expression of the leaves: what a formula calls a value that has no entry in index notation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.language.operator_table import OPERATOR_OF

LONGEST = 200
# The arguments of a table that is read at indices.
READ = 2
ATTRIBUTES = frozenset({"T", "mT", "H", "mH", "real", "imag"})


def inlined(trace: Trace) -> dict[TracedTensor, str]:
    """Return the text of each tensor, calls within calls; those of a longer text are left out."""
    texts = {leaf: leaf.name or leaf.text for leaf in trace.leaves}
    for call in trace.calls:
        text = text_of(call, texts)
        several = len(call.outputs) > 1 or call.result is not call.outputs[0] if call.outputs else True
        if text is not None and len(text) <= LONGEST:
            for place, output in enumerate(call.outputs):
                texts[output] = f"{text}[{place}]" if several else text
    return texts


def text_of(call: TracedCall, texts: Mapping[TracedTensor, str]) -> str | None:
    """Return the text of a call whose operands have texts; None if one has none."""
    if not call.outputs or any(traced not in texts for traced in call.inputs):
        return None
    arguments = [_argument(value, texts) for value in call.arguments.positional]
    operator = OPERATOR_OF.get(call.op.name) if call.arguments.node.operator else None
    if operator is not None and not call.arguments.keywords and len(arguments) in {1, 2}:
        return f"({f' {operator.sign} '.join(arguments)})" if len(arguments) > 1 else f"({operator.sign}{arguments[0]})"
    if call.op.name == "reshape":
        return f"reshape({arguments[0]}, {tuple(call.outputs[0].tensor.shape)})"
    if call.op.name == "to" and call.outputs[0].tensor.dtype == torch.bool:
        return f"({arguments[0]} != 0)"
    if call.op.name in ATTRIBUTES:
        return f"{arguments[0]}.{call.op.name}"
    if call.op.name == "getitem":
        return _read(arguments[0], call.arguments.positional[1], texts)
    if call.op.name == "embedding" and len(arguments) == READ and not call.arguments.keywords:
        return f"{arguments[1]}[{arguments[0]}]"
    words = [f"{name}={_argument(value, texts)}" for name, value in call.arguments.keywords.items()]
    return f"{call.op.name}({', '.join([*arguments, *words])})"


def _read(tensor: str, places: Any, texts: Mapping[TracedTensor, str]) -> str:
    """Return the text of an indexing: `X[0, :, tensor([1, 2])]`."""
    items = places if isinstance(places, tuple) else (places,)
    return f"{tensor}[{', '.join(place(item, texts) for item in items)}]"


def place(item: Any, texts: Mapping[TracedTensor, str] | None = None) -> str:
    """Return the text of an index along one axis; `texts` are those of tensors."""
    texts = texts or {}
    if isinstance(item, slice):
        start, stop, step = (
            "" if part is None else _argument(part, texts) for part in (item.start, item.stop, item.step)
        )
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return "..." if item is Ellipsis else _argument(item, texts)


def _argument(value: Any, texts: Mapping[TracedTensor, str]) -> str:
    if isinstance(value, TracedTensor):
        return texts[value]
    if isinstance(value, tuple | list):
        items = [_argument(item, texts) for item in value]
        open_, close = "()" if isinstance(value, tuple) else "[]"
        return open_ + ", ".join(items) + ("," if isinstance(value, tuple) and len(items) == 1 else "") + close
    return repr(value)
