"""Which shapes forward takes, and which inputs as integers, where it raises for scalars: found by running it."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError, GradcliError
from gradcli.execution.forward.value_files import read_values
from gradcli.execution.targets.function.integers import is_whole, with_constants
from gradcli.execution.targets.function.sampling import drawn
from gradcli.execution.targets.function.subject import Subject
from gradcli.inputs.shapes import shape_of
from gradcli.phrases import show_shape
from gradcli.settings import Settings, Shape

Runs = Callable[[dict[str, Tensor]], bool]
# What is tried beside the shapes that are given, the likely ones first: vectors, matrices, a batch, images.
USUAL: Sequence[Shape] = ((3,), (2, 3), (3, 4), (4, 3), (4,), (3, 3), (2, 3, 4), (2, 4, 3), (2, 3, 5, 5), (4, 3, 3, 3))
LABELS: Sequence[Shape] = ((2,), (2, 3), ())
DOMAINS = ("(0, 1)", "positive definite")
# How many combinations are tried with no input of integers, with one and with two.
BUDGETS = (400, 200, 100)
# What says that an argument does not fit; a name that does not exist is no matter of shapes.
UNFIT = (RuntimeError, IndexError, ValueError, TypeError, AssertionError)


@dataclass(frozen=True, slots=True)
class Input:
    """One input as it is tried: with a shape of real numbers, with integers, or as it is given."""

    name: str
    shape: Shape | None = None
    labels: bool = False
    given: Any = None

    @property
    def option(self) -> str | None:
        """Return the option that gives it; None if there is no need of one."""
        if self.labels and self.given is None:
            return f'--value "{self.name}={json.dumps(labels_of(self.shape or ()), separators=(",", ":"))}"'
        return f"--shape {self.name}={show_shape(self.shape)}" if self.shape else None


def hint_of_inputs(
    subject: Subject, settings: Settings, given: Mapping[str, Any], error: ExecutionError, runs: Runs
) -> str | None:
    """Return in words which shapes and which integers forward takes, as options to give; None if none are found.

    `runs` runs forward and backward at a point, raises where one of them does, and returns whether each gradient has
    the shape of its input.
    """
    if not isinstance(error.__cause__, UNFIT):
        return None
    sink = io.StringIO()  # what forward prints is printed once
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        return _in_words(_found(subject, settings, given, runs))


def _found(subject: Subject, settings: Settings, given: Mapping[str, Any], runs: Runs) -> Sequence[Input]:
    """Return the first inputs whose gradients have their shapes, else the first that run; none if none do."""
    first: Sequence[Input] = ()
    for inputs in _tries(subject, settings, given):
        fits = _fits(inputs, settings, given, runs)
        if fits:
            return inputs
        first = first if fits is None else first or inputs
    return first


def _in_words(inputs: Sequence[Input]) -> str | None:
    """Return the options that give some inputs, and which of these are integers."""
    whole = [f"'{item.name}'" for item in inputs if item.labels and item.given is None]
    options = " ".join(item.option for item in inputs if item.option)
    kind = f"{' and '.join(whole)} must hold integers" if whole else "forward takes other shapes"
    return f"{kind}: it runs with `{options}`" if options else None


def _tries(subject: Subject, settings: Settings, given: Mapping[str, Any]) -> Iterator[tuple[Input, ...]]:
    """Yield inputs to try: real numbers alone, then with one or two inputs of integers; the likely shapes first."""
    known = _known(settings, given)
    for count, budget in enumerate(BUDGETS):
        for labelled in itertools.combinations(subject.tensors, count):
            choices = [_choices(name, known, settings, given, labels=name in labelled) for name in subject.tensors]
            if all(choices):
                alike = () if labelled else zip(*choices, strict=False)
                yield from itertools.islice(itertools.chain(alike, _together(choices)), budget)


def _together(choices: Sequence[Sequence[Input]]) -> Iterator[tuple[Input, ...]]:
    """Yield a choice for each input, in the order of how far down they stand."""
    lengths = [len(choice) for choice in choices]
    for total in range(sum(lengths)):
        for places in _summing_to(total, lengths):
            yield tuple(choice[at] for choice, at in zip(choices, places, strict=True))


def _summing_to(total: int, lengths: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the indices into lists of some lengths that add up to a number."""
    if not lengths:
        yield from [()] if total == 0 else []
        return
    for first in range(min(total + 1, lengths[0])):
        for rest in _summing_to(total - first, lengths[1:]):
            yield (first, *rest)


def _known(settings: Settings, given: Mapping[str, Any]) -> list[Shape]:
    """Return the shapes that are given, and those that go with them: a row, a column, labels for each row."""
    values = {**read_values(settings.values_file), **settings.values, **given}
    shaped = [tuple(v.shape) if isinstance(v, Tensor) else shape_of(v) for v in values.values()]
    own = [*settings.shapes.values(), *shaped]
    parts = [part for shape in own for part in (shape, shape[:-1], shape[1:], shape[::-1])]
    return [shape for shape in dict.fromkeys(parts) if shape]


def _choices(
    name: str, known: Sequence[Shape], settings: Settings, given: Mapping[str, Any], *, labels: bool
) -> list[Input]:
    """Return the ways to give one input; one that has a value or a shape of its own keeps it."""
    value = {**read_values(settings.values_file), **settings.values, **given}.get(name)
    if value is not None:
        able = not labels or (is_whole(value) and name not in settings.constants)
        return [Input(name, labels=labels, given=value)] if able else []
    own = settings.shapes.get(name)
    if own is not None:
        return [Input(name, own if labels else None, labels=labels)]
    if labels:
        return [Input(name, shape, labels=True) for shape in dict.fromkeys((*known, *LABELS))]
    return [Input(name), *(Input(name, shape) for shape in dict.fromkeys((*known, *USUAL)))]


def labels_of(shape: Shape) -> Any:
    """Return integers of a shape as a nested list: zeros and ones in turn, which index any axis of two."""
    return (torch.arange(math.prod(shape)) % 2).reshape(shape).tolist()


def _fits(inputs: Sequence[Input], settings: Settings, given: Mapping[str, Any], runs: Runs) -> bool | None:
    """Return what a run says of some inputs; None if it raises. A square matrix may have to be positive definite."""
    square = any(item.shape is not None and len(item.shape) > 1 and item.shape[-1] == item.shape[-2] for item in inputs)
    changed, values = _given(inputs, settings, given)
    for domain in DOMAINS[: 1 + square]:
        with contextlib.suppress(GradcliError):
            return runs(drawn([item.name for item in inputs], changed, values, domain))
    return None


def _given(inputs: Sequence[Input], settings: Settings, given: Mapping[str, Any]) -> tuple[Settings, Mapping[str, Any]]:
    """Return the settings and the values that give some inputs."""
    labels = {item.name: labels_of(item.shape or ()) for item in inputs if item.labels and item.given is None}
    shapes = dict(settings.shapes)
    shapes |= {item.name: item.shape for item in inputs if item.shape is not None and item.name not in labels}
    changed = replace(settings, shapes=shapes)
    return with_constants(changed, [item.name for item in inputs if item.labels]), {**given, **labels}
