"""What PyTorch refuses of a call, in the user's names: shapes, integers, and what has no derivative."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from torch import Tensor

from gradcli.errors import ExecutionError, GradcliError, first_line
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.refusals import advice, refused
from gradcli.execution.forward.trace import Trace, TracedTensor, traced_in
from gradcli.language.notebook import MATH
from gradcli.ops.record import Kind, Op
from gradcli.ops.table import find
from gradcli.phrases import show_shape

SIGNATURES = ", but expected one of:"
NO_DERIVATIVE = re.compile(r"is not differentiable with respect to argument '(\w+)'")


# What PyTorch says of a list in place of a tensor, and what makes one of it.
OF_A_LIST = "must be Tensor, not list"
STACK = "a list of tensors is made one by `stack`: `sum(stack(losses))` adds them up"
# What PyTorch says of a number in place of a tensor: there is no tensor in the call.
OF_A_NUMBER = re.compile(r"must be Tensor, not (?:float|int)\b")
# What PyTorch says where the result would be integers, `binary_cross_entropy_with_logits(x, labels)`.
CAST_TO_INTEGERS = "can't be cast to the desired output type Long"


class ConstantError(ExecutionError):
    """PyTorch has no derivative by an argument, which is a leaf: as a constant it would do."""

    leaf: str
    argument: str


def is_whole(tensor: Tensor) -> bool:
    """Return whether every entry is a whole number."""
    return bool((tensor == tensor.round()).all())


class IntegerError(ExecutionError):
    """PyTorch takes an argument only as integers, and a leaf of whole numbers is one: as integers they would do."""

    def __init__(self, op: Op, parameter: str, leaf: TracedTensor) -> None:
        super().__init__(f"PyTorch takes '{parameter}' of {op.name} only as integers")
        self.op = op
        self.parameter = parameter
        self.leaf = leaf.text


class LabelError(ExecutionError):
    """The same of a leaf that holds other numbers, or of one in the place of a mask: drawn anew, it would do."""

    leaf: str
    below: int | None
    """What integers would have to be below; None of a mask."""

    @staticmethod
    def of(refusal: GradcliError, leaf: TracedTensor, below: int | None) -> LabelError:
        """Return what PyTorch refuses as what would do in its place."""
        error = LabelError(refusal.text, hint=refusal.hint)
        error.leaf, error.below = leaf.text, below
        return error


def integer_leaf(op: Op, call: BoundCall, trace: Trace) -> tuple[str, TracedTensor] | None:
    """Return a parameter that takes integers, and the leaf of floats in its place; None if there is none."""
    return _float_leaf(op.integers, call, trace)


def mask_leaf(op: Op, call: BoundCall, trace: Trace) -> tuple[str, TracedTensor] | None:
    """Return a parameter that takes truth values, and the leaf of floats in its place; None if there is none."""
    return _float_leaf(op.truths, call, trace)


def _float_leaf(parameters: Iterable[str], call: BoundCall, trace: Trace) -> tuple[str, TracedTensor] | None:
    made = {output: known for known in trace.calls for output in known.outputs}
    for parameter in parameters:
        for traced in traced_in(call.bound.get(parameter)):
            while traced in made and made[traced].op.kind is Kind.MOVEMENT and len(made[traced].inputs) == 1:
                traced = made[traced].inputs[0]  # noqa: PLW2901 (t.view(-1) holds the same numbers)
            if traced.is_leaf and traced.tensor.is_floating_point():
                return parameter, traced
    return None


def refuse_floats(places: Iterable[Any]) -> None:
    """Raise IntegerError for a leaf of whole numbers that is an index of what is assigned to."""
    for traced in traced_in([*places]):
        if traced.is_leaf and traced.tensor.is_floating_point() and is_whole(traced.tensor):
            op = find("index_put")
            assert op is not None  # noqa: S101 (the table has it)
            raise IntegerError(op, "indices", traced)


def refused_call(op: Op, call: BoundCall, error: BaseException) -> GradcliError:
    """Return what PyTorch refuses; an argument that it has no derivative by is named as the user names it."""
    message = first_line(error)
    found = NO_DERIVATIVE.search(message)
    argument = call.bound.get(found[1]) if found else None
    if not isinstance(argument, TracedTensor):
        dtypes = [traced.tensor.dtype for traced in traced_in([call.positional, call.keywords])]
        hint = (
            f"it is called as {op.signature}"
            if SIGNATURES in message
            else STACK
            if OF_A_LIST in message
            else f"of a number, `math.{op.name}`; `tensor(...)` makes a tensor of one"
            if OF_A_NUMBER.search(message) and f"math.{op.name}" in MATH
            else _as_reals(message, call) or advice(message, dtypes) or shapes_of(call)
        )
        return refused(op.name, error, hint)
    name = argument.name or argument.text
    constant = ConstantError(f"PyTorch refuses {op.name}: {message}", hint=f"write `detach({name})`")
    constant.leaf, constant.argument = (name if argument.is_leaf else ""), f"{op.name} by '{found[1] if found else ''}'"
    return constant


def _as_reals(message: str, call: BoundCall) -> str | None:
    """Return how to make real numbers of the integers that a call was given, where PyTorch casts to integers."""
    if CAST_TO_INTEGERS not in message:
        return None
    tensors = traced_in([call.positional, call.keywords])
    names = [t.name or t.text for t in tensors if not (t.tensor.is_floating_point() or t.tensor.is_complex())]
    return f"'{names[0]}' holds integers: `{names[0]}.float()` makes real numbers of them" if names else None


def shapes_of(call: BoundCall) -> str | None:
    """Return what shapes a call was given, by the names that the user gave: PyTorch says a and b, mat1 and vec."""
    tensors = list(dict.fromkeys(traced_in([call.positional, call.keywords])))
    said = ", ".join(f"'{t.name or t.text}' is {_shown(t.tensor)}" for t in tensors)
    scalar = next((t for t in tensors if t.is_leaf and t.tensor.requires_grad and not t.tensor.ndim), None)
    return (said if scalar is None else f"{said}; `--shape {scalar.text}=2x3` gives a leaf its shape") or None


def _shown(tensor: Tensor) -> str:
    return show_shape(tuple(tensor.shape)) if tensor.ndim else "a scalar"
