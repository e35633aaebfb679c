"""PyTorch's own sample inputs, those that its tests run, as programs with the values of their leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gradcli.errors import InputError, first_line
from gradcli.execution.forward.refusals import REFUSALS

# Samples that are looked at, and the most entries that one may have: an op may have thousands, or large ones.
MOST_SAMPLES, MOST_ENTRIES = 60, 4096


@dataclass(frozen=True, slots=True)
class Sample:
    """A call of an op as a program, and what its leaves hold."""

    program: str
    inputs: Mapping[str, Tensor]
    shape: tuple[int, ...]
    """Of the output."""
    constants: tuple[str, ...]
    """The leaves that take no gradient."""

    @property
    def size(self) -> int:
        """Return how many numbers there are."""
        return sum(value.numel() for value in self.inputs.values()) + math.prod(self.shape)

    @property
    def is_single(self) -> bool:
        """Return whether a leaf is a single number, of which a reduction has little to do."""
        return any(value.numel() == 1 for value in self.inputs.values() if value.is_floating_point())


class _Draws(TorchDispatchMode):
    """Sees whether a call draws random numbers: PyTorch's tests may put the generator back after each."""

    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = torch.get_rng_state()
        result = func(*args, **(kwargs or {}))
        self.found = self.found or not torch.equal(before, torch.get_rng_state())
        return result


def names() -> tuple[str, ...]:
    """Return PyTorch's names of the ops that its tests differentiate, without those that are not public."""
    found = dict.fromkeys(
        op.name for op in _database() if op.supports_autograd and torch.float64 in op.dtypes and op.name[0] != "_"
    )
    return tuple(found)


def samples(name: str, device: str) -> list[Sample]:
    """Return the samples of an op of real numbers that a program can call; the same whenever it is called."""
    op = next(op for op in _database() if op.name == name and op.supports_autograd and torch.float64 in op.dtypes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = islice(op.sample_inputs(device, torch.float64, requires_grad=True), MOST_SAMPLES)
        found = [_sample(op, one) for one in made]
    return [one for one in found if one is not None]


def _database() -> Any:
    try:
        from torch.testing._internal.common_methods_invocations import op_db
    except ImportError as error:
        raise InputError(
            f"PyTorch's own samples cannot be loaded: {first_line(error)}",
            hint="pip install 'gradcli[audit]'",
        ) from None
    return op_db


def _sample(op: Any, given: Any) -> Sample | None:
    """Return a sample as a program; None for one that no program can call, that draws, or that has no gradient."""
    inputs: dict[str, Tensor] = {}
    draws = _Draws()
    try:
        words = [_source(value, inputs) for value in (given.input, *given.args)]
        words += [f"{name}={_source(value, inputs)}" for name, value in given.kwargs.items()]
        with draws:
            output = op(given.input, *given.args, **given.kwargs)
    except (TypeError, *REFUSALS):
        return None
    if draws.found or not all(map(_is_small, inputs.values())):
        return None
    return _of_output(f"torch.{op.name}({', '.join(words)})", output, inputs)


def _of_output(program: str, output: Any, inputs: Mapping[str, Tensor]) -> Sample | None:
    """Return a call's first result that has a gradient, as real numbers; None if there is none."""
    results = enumerate(output) if isinstance(output, tuple | list) else [(None, output)]
    for place, result in results:
        if not isinstance(result, Tensor) or not _is_differentiable(result):
            continue
        text = program if place is None else f"{program}[{place}]"
        shape, constants = tuple(result.shape), tuple(n for n, value in inputs.items() if not value.requires_grad)
        if result.is_complex():
            text, shape = f"torch.view_as_real({text})", (*shape, 2)
        return Sample(text, {n: value.detach() for n, value in inputs.items()}, shape, constants)
    return None


def _is_differentiable(output: Tensor) -> bool:
    is_of_numbers = output.is_floating_point() or output.is_complex()
    is_small = output.requires_grad and 0 < output.numel() <= MOST_ENTRIES
    # PyTorch cannot say of a sparse tensor whether it is finite.
    return is_of_numbers and is_small and (output.layout is not torch.strided or bool(output.isfinite().all()))


def _is_small(value: Tensor) -> bool:
    return not value.is_complex() and 0 < value.numel() <= MOST_ENTRIES and value.layout is torch.strided


def _source(value: Any, inputs: dict[str, Tensor]) -> str:
    """Return an argument as a program writes it; a tensor is a leaf, TypeError for what has no words."""
    if isinstance(value, Tensor):
        name = f"x{len(inputs)}"
        inputs[name] = value
        return name
    if isinstance(value, tuple | list):
        inner = ", ".join(_source(item, inputs) for item in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner},)" if inner else "()"
    if isinstance(value, slice):
        return f"slice({value.start}, {value.stop}, {value.step})"
    if isinstance(value, bool | int | float | str) or value is None:
        return repr(value)
    raise TypeError(type(value).__name__)
