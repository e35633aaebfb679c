"""The calls that differentiate: `Tensor.backward`, `torch.autograd.backward` and `torch.autograd.grad`, as made."""

from __future__ import annotations

import inspect
import linecache
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.code.places import place_of
from gradcli.report.custom import SourcePlace

Original = Callable[..., Any]
Seen = Callable[[str, Original, tuple[Any, ...], dict[str, Any]], Any]
# Code of PyTorch's, and of ours, which makes again what it has followed, makes no call of the script's.
INNER = (f"{Path(torch.__file__).parent}/", f"{Path(__file__).parents[3]}/")
# Where each is found, by what a script calls it.
PLACES: Mapping[str, tuple[Any, str]] = {
    "Tensor.backward": (Tensor, "backward"),
    "torch.autograd.backward": (torch.autograd, "backward"),
    "torch.autograd.grad": (torch.autograd, "grad"),
}


@contextmanager
def calls_seen(seen: Seen) -> Iterator[None]:
    """Let every call that differentiates go through `seen` meanwhile, which runs it; not those that PyTorch makes."""
    originals = {name: getattr(owner, attribute) for name, (owner, attribute) in PLACES.items()}
    try:
        for name, (owner, attribute) in PLACES.items():
            setattr(owner, attribute, _through(seen, name, originals[name]))
        yield
    finally:
        for name, (owner, attribute) in PLACES.items():
            setattr(owner, attribute, originals[name])


def _through(seen: Seen, name: str, original: Original) -> Original:
    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _is_inner(sys._getframe(1).f_code.co_filename):  # noqa: SLF001 (there is no public way to the caller)
            return original(*args, **kwargs)
        return seen(name, original, args, kwargs)

    return call


@cache
def _is_inner(file: str) -> bool:
    return file.startswith(INNER)


@dataclass(slots=True)
class BackwardCall:
    """One call, with its arguments by what they mean."""

    kind: str
    number: int
    """Which of the script's calls it is, from 1."""
    place: SourcePlace | None
    """The script's line that makes it."""
    text: str
    """That line."""
    frame: FrameType | None
    """Where that is, while it runs."""
    outputs: tuple[Tensor, ...]
    upstream: tuple[Tensor | None, ...]
    """One an output; None stands for ones."""
    inputs: tuple[Any, ...] | None
    """What alone gets a gradient; None stands for every leaf."""
    retains: bool
    creates: bool
    """Whether the gradients have a graph themselves."""
    unusual: str | None
    """Why it cannot be checked, where that is so."""

    @staticmethod
    def of(  # noqa: PLR0917 (as the call was made)
        kind: str,
        original: Original,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        number: int,
        frame: FrameType | None,
    ) -> BackwardCall | None:
        """Return a call that is about to be made; None if Python or PyTorch will refuse its arguments."""
        try:
            given = _signature(original).bind(*args, **kwargs)
        except TypeError:
            return None
        given.apply_defaults()
        return _call(kind, given.arguments, number, frame)

    @property
    def name(self) -> str:
        """Return what the check of it is called: `train.py:14 #3`."""
        return f"#{self.number}" if self.place is None else f"{self.place.file}:{self.place.line} #{self.number}"


def _call(kind: str, given: Mapping[str, Any], number: int, frame: FrameType | None) -> BackwardCall | None:
    outputs = listed(given.get("self", given.get("tensors", given.get("outputs"))))
    vectors = given.get("gradient", given.get("grad_tensors", given.get("grad_outputs")))
    vectors = given.get("grad_variables") if vectors is None else vectors
    upstream = (None,) * len(outputs) if vectors is None else listed(vectors)
    if len(upstream) != len(outputs):
        return None
    inputs = None if given.get("inputs") is None else listed(given["inputs"])
    creates, retains = bool(given.get("create_graph")), given.get("retain_graph")
    retains = creates if retains is None else bool(retains)
    unusual = _unusual(given, (*outputs, *upstream, *(inputs or ())))
    text = _line(frame) or f"{kind}()"
    return BackwardCall(
        kind, number, place_of(frame), text, frame, outputs, upstream, inputs, retains, creates, unusual
    )


def _line(frame: FrameType | None) -> str:
    return "" if frame is None else linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()


@cache
def _signature(original: Original) -> inspect.Signature:
    return inspect.signature(original)


def kept(value: Any) -> Any:
    """Return an argument that can be looked at before the call is made: what can be gone through once is a tuple."""
    return tuple(value) if isinstance(value, Iterator) else value


def listed(value: Any) -> tuple[Any, ...]:
    """Return the tensors that an argument or a result stands for, one by one, as PyTorch does."""
    if isinstance(value, dict):
        return tuple(value.values())
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, Tensor) else (value,)


def _unusual(given: Mapping[str, Any], values: Sequence[Any]) -> str | None:
    if given.get("is_grads_batched"):
        return "a call with is_grads_batched=True is not followed"
    if not all(isinstance(value, Tensor) or value is None for value in values):
        return "a call on edges of the graph, and not on tensors, is not followed"
    return None
