"""What parts of autograd's graph pass on as backward runs: for what is not one call that can be run again by itself.

A part is what lies between the results of a call, or of a step of code, and the values behind them that autograd knows.
Hooks on its nodes see what it hands to each of these values, as it is, whatever made the nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from gradcli.execution.autograd.nodes import place_in_graph
from gradcli.execution.forward.followed import Followed, Ran
from gradcli.execution.forward.plain import plain
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor

Place = tuple[Any, int]
# The nodes of the parts before, by which no other part is entered.
Owned = dict[Any, "GraphPart"]


@dataclass(slots=True, eq=False)
class GraphPart:
    """A part of autograd's graph, and what it has passed on."""

    results: tuple[TracedTensor, ...]
    can_run: bool
    """Whether it is one call whose contributions are those of the call run again by itself."""
    behind: dict[tuple[Any, int], TracedTensor] = field(default_factory=dict)
    """The value that a node passes gradients to, by the node and the number of its result."""
    same: dict[TracedTensor, TracedTensor] = field(default_factory=dict)
    """The values that autograd does not tell from a result: a constant was added to the memory."""
    entered: dict[GraphPart, None] = field(default_factory=dict)
    """Earlier parts into whose inside it passes gradients too: what comes of these is counted there."""
    passed_on: dict[TracedTensor, Tensor] = field(default_factory=dict)
    """What has been passed on to each value so far."""

    @property
    def operands(self) -> tuple[TracedTensor, ...]:
        """Return the values behind the results, each once."""
        return tuple(dict.fromkeys([*self.same, *self.behind.values()]))

    def take(self, node: Any, gradients: Sequence[Tensor | None]) -> None:
        """Note what a node of the part passes on."""
        for number, found in enumerate(gradients):
            traced = self.behind.get((node, number))
            if traced is not None and found is not None:
                known = self.passed_on.get(traced)
                self.passed_on[traced] = plain(found).clone() if known is None else known + plain(found)


@dataclass(slots=True)
class _Values:
    """The values that autograd knows, by their places in its graph, with the number of the part that made them."""

    found: dict[Place, list[tuple[int, TracedTensor]]] = field(default_factory=dict)

    def note(self, traced: TracedTensor, number: int) -> None:
        place = place_in_graph(traced)
        if place is not None:
            self.found.setdefault(place, []).append((number, traced))

    def at(self, place: Place, before: int) -> TracedTensor | None:
        """Return the last value at a place that was made before some part."""
        known = [(number, traced) for number, traced in self.found.get(place, ()) if number < before]
        return max(known, key=lambda pair: pair[0])[1] if known else None


def parts_of(trace: Trace) -> dict[int, GraphPart]:
    """Return the part of each call by the call's identity; empty where every call can be run again by itself."""
    units = [*_units(trace)]
    if all(_can_run(calls) for calls, _ in units):
        return {}
    parts = [GraphPart(results, _can_run(calls)) for calls, results in units]
    values, owned = _Values(), Owned()
    for leaf in trace.leaves:
        values.note(leaf, -1)
    for number, part in enumerate(parts):
        _walk(part, number, values, owned)
        for traced in part.results:
            values.note(traced, number)
    return {id(call): part for (calls, _), part in zip(units, parts, strict=True) for call in calls}


@contextmanager
def passing_on(parts: Iterable[GraphPart]) -> Iterator[None]:
    """Let parts take what they pass on while backward runs meanwhile; those that can be run again take nothing."""
    nodes = [
        (node, part) for part in parts if not part.can_run for node in dict.fromkeys(node for node, _ in part.behind)
    ]
    hooks = [node.register_hook(lambda given, _, node=node, part=part: part.take(node, given)) for node, part in nodes]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _units(trace: Trace) -> Iterator[tuple[tuple[TracedCall, ...], tuple[TracedTensor, ...]]]:
    """Yield what ran as one, with its results: the calls of a step of code, and else each call."""
    if not isinstance(trace.ran, Ran) or sum(len(step.calls) for step in trace.ran.steps) != len(trace.calls):
        yield from (((call,), tuple(call.outputs)) for call in trace.calls)
        return
    calls = iter(trace.calls)
    for step in trace.ran.steps:
        own = tuple(next(calls) for _ in step.calls)
        made = dict.fromkeys(output for call in own for output in call.outputs)
        yield own, tuple(one for one in made if isinstance(one, Followed) and one.step is step)


def _can_run(calls: Sequence[TracedCall]) -> bool:
    """Return whether it is one call, whose operands and results autograd knows, that can be run again by itself."""
    if len(calls) != 1 or calls[0].gap is not None:
        return False
    (call,) = calls
    passed = [traced for traced in (*call.inputs, *call.outputs) if traced.tensor.requires_grad]
    ambiguous = any(isinstance(traced, Followed) and traced.is_ambiguous for traced in call.outputs)
    return not ambiguous and all(place_in_graph(traced) is not None for traced in passed)


def _walk(part: GraphPart, number: int, values: _Values, owned: Owned) -> None:
    """Find the nodes of a part, which is that one's `number`, and the values behind it."""
    places = [(traced, place) for traced in part.results if (place := place_in_graph(traced)) is not None]
    waiting = []
    for traced, place in places:
        known = values.at(place, number)
        if known is not None:
            part.same[known] = traced
        else:
            waiting.append(place[0])
    while waiting:
        node = waiting.pop()
        if owned.get(node) is part:
            continue
        if node in owned:
            part.entered[owned[node]] = None
            owned[node].can_run = False  # more than its own cotangents passes by its nodes
            continue
        owned[node] = part
        for count, (following, of) in enumerate(node.next_functions):
            known = None if following is None else values.at((following, of), number)
            if known is not None:
                part.behind[node, count] = known
            elif following is not None:
                waiting.append(following)
