"""Types of a running program: which class an object is of, and what a tensor type makes of a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from gradcli.execution.forward.draws import Evaluator
from gradcli.execution.forward.methods import UNKNOWN
from gradcli.execution.forward.values import TypeOf, Value
from gradcli.language.notebook import DTYPES, PYTHON
from gradcli.language.program import Call, Literal
from gradcli.ops.table import find

DEVICES = ("cpu", "cuda", "mps", "xpu")
# Python's classes, by the names under which `isinstance` is handed them.
_CLASSES: Mapping[str, type] = {f"{PYTHON}{kind.__name__}": kind for kind in (bool, dict, float, int, list, str, tuple)}


def tensor_of(evaluator: Evaluator, node: Call, values: list[Any]) -> Any:
    """Return `torch.Tensor(n)`, a tensor of n entries; of data it is a tensor with these."""
    is_size = isinstance(values[0], int) and not isinstance(values[0], bool)
    function = "zeros" if is_size or isinstance(values[0], torch.Size) else "tensor"
    return evaluator.call(replace(node, function=function), values, {})


def type_of(node: Call, values: list[Any]) -> Any:
    """Return the type of a module, which is compared with classes."""
    return TypeOf(values[0]) if len(values) == len(node.arguments) == 1 and isinstance(values[0], Value) else UNKNOWN


def is_instance(evaluator: Evaluator, node: Call, values: list[Any]) -> bool:
    """Return what `isinstance(m, nn.Linear)` says; a text stands for a type of tensors."""
    kinds = values[1:] if len(values) != 2 or not isinstance(values[1], tuple) else values[1]  # noqa: PLR2004
    if len(kinds) == 0 or not all(isinstance(kind, str) or hasattr(kind, "called") for kind in kinds):
        hint = "ask for a class of `torch.nn`, one of the program's own, or `torch.Tensor`"
        raise evaluator.error("`isinstance` knows no other classes", node, hint)
    python = tuple(_CLASSES[kind.function] for kind in kinds if getattr(kind, "function", None) in _CLASSES)
    if isinstance(values[0], python):
        return True
    if hasattr(values[0], "is_a"):
        return any(values[0].is_a(kind) for kind in kinds)
    return evaluator.machine.tensor(values[0]) is not None and any(isinstance(kind, str) for kind in kinds)


def cast(evaluator: Evaluator, node: Call, value: Any, given: list[Any]) -> Any:
    """Return a tensor in the type that one of the arguments names; a device changes nothing."""
    for item in given:
        other = evaluator.machine.tensor(item)
        word = str(other.dtype if other is not None else item).removeprefix("torch.")
        if word in DTYPES:
            return _cast_to(evaluator, node, value, DTYPES[word])
        if word.startswith(("complex", "cfloat", "cdouble")):
            hint = "`--dtype complex128` runs the program in them"
            raise evaluator.error("a cast to complex numbers is not accepted", node, hint)
        if not isinstance(item, bool) and word.partition(":")[0] not in DEVICES:
            raise evaluator.error(f"'{item}' is neither a type nor a device", node, f"types are {', '.join(DTYPES)}")
    return value


def _cast_to(evaluator: Evaluator, node: Call, value: Any, dtype: str) -> Any:
    """Return a tensor in another type: of one that requires grad, the type must hold all its digits."""
    tensor = evaluator.machine.tensor(value)
    is_real = tensor.is_floating_point() or tensor.is_complex()
    if is_real and (dtype == "default" or str(tensor.dtype) == f"torch.{dtype}"):
        return value
    if tensor.requires_grad and dtype in ("float16", "bfloat16"):
        hint = f"leave it out: `--dtype {dtype}` runs the whole program in that precision"
        raise evaluator.error(f"a cast to {dtype} rounds what the gradient is taken of", node, hint)
    op = find("to")
    assert op is not None  # noqa: S101 (the table has it)
    literal = Literal(dtype, node.function_span)
    call = Call("to", (node.arguments[0], literal), (), node.span, node.function_span, method=True)
    return evaluator.apply(op, call, [value, dtype], {})
