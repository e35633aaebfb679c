"""What the words of a notebook do that are no ops: numbers, random draws, types, and settings of the run.

A row has the name of one in `language/notebook.py`. What is drawn is drawn as PyTorch draws it after the same seed, in
the type that it has in a notebook (float32 unless the program says otherwise), and then computed with in the type of
the run. What is drawn is handed on as numbers, so that a program that is run again has the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.forward import batches, distributions, transformed, types
from gradcli.execution.forward.draws import (
    DRAWN,
    DROPPING,
    FRACTIONAL,
    Evaluator,
    drawn,
    dropped,
    filled,
    fractional,
    set_default,
    set_seed,
    sloped,
)
from gradcli.execution.forward.embedded import in_training
from gradcli.execution.forward.gumbel import gumbel_softmax
from gradcli.execution.forward.methods import UNKNOWN, of_sequence, on_diagonal
from gradcli.execution.forward.python_sequences import LISTS, count_range
from gradcli.execution.forward.refusals import refusals
from gradcli.language.constants import fits_double, fold
from gradcli.language.makers import OF_TYPE
from gradcli.language.notebook import (
    DISTRIBUTIONS,
    DRAWN_IN_PLACE,
    FANS,
    IN_PLACE_ALONE,
    LOADERS,
    MATH,
    METHODS,
    NUMBERS,
    SEQUENCES,
    STEPS,
    TRANSFORMS,
)
from gradcli.language.program import Call, Literal
from gradcli.ops.table import find

PLAIN = bool | int | float
NOT_A_NUMBER = "a NaN is written `torch.nan`"
NUMBER_METHODS = ("item", "tolist", "cpu", "cuda", "to")

_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "bool": bool,
    "float": float,
    "int": int,
    "len": len,
    "max": max,
    "min": min,
    "round": round,
    "sum": sum,
}


# What makes values of a kind of their own.
_MAKING: tuple[tuple[frozenset[str], Callable[..., Any]], ...] = (
    (LOADERS, batches.called),
    (STEPS, lambda evaluator, node, positional, _: _stepped(evaluator, node, positional)),
    (TRANSFORMS, transformed.called),
    (DISTRIBUTIONS, distributions.called),
    (frozenset({"gumbel_softmax"}), gumbel_softmax),
    (frozenset({FANS}), lambda evaluator, node, positional, _: _fans(evaluator, node, positional)),
    (frozenset({OF_TYPE}), lambda evaluator, node, positional, _: types.tensor_of(evaluator, node, positional)),
    (frozenset({"type"}), lambda _, node, positional, __: types.type_of(node, positional)),
)


def called(evaluator: Evaluator, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Return what a word of a notebook gives; UNKNOWN for a call of an op."""
    if node.operator is not None or not (node.method or node.function in WORDS):
        return UNKNOWN
    if node.method:
        is_ours = node.function in METHODS or node.function in IN_PLACE_ALONE
        return _method(evaluator, node, positional, keywords) if is_ours else UNKNOWN
    making = next((make for words, make in _MAKING if node.function in words), None)
    if making is not None:
        return making(evaluator, node, positional, keywords)
    if node.function in DRAWN:
        return drawn(evaluator, node, positional, keywords)
    if node.function in _SETTINGS:
        return _SETTINGS[node.function](evaluator, node, positional)
    if node.function == "isinstance":
        return types.is_instance(evaluator, node, positional)
    if node.function in _RANDOM:
        made = _RANDOM[node.function](evaluator, node, positional, keywords)
        return UNKNOWN if made is None else made
    if node.function in SEQUENCES:
        return _sequence(evaluator, node, positional, keywords)
    if node.function == "sum" and not keywords and isinstance(positional[0], list | tuple):
        return _total(evaluator, node, positional)
    return _number(evaluator, node, positional) if not keywords else UNKNOWN


# Ops that draw: of entries they make what a mask says that is data, or they are told what was drawn.
_RANDOM: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(DROPPING, dropped),
    **dict.fromkeys(FRACTIONAL, fractional),
    "rrelu": sloped,
    "scaled_dot_product_attention": in_training,
    "multi_head_attention_forward": in_training,
}


def _fans(evaluator: Evaluator, node: Call, values: list[Any]) -> tuple[int, int]:
    """Return how many entries lead into an entry of a layer's output, and how many an entry of its input leads to."""
    tensor = evaluator.machine.tensor(values[0]) if len(values) == 1 else None
    if tensor is None or tensor.ndim < 2:  # noqa: PLR2004 (a matrix)
        raise evaluator.error("this takes the weight of a layer", node)
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _stepped(evaluator: Evaluator, node: Call, values: list[Any]) -> Any:
    """Return what is gone through step by step, and the next of its items."""
    if node.function == "iter":
        return iter(evaluator.items(values[0], node)) if len(values) == 1 else UNKNOWN
    if not values or not hasattr(values[0], "__next__"):
        raise evaluator.error("`next` takes what `iter` gives", node)
    try:
        return next(*values)
    except StopIteration:
        raise evaluator.error("there is no next item", node) from None


def _sequence(evaluator: Evaluator, node: Call, values: list[Any], keywords: dict[str, Any]) -> Any:
    """Return the list or the tuple that Python makes."""
    count = count_range(values) if node.function == "range" and all(map(_is_plain, values)) else 0
    try:
        evaluator.machine.check_items(count)
    except GradcliError as error:
        raise evaluator.located(error, node) from None
    given = values if node.function == "range" else [evaluator.items(value, node) for value in values[: _several(node)]]
    if node.function == "sorted" and any(
        evaluator.machine.tensor(item) is not None for items in given for item in items
    ):
        raise evaluator.error("`sorted` takes numbers and texts", node, "`torch.sort` sorts the entries of a tensor")
    return _of_numbers(evaluator, node, lambda: LISTS[node.function](*given, *values[len(given) :], **keywords), [])


def _several(node: Call) -> int | None:
    """Return how many of the arguments are sequences."""
    return None if node.function == "zip" else 1


def _total(evaluator: Evaluator, node: Call, values: list[Any]) -> Any:
    """Return the sum of tensors in a list, as Python adds them up; UNKNOWN without a tensor."""
    op, (first, *rest) = find("add"), [*values[1:], *values[0]] or [0]
    assert op is not None  # noqa: S101 (the table has it)
    if all(evaluator.machine.tensor(value) is None for value in (first, *rest)):
        return _of_numbers(evaluator, node, sum, values) if all(map(_is_plain, values[0])) else UNKNOWN
    total = first
    for value in rest:
        one, other = Literal(None, node.span), Literal(None, node.span)
        call = Call("add", (one, other), (), node.span, node.function_span, operator="+")
        total = evaluator.call(call, [total, value], {})
    return total


def _number(evaluator: Evaluator, node: Call, values: list[Any]) -> Any:
    """Return what Python computes of numbers."""
    if node.function in MATH:
        return _of_numbers(evaluator, node, getattr(math, node.function.rpartition(".")[2]), values)
    if node.function not in NUMBERS:
        return UNKNOWN
    tensor = evaluator.machine.tensor(values[0]) if values else None
    if tensor is not None:
        return _of_tensor(evaluator, node, tensor)
    if node.function == "pow":
        return fold("pow", values, evaluator.machine.largest_exponent) if all(map(_is_plain, values)) else UNKNOWN
    items = [item for value in values for item in (value if isinstance(value, tuple | list) else (value,))]
    if node.function != "len" and not all(isinstance(item, PLAIN | str) for item in items):
        return UNKNOWN
    return _of_numbers(evaluator, node, _NUMBERS[node.function], values)


def _is_plain(value: Any) -> bool:
    return isinstance(value, PLAIN)


def _of_tensor(evaluator: Evaluator, node: Call, tensor: Tensor) -> Any:
    """Return what Python makes of a tensor: its length, or the number in it."""
    if node.function == "len":
        if not tensor.ndim:
            raise evaluator.error("PyTorch says: len() of a 0-d tensor", node)
        return tensor.shape[0]
    if node.function not in ("int", "float", "bool"):
        return UNKNOWN
    number = _item(evaluator, node, tensor)
    return _NUMBERS[node.function](number) if _is_plain(number) else number


def _of_numbers(evaluator: Evaluator, node: Call, function: Callable[..., Any], values: list[Any]) -> Any:
    if any(evaluator.machine.tensor(value) is not None for value in values):
        own, given = node.function.rpartition(".")[2], ", ".join(map(evaluator.program.text, node.arguments))
        raise evaluator.error(f"`{node.function}` works on plain numbers only", node, f"write `{own}({given})`")
    try:
        result = function(*values)
    except (ArithmeticError, ValueError, TypeError) as error:
        raise evaluator.error(f"{evaluator.program.text(node)}: {error}", node) from None
    if _is_plain(result) and not fits_double(result) and all(fits_double(v) for v in values if _is_plain(v)):
        hint = NOT_A_NUMBER if result != result else None  # noqa: PLR0124 (NaN)
        raise evaluator.error("the result does not fit in double precision", node, hint)
    return result


def _item(evaluator: Evaluator, node: Call, tensor: Tensor) -> Any:
    """Return the number in a tensor; one that needs a gradient would go on as a constant."""
    if tensor.requires_grad:
        text = evaluator.program.text(node.arguments[0])
        hint = f"write `{text}` for the tensor itself, or `{text}.detach()` for a constant"
        error = evaluator.error(f"`{node.function}` makes a number of a tensor that requires grad", node, hint)
        if node.function == "tolist" or tensor.numel() != 1:
            raise error
        evaluator.machine.decides(tensor)
        return evaluator.taken(tensor.item(), error)
    evaluator.machine.decides(tensor)
    with refusals(node.function):
        return tensor.item()


_SETTINGS: Mapping[str, Callable[..., Any]] = {
    "manual_seed": set_seed,
    "set_default_dtype": set_default,
    "device": lambda *_: "cpu",
    "cuda.is_available": lambda *_: False,
}


# All that a function may be called by that is none of PyTorch's alone.
WORDS = frozenset().union(
    *(words for words, _ in _MAKING), DRAWN, _SETTINGS, _RANDOM, SEQUENCES, MATH, NUMBERS, {"isinstance", "sum"}
)


def _method(evaluator: Evaluator, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
    value, *rest = positional
    tensor = evaluator.machine.tensor(value)
    if isinstance(value, str | list | dict):
        return of_sequence(evaluator, node, value, rest)
    if tensor is None:
        return value if node.function in NUMBER_METHODS and isinstance(value, PLAIN) else UNKNOWN
    if node.function in ("cpu", "cuda"):
        return value
    if node.function == "numpy" and not tensor.requires_grad:
        return value
    if node.function in IN_PLACE_ALONE:
        return on_diagonal(evaluator, node, value, rest, keywords)
    if node.function in DRAWN_IN_PLACE:
        return filled(evaluator, node, tensor, rest, keywords)
    if node.function == "tolist" and not tensor.requires_grad:
        evaluator.machine.decides(tensor)
        return tensor.tolist()
    if node.function in ("item", "tolist"):
        return _item(evaluator, node, tensor)
    if node.function in ("to", "type", "type_as"):
        return types.cast(
            evaluator, node, value, [*rest, *(keywords[name] for name in ("dtype", "other") if name in keywords)]
        )
    return UNKNOWN
