"""What a program does with leaves of one kind, worked out once: shapes, dtypes and strides decide it, and no entry.

A program is walked through, its calls are bound and its results named at each run. All of that is the same in a second
run on other numbers, so that the calls are kept without their values, and run again on others. Whatever turns out
otherwise than planned (a shape, an error of PyTorch's) gives the plan up: the program is then run as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sized
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.forward import tree
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.memory import Memory
from gradcli.execution.forward.places import FilledCall, Place, UnplacedError, filled, placed
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.straight import runs_straight
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor, of_tensors
from gradcli.execution.forward.tracer import call_text
from gradcli.language.program import Program
from gradcli.limits import Limits
from gradcli.ops.record import Op
from gradcli.progress import begin
from gradcli.settings import Settings

# Programs, each with one kind of leaves, that are kept; and the ops of them all, which take some kilobytes each.
MOST, MOST_OPS = 64, 20_000
Kind = tuple[Any, ...]


class DiffersError(Exception):
    """A run is not as it was planned."""


def kind_of(tensor: Tensor) -> Kind:
    """Return what of a tensor decides what is done with it, beside its entries."""
    return tensor.shape, tensor.dtype, tensor.stride(), tensor.requires_grad


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call without its values."""

    op: Op
    arguments: BoundCall
    """With places for values."""
    is_checked: bool
    """Whether the entries of an operand say how much memory it takes."""
    result: Any
    """With places for values."""
    leaves: tuple[Place, ...]
    """The same places, in order."""
    inputs: tuple[Place, ...]
    made: tuple[tuple[str | None, str, Kind], ...]
    """The name, the text and the kind of each tensor that it makes."""
    text: str
    """Its source."""

    @staticmethod
    def of(call: TracedCall, places: dict[TracedTensor, int], text: str) -> PlannedCall:
        """Return a call without its values, whose results get the next places; UnplacedError if there is no plan."""
        if call.gap or call.draws or call.inner or call.autocast or call.op.crashes is not None:
            raise UnplacedError
        place = partial(placed, places=places, kinds=(TracedTensor,))
        given = call.arguments
        arguments = BoundCall(given.node, place(given.positional), place(given.keywords), place(given.bound))
        for traced in call.outputs:
            places.setdefault(traced, len(places))
        result = place(call.result)
        leaves = tree.leaves(result)
        if not all(isinstance(leaf, Place) for leaf in leaves):
            raise UnplacedError  # a number or a truth value, by which a program may decide
        made = tuple((one.name, one.text, kind_of(one.tensor)) for one in dict.fromkeys(call.outputs))
        is_checked = not all(one.tensor.is_floating_point() or one.tensor.is_complex() for one in call.inputs)
        inputs = tuple(Place(places[traced]) for traced in call.inputs)
        return PlannedCall(call.op, arguments, is_checked, result, tuple(leaves), inputs, made, text)

    def again(self, values: list[TracedTensor], tensors: list[Tensor], limits: Limits) -> TracedCall:
        """Run the call on a run's values, and add what it makes to them; DiffersError if that is of another kind.

        `tensors` are those of the values.
        """
        places = self.arguments
        ready = of_tensors(self.op, places, filled(places.positional, tensors), filled(places.keywords, tensors))
        if self.is_checked:
            Memory(limits, ()).check(ready, pointwise=self.op.is_entrywise)
        begin(f"'{self.text}'")
        made, start = ready(), len(values)
        found = [made] if isinstance(made, Tensor) else tree.leaves(made)
        if len(found) != len(self.leaves):
            raise DiffersError
        for tensor, place in zip(found, self.leaves, strict=True):
            if place.number == len(values):
                name, text, kind = self.made[len(values) - start]
                if not isinstance(tensor, Tensor) or kind_of(tensor) != kind:
                    raise DiffersError
                values.append(TracedTensor(tensor, name, text))
                tensors.append(tensor)
            elif tensors[place.number] is not tensor:
                raise DiffersError
        return _known(
            TracedCall(self.op, FilledCall(places, values), filled(self.result, values)),
            inputs=[values[place.number] for place in self.inputs],
            outputs=values[start:],
        )


def _known(call: TracedCall, **properties: Any) -> TracedCall:
    """Return a call that is told what it would work out when it is asked."""
    call.__dict__.update(properties)
    return call


@dataclass(slots=True)
class Plan:
    """A program's run on leaves of one kind, without their values."""

    calls: tuple[PlannedCall, ...]
    output: Any
    variables: Any
    further: dict[Hashable, Sized] = field(default_factory=dict)
    """What is worked out of such a run later, by whoever does; it holds no values either."""

    @property
    def ops(self) -> int:
        """Return how many ops are kept."""
        return len(self.calls) + sum(map(len, self.further.values()))

    @staticmethod
    def of(trace: Trace, program: Program) -> Plan | None:
        """Return a run without its values; None if values may have decided something."""
        if trace.constants or trace.hidden or trace.differentiated is not None:
            return None
        places = {leaf: number for number, leaf in enumerate(trace.leaves)}
        place = partial(placed, places=places, kinds=(TracedTensor,))
        try:
            calls = tuple(
                [PlannedCall.of(call, places, call_text(program, call.arguments.node)) for call in trace.calls]
            )
            return Plan(calls, place(trace.output), place(dict(trace.variables)))
        except UnplacedError:
            return None

    def again(self, leaves: Mapping[str, Tensor], limits: Limits) -> Trace | None:
        """Return the trace of a run on these leaves; None if it is not as planned."""
        values = [TracedTensor(tensor, name, name, is_leaf=True) for name, tensor in leaves.items()]
        trace = Trace([*values], plan=self)
        try:
            tensors = [*leaves.values()]
            trace.calls = [call.again(values, tensors, limits) for call in self.calls]
        except (DiffersError, GradcliError, *REFUSALS):
            return None
        trace.output, trace.variables = filled(self.output, values), filled(self.variables, values)
        return trace


@dataclass(slots=True)
class Plans:
    """The plans of this process, those that were used last; one thread checks at a time."""

    known: dict[Hashable, tuple[Program, Plan | None]] = field(default_factory=dict)
    """By the program and the kinds of its leaves, the last used last; None where it has run once."""

    def trace_of(
        self, program: Program, settings: Settings, leaves: Mapping[str, Tensor], run: Callable[[], Trace]
    ) -> Trace:
        """Return the trace of a program on these leaves, as `run` gives it, by its plan if it has one."""
        key = _key(program, settings, leaves)
        has_run, plan = key in self.known, self.known.pop(key, (program, None))[1]
        trace = None if plan is None else plan.again(leaves, settings.limits)
        if trace is not None:
            self.known[key] = program, plan
            return trace
        trace = run()
        if has_run and plan is None and runs_straight(program):
            plan = trace.plan = Plan.of(trace, program)
        self.known[key] = program, plan
        self._forget()
        return trace

    def _forget(self) -> None:
        """Drop those plans that were not used for longest, where there are too many."""
        sizes = [0 if plan is None else plan.ops for _, plan in self.known.values()]
        while len(sizes) > MOST or (sum(sizes) > MOST_OPS and len(sizes) > 1):
            del sizes[0]
            del self.known[next(iter(self.known))]


def _key(program: Program, settings: Settings, leaves: Mapping[str, Tensor]) -> Hashable:
    """Return what decides a run, beside the entries of leaves. The program is kept, and so is told by its id."""
    kinds = tuple([(name, kind_of(tensor)) for name, tensor in leaves.items()])
    return id(program), kinds, settings.limits, settings.reduce, settings.device, torch.get_default_dtype()


PLANS = Plans()
