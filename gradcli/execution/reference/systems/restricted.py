"""Tensor programs evaluated on slices: a block of a Jacobian, or a product with one, from the slices that it reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.derivation.tensor_program import Step, TensorProgram
from gradcli.execution.reference.tensor_eval import Run, run_of, run_step

Ranges = Mapping[str, tuple[int, int]]
EVERYTHING: Ranges = {}


@dataclass(frozen=True, slots=True)
class Restricted:
    """A program whose steps that depend on fixed operands only have been taken, as far as they take no more memory."""

    steps: tuple[Step, ...]
    runs: tuple[Run, ...]
    small: tuple[bool, ...]
    """Whether the result of a step is no larger than one of its inputs."""
    values: tuple[Tensor | str, ...]
    """What the steps read first: tensors, and names of operands that vary."""
    labels: tuple[str, ...]
    """The labels of those."""
    sizes: Mapping[str, int]
    result: int
    out: str

    def evaluate(self, varying: Mapping[str, Tensor], ranges: Ranges = EVERYTHING) -> Tensor:
        """Return the result where each of some labels only ranges over a slice of its axis."""
        values = [varying[value] if isinstance(value, str) else value for value in self.values]
        first = len(values)
        sizes = {**self.sizes, **{letter: stop - start for letter, (start, stop) in ranges.items()}}
        for step, run, small in zip(self.steps, self.runs, self.small, strict=True):
            inputs = [
                _sliced(values[place], labels, ranges) if place < first else values[place]
                for place, labels in zip(step.inputs, step.labels, strict=False)
            ]
            if step.function == "index" and step.out in ranges:
                values.append(torch.arange(*ranges[step.out]))
            else:
                values.append(run(inputs, sizes) if small else run_step(step, inputs, sizes, run))
        return _sliced(values[self.result], self.out, ranges) if self.result < first else values[self.result]


def _sliced(value: Tensor, labels: str, ranges: Ranges) -> Tensor:
    for axis, letter in enumerate(labels):
        if letter in ranges:
            start, stop = ranges[letter]
            value = value if stop - start == value.shape[axis] else value.narrow(axis, start, stop - start)
    return value


def specialised(program: TensorProgram, operands: Mapping[str, Tensor], varying: str | None = None) -> Restricted:
    """Return a program with all that depends only on `operands` computed, unless that is larger than they are.

    `varying` is the operand that is given later; `operands` holds one of its shape.
    """
    sizes = {label: operands[name].shape[axis] for label, name, axis in program.sizes if name in operands}
    largest = max((operand.numel() for operand in operands.values()), default=1)
    known: dict[int, Tensor] = {
        place: operands[name] for place, name in enumerate(program.operands) if name in operands and name != varying
    }
    first, kept = len(program.operands), []
    read = {program.result, *(value for step in program.steps for value in step.inputs)}
    for place, step in enumerate(program.steps, first):
        if place not in read:
            continue
        small = math.prod(sizes.get(letter, 1) for letter in step.out) <= largest
        if small and all(value in known for value in step.inputs) and step.function != "size":
            known[place] = run_step(step, [known[value] for value in step.inputs], sizes)
        else:
            kept.append(place)
    return _assembled(program, known, kept, sizes, varying)


def _assembled(
    program: TensorProgram, known: Mapping[int, Tensor], kept: list[int], sizes: Mapping[str, int], varying: str | None
) -> Restricted:
    """Return the steps that are left, and what they read."""
    first = len(program.operands)
    steps = [program.steps[place - first] for place in kept]
    read = dict.fromkeys(value for step in steps for value in step.inputs if value not in kept)
    if program.result not in kept:
        read[program.result] = None
    names = [known.get(value, varying) for value in read]
    order = {value: place for place, value in enumerate([*read, *kept])}
    labels = [program.labels[value] if value < first else program.steps[value - first].out for value in read]
    renumbered = [Step(s.function, tuple(order[v] for v in s.inputs), s.labels, s.out, s.number) for s in steps]
    values = tuple(value for value in names if value is not None)
    return Restricted(
        tuple(renumbered),
        tuple(map(run_of, renumbered)),
        tuple(any(set(step.out) <= set(labels) for labels in step.labels) for step in renumbered),
        values,
        tuple(labels),
        sizes,
        order[program.result],
        program.out,
    )
