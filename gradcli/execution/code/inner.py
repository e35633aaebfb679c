"""What runs inside of an autograd.Function's forward, or of a definition that is code: recorded as the table's calls.

Autograd does not look inside. So the calls there are recorded with values of their own, and are linked to those
outside, of what goes in and of what comes out, by copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd import function as functions

from gradcli.execution.code.steps import Steps, gap
from gradcli.execution.forward import tree
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.equivalents import entry
from gradcli.execution.forward.followed import Followed
from gradcli.execution.forward.recorder import Recorder
from gradcli.execution.forward.trace import TracedCall, TracedTensor, traced_in
from gradcli.execution.forward.twins import RandomState, is_same, random_numbers

Seen = Callable[[type, tuple[Any, ...], Callable[..., Any]], Any]
DIFFERENT = "{} does not compute here what it returns"


@contextmanager
def functions_seen(seen: Seen) -> Iterator[None]:
    """Let every application of an autograd.Function meanwhile go through `seen`, bound methods made before too."""
    base: Any = functions._SingleLevelFunction  # noqa: SLF001 (what `apply` calls; there is no public hook)

    def apply(cls: type, *args: Any) -> Any:
        return seen(cls, args, lambda *given: _plain(cls, given))

    base.apply = classmethod(apply)
    try:
        yield
    finally:
        del base.apply


def _plain(cls: type, args: Sequence[Any]) -> Any:
    """Apply a Function as PyTorch does."""
    return super(functions._SingleLevelFunction, cls).apply(*args)  # type: ignore[misc]  # noqa: SLF001


class Inside:
    """A recording of what runs inside, and how it is linked to what is outside."""

    def __init__(self, steps: Steps, tensors: Sequence[Tensor], name: str, given: Sequence[Followed] = ()) -> None:
        self._name, self._steps = name, steps
        self._given = list(given) or [steps.traced(tensor) for tensor in tensors]
        steps.values.keep(tensors)
        self._own = [_copy(value) for value in self._given]
        self._recorder = Recorder(self._own)
        for tensor, own in zip(tensors, self._own, strict=True):
            self._recorder.aliases.know(tensor, own)
        self._outputs: list[Tensor] = []

    @staticmethod
    def of_function(
        steps: Steps, function: type, args: tuple[Any, ...], apply: Callable[..., Any]
    ) -> tuple[Inside, Any]:
        """Apply a Function; return what its forward computes, and its outputs."""
        tensors = {id(arg): arg for arg in args if isinstance(arg, Tensor) and arg.requires_grad}
        inside = Inside(steps, list(tensors.values()), f"{function.__name__}.forward")
        with inside._recorder:
            outputs = apply(*args)
        inside._outputs = [tensor for tensor in tree.tensors(outputs) if tensor.requires_grad]
        return inside, outputs

    @staticmethod
    def of_definition(
        steps: Steps, definition: Callable[..., Any], call: MadeCall, given: Mapping[int, Followed], drawn: RandomState
    ) -> Inside:
        """Run the definition of a call that has run, with the random numbers that it drew, on what it was given.

        What it has written to is no longer what it was given, but for the value that was kept of it.
        """
        values = {id(tensor): given[id(tensor)] for tensor in call.tensors if tensor.requires_grad}
        taken = {name: value.tensor.detach().requires_grad_() for name, value in values.items()}
        inside = Inside(steps, list(taken.values()), f"{call.short}()", list(values.values()))
        args, keywords = tree.map(lambda leaf: taken.get(id(leaf), leaf), [call.args, call.keywords])
        with torch.no_grad(), random_numbers(drawn), inside._recorder:
            made = tree.tensors(definition(*args, **keywords))
        inside._outputs = [tensor for tensor in made if tensor.is_floating_point() or tensor.is_complex()]
        return inside

    def calls(self, faces: Sequence[Followed]) -> list[TracedCall]:
        """Return the calls from the values outside that went in to those that came out; a gap where that is not known.

        A Function's outputs are what it returns; a definition's are made once more, and compared with the real ones.
        """
        values = [self._recorder.traced(tensor) for tensor in self._outputs]
        reason = self._recorder.gap or self._recorder.left
        pairs = [(value.tensor.detach(), face.tensor.detach()) for value, face in zip(values, faces, strict=True)]
        if reason is None and not all(is_same(*pair) for pair in pairs):
            reason = DIFFERENT.format(self._name)
        if reason is not None:
            result = tuple(faces) if len(faces) > 1 else faces[0]
            words, draws = reason.replace("forward", self._name, 1), self._recorder.draws
            return [gap(words, self._given, result, draws=draws)]
        _forget_graph(self._recorder.trace.calls, values)
        into = [_clone(one, other) for one, other in zip(self._given, self._own, strict=True)]
        out = [_clone(one, other) for one, other in zip(values, faces, strict=True)]
        return [*into, *self._recorder.trace.calls, *out]


def _copy(value: Followed) -> TracedTensor:
    return TracedTensor(value.tensor.detach().clone().requires_grad_(), None, value.name or value.text)


def _clone(value: TracedTensor, result: TracedTensor) -> TracedCall:
    op, call = entry("clone", value)
    return TracedCall(op, call, result)


def _forget_graph(calls: Sequence[TracedCall], values: Sequence[TracedTensor]) -> None:
    """Keep of recorded values the numbers alone: the graph that autograd has of them is not the code's."""
    found = [traced for call in calls for traced in (*call.inputs, *traced_in(call.result))]
    for traced in {*found, *values}:
        if not isinstance(traced, Followed) and traced.tensor.grad_fn is not None:
            traced.tensor = traced.tensor.detach().requires_grad_()
