"""Evaluation of tensor programs in torch: every step is one call of a torch function."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.tensor_program import Step, TensorProgram
from gradcli.execution.forward.callables import function
from gradcli.execution.forward.memory import check_entries, limits_in_force
from gradcli.execution.reference.contraction import contracted
from gradcli.execution.reference.liveness import lives
from gradcli.ops.functions import FUNCTIONS

# The steps that are pointwise functions, as PyTorch's.
POINTWISE: Mapping[str, Callable[..., Tensor]] = {row.name: function(row.torch) for row in FUNCTIONS if row.torch}


Perturbation = Callable[[Tensor], Tensor]
# Makes the result of a step of its inputs and the length of each label.
Run = Callable[[list[Tensor], Mapping[str, int]], Tensor]


def identity(value: Tensor) -> Tensor:
    """Return a value as it is."""
    return value


def evaluate(program: TensorProgram, operands: Mapping[str, Tensor], perturb: Perturbation = identity) -> Tensor:
    """Return the result of a program; `operands` are tensors with one axis a label.

    `perturb` changes every operand, as it is read, and the result of every step: rounding noise is found by changing
    last bits, and PyTorch has rounded what it stored.
    """
    prepared = _prepared(program)
    sizes = {label: operands[name].shape[axis] for label, name, axis in prepared.sizes}
    values: list[Any] = [operands.get(name) for name in program.operands]
    if perturb is not identity:
        values = [None if value is None else perturb(value) for value in values]
    unchecked = prepared.is_bounded and math.prod(sizes.values()) <= limits_in_force().elements
    for step, run, dead in prepared.steps:
        inputs = [values[value] for value in step.inputs]
        if not unchecked:
            check_entries(_entries(step, inputs, sizes), "a step of the derivative")
        made = run(inputs, sizes)
        values.append(made if perturb is identity else perturb(made))
        for value in dead:
            values[value] = None
    result: Tensor = values[program.result]
    return result


def fixed(program: TensorProgram, shapes: Mapping[str, Sequence[int]]) -> Callable[[list[Any]], Tensor]:
    """Return what `evaluate` does of operands of these shapes, the values by number, where no step is too large.

    What it is given is changed.
    """
    prepared = _prepared(program)
    sizes = {label: shapes[name][axis] for label, name, axis in prepared.sizes}
    steps = [(step.inputs, run, dead) for step, run, dead in prepared.steps]

    def evaluated(values: list[Any]) -> Tensor:
        for inputs, run, dead in steps:
            values.append(run([values[value] for value in inputs], sizes))
            for value in dead:
                values[value] = None
        result: Tensor = values[program.result]
        return result

    return evaluated


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A program, ready to run."""

    steps: Sequence[tuple[Step, Run, tuple[int, ...]]]
    """The steps, what runs each, and the values that nothing reads after it."""
    sizes: Sequence[tuple[str, str, int]]
    """Where the lengths are read that steps ask for: of the labels of everything that it makes, and of any other."""
    is_bounded: bool
    """Whether these are all of the former: nothing is larger than all their axes together."""


@lru_cache(maxsize=4096)
def _prepared(program: TensorProgram) -> _Prepared:
    known = lives(program)
    runs = map(run_of, program.steps, known.overwritten)
    made = {*"".join(step.out for step in program.steps)}
    asked = made | {step.number for step in program.steps if step.function == "size"}
    sizes = [place for place in program.sizes if place[0] in asked]
    steps = list(zip(program.steps, runs, known.dead, strict=True))
    return _Prepared(steps, sizes, made <= {label for label, _, _ in sizes})


def run_step(step: Step, inputs: list[Tensor], sizes: Mapping[str, int], run: Run | None = None) -> Tensor:
    """Return the result of one step, by what runs it; LimitError if it is too large."""
    check_entries(_entries(step, inputs, sizes), "a step of the derivative")
    return (run or run_of(step))(inputs, sizes)


def run_of(step: Step, overwritten: int | None = None) -> Run:
    """Return what runs a step, and writes its result over one of the inputs if that is said."""
    if step.function == "number":
        number = STRUCTURAL["number"](step, [], {})
        return lambda _, __: number
    if step.function not in POINTWISE:
        return partial(STRUCTURAL[step.function], step)
    function, out = POINTWISE[step.function], step.out
    if all(labels in {"", out} for labels in step.labels):
        return _pointwise(function, overwritten)
    pointwise = _pointwise(function, overwritten)

    def run(inputs: list[Tensor], sizes: Mapping[str, int]) -> Tensor:
        aligned = [align(value, labels, out) for value, labels in zip(inputs, step.labels, strict=True)]
        return pointwise(aligned, sizes)

    return run


def _pointwise(function: Callable[..., Tensor], overwritten: int | None) -> Run:
    """Return what runs a function on aligned inputs; one that is written over has all axes, in their order."""
    if overwritten is None:
        return lambda inputs, _: function(*inputs)

    def run(inputs: list[Tensor], _: Mapping[str, int]) -> Tensor:
        for value in inputs:
            if value.dtype != torch.float64:
                return function(*inputs)
        return function(*inputs, out=inputs[overwritten])

    return run


def _entries(step: Step, inputs: list[Tensor], sizes: Mapping[str, int]) -> int:
    """Return how many entries a step's result has."""
    count = 1
    for letter, place, axis in _lengths(step.labels, step.out):
        count *= sizes.get(letter, 1) if place is None else inputs[place].shape[axis]
    return count


@lru_cache(maxsize=4096)
def _lengths(labels: tuple[str, ...], out: str) -> list[tuple[str, int | None, int]]:
    """Return each label of a result with the last input that has it, and its axis there; None for what none has."""
    places = {letter: (place, axis) for place, own in enumerate(labels) for axis, letter in enumerate(own)}
    return [(letter, *places.get(letter, (None, 0))) for letter in out]


def align(value: Tensor, labels: str, out: str) -> Tensor:
    """Return a view of a value with its axes in the order of `out` and axes of length 1 where it has none."""
    if labels == out or not labels:
        return value  # a number broadcasts as it is
    order, missing = _alignment(labels, out)
    value = value.permute(order) if order else value
    for position in missing:
        value = value.unsqueeze(position)
    return value


@lru_cache(maxsize=4096)
def _alignment(labels: str, out: str) -> tuple[list[int], list[int]]:
    """Return the permutation of a value's axes (empty if none is needed) and where axes of length 1 come in."""
    order = [labels.index(letter) for letter in out if letter in labels]
    missing = [position for position, letter in enumerate(out) if letter not in labels]
    return order if order != sorted(order) else [], missing


def _einsum(step: Step, inputs: list[Tensor], _: Mapping[str, int]) -> Tensor:
    if len(inputs) == 1 and len(set(step.labels[0])) == len(step.labels[0]):
        axes = [axis for axis, letter in enumerate(step.labels[0]) if letter not in step.out]
        kept = "".join([letter for letter in step.labels[0] if letter in step.out])
        return align(inputs[0].sum(dim=axes), kept, step.out)
    # bool factors (Iverson brackets) count as 0 and 1.
    inputs = [value.to(torch.float64) if value.dtype is torch.bool else value for value in inputs]
    return contracted(step.labels, inputs, step.out)


def _number(step: Step, _: list[Tensor], __: Mapping[str, int]) -> Tensor:
    return torch.tensor(step.number, dtype=torch.float64, device="cpu")


def _index(step: Step, _: list[Tensor], sizes: Mapping[str, int]) -> Tensor:
    return torch.arange(sizes[step.out])


def _size(step: Step, _: list[Tensor], sizes: Mapping[str, int]) -> Tensor:
    return torch.tensor(sizes[str(step.number)], dtype=torch.float64)


def _gather(step: Step, inputs: list[Tensor], _: Mapping[str, int]) -> Tensor:
    source, *indices = inputs
    aligned = [align(index, labels, step.out) for index, labels in zip(indices, step.labels[1:], strict=True)]
    return source[tuple(aligned)]


def _scatter(step: Step, inputs: list[Tensor], sizes: Mapping[str, int]) -> Tensor:
    source, index = inputs
    axis, rest = step.out[0], step.out[1:]
    source = align(source, step.labels[0], step.labels[1] + rest)
    target = source.new_zeros([sizes[axis], *source.shape[index.ndim :]])
    return target.index_add_(0, index.reshape(-1), source.reshape(-1, *source.shape[index.ndim :]))


def _cumsum(step: Step, inputs: list[Tensor], sizes: Mapping[str, int]) -> Tensor:
    value, wanted = inputs[0].to(torch.float64), sizes[step.out[-1]]
    longer = torch.nn.functional.pad(value, (0, max(wanted - value.shape[-1], 0)))
    upwards = step.number in {"lt", "le"}
    sums = longer.cumsum(-1) if upwards else longer.flip(-1).cumsum(-1)
    if step.number in {"lt", "gt"}:
        sums = torch.nn.functional.pad(sums, (1, 0))[..., :-1]
    return (sums if upwards else sums.flip(-1))[..., :wanted]


def _relabel(step: Step, inputs: list[Tensor], _: Mapping[str, int]) -> Tensor:
    if step.labels[0] == step.out:
        return inputs[0]
    return torch.einsum(step.labels[0] + "->" + step.out, inputs[0])


def _expand(step: Step, inputs: list[Tensor], sizes: Mapping[str, int]) -> Tensor:
    return align(inputs[0], step.labels[0], step.out).expand([sizes[letter] for letter in step.out])


STRUCTURAL: Mapping[str, Callable[[Step, list[Tensor], Mapping[str, int]], Tensor]] = {
    "einsum": _einsum,
    "number": _number,
    "index": _index,
    "size": _size,
    "gather": _gather,
    "scatter": _scatter,
    "cumsum": _cumsum,
    "relabel": _relabel,
    "expand": _expand,
}
