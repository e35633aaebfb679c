"""One Function with all of its arguments: what can be called at a point, by PyTorch and by its forward's own body."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from gradcli.deadline import TimeIsUpError
from gradcli.errors import ExecutionError, GradcliError, InterruptionError
from gradcli.execution.process import random_numbers_kept, seed_random_numbers
from gradcli.execution.targets.frames import refusal, still_in
from gradcli.execution.targets.function.state import KeptState
from gradcli.execution.targets.parameters import ForwardParameter, has_setup

Values = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Subject:
    """A Function, and the value of every argument that is not a tensor; `tensors` names the others in order."""

    function: type[torch.autograd.Function]
    parameters: tuple[ForwardParameter, ...]
    plain: Mapping[str, Any]
    tensors: tuple[str, ...]
    state: KeptState = field(default_factory=KeptState, compare=False)
    """What forward keeps from call to call, outside of `ctx`."""

    @property
    def name(self) -> str:
        """Return the name of the class."""
        return self.function.__name__

    @property
    def text(self) -> str:
        """Return the call that is checked, as a user would write it."""
        shown = [p.name if p.name in self.tensors else _shown(self.plain[p.name]) for p in self.parameters]
        return f"{self.name}.apply({', '.join(shown)})"

    def arguments(self, point: Values) -> list[Any]:
        """Return forward's arguments in order."""
        return [point[p.name] if p.name in self.tensors else self.plain[p.name] for p in self.parameters]

    def apply(self, point: Values) -> list[Any]:
        """Return the outputs as PyTorch's `apply` makes them; ExecutionError if forward raises."""
        with refusals("forward"), self.as_ever():
            return listed(self.function.apply(*self.arguments(point)))

    def body(self, point: Values) -> list[Any]:
        """Return the outputs of forward's own body, which autograd may record: no custom node is made."""
        with refusals("forward"), self.as_ever():
            return self.forward(point)

    @contextmanager
    def as_ever(self) -> Iterator[None]:
        """Let forward begin with the same random numbers, and with what it keeps itself, whenever it runs."""
        with same_random_numbers(), self.state.as_it_was(self.function):
            yield

    def forward(self, point: Values) -> list[Any]:
        """Return what forward itself gives, and raise what it raises."""
        arguments = self.arguments(point)
        if has_setup(self.function):
            return listed(self.function.forward(*arguments))
        context: Any = FunctionCtx()
        context.needs_input_grad = tuple(isinstance(item, Tensor) and item.requires_grad for item in arguments)
        return listed(self.function.forward(context, *arguments))


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """Let forward draw the same numbers whenever it runs (a dropout's mask), and nobody else: PyTorch's and others."""
    with random_numbers_kept():
        seed_random_numbers(0)
        yield


def listed(outputs: Any) -> list[Any]:
    """Return one or several outputs as a list."""
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def joined(outputs: Sequence[Any], places: Sequence[int]) -> Tensor:
    """Return the outputs at some places as one tensor: the one, or all entries one after the other."""
    if len(places) == 1:
        return outputs[places[0]]
    return torch.cat([outputs[place].reshape(-1) for place in places])


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Turn whatever the user's code raises into an error in the user's terms, with the line that raised it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except TimeIsUpError as error:
        error.where = error.where or still_in(what, error)
        raise
    except (GradcliError, KeyboardInterrupt, InterruptionError):
        raise
    except BaseException as error:
        raise refusal(what, error) from error


def check_outputs(outputs: Sequence[Any]) -> list[int]:
    """Return the places of the outputs that a gradient is taken of; ExecutionError if there is none."""
    places = [place for place, output in enumerate(outputs) if isinstance(output, Tensor) and output.requires_grad]
    if not places:
        kinds = ", ".join(type(output).__name__ for output in outputs) or "nothing"
        raise ExecutionError(
            f"no gradient reaches what forward returns ({kinds}): no output requires grad",
            hint="forward must return a floating-point tensor, made with an input that requires grad",
        )
    if any(outputs[place].is_meta for place in places):
        raise ExecutionError("forward returns a tensor on the meta device, which holds no numbers")
    return places


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 30 else text[:27] + "..."  # noqa: PLR2004 (columns)
