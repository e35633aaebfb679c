"""A program run again at other values of its tensors, with all that it decides by values decided anew.

Comparisons, branches, rounds of loops, selections and orders are the program's own at the new values. What a gradient
takes for constant stays as it was: the value of a detached tensor. But what is decided by such a value is decided by
the one that it would have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import GradcliError, Span
from gradcli.execution.forward.again import Again, Key, Perturb, RefusedError
from gradcli.execution.forward.detached import actual_tensor, detached_again, run_again, with_value
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.inner import OP, call_of
from gradcli.execution.forward.inner import again as again_inside
from gradcli.execution.forward.interpreter import Interpreter
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.memory import check_items
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.run import reduction
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import InnerGradient, Trace, TracedCall, TracedTensor, replaced, traced_in
from gradcli.language.program import Call, Expression, Program
from gradcli.ops.record import Op
from gradcli.settings import Settings


def again(source: Source, settings: Settings, trace: Trace) -> Again:
    """Return a program, or code, as a function of tensors of a trace of it."""
    return Rerun.of(source, settings, trace) if isinstance(source, Program) else source.again(settings, trace)


@dataclass(frozen=True, slots=True)
class Rerun:
    """A program in double precision, as a function of tensors of a trace of it."""

    program: Program
    settings: Settings
    trace: Trace
    leaves: Mapping[TracedTensor, TracedTensor]
    """The trace's leaves in double precision."""
    before: Mapping[Key, TracedCall]
    """The calls at the trace's own point."""
    keys: Mapping[TracedTensor, tuple[Key, int]]
    """Which call made a tensor of the trace, and which of its results it is."""
    may_decide: bool = True
    """Whether the program computes truth values or integers, or looks at a tensor where it is not in a call."""
    memo: dict[Any, Any] = field(default_factory=dict)
    is_unsteady: bool = False
    """Whether it computes another value when it runs again: no program does."""

    @staticmethod
    def of(program: Program, settings: Settings, trace: Trace) -> Rerun:
        """Run a traced program again at its own point."""
        leaves = {leaf: TracedTensor(double(leaf.tensor), leaf.name, leaf.text) for leaf in trace.leaves}
        counts: Counter[tuple[str, Span]] = Counter()
        keys: dict[TracedTensor, tuple[Key, int]] = {}
        for call in trace.calls:
            key = _key(call.op, call.arguments, counts)
            keys |= {traced: (key, place) for place, traced in enumerate(call.outputs)}
        rerun = Rerun(program, settings, trace, leaves, {}, keys)
        machine = rerun._ran({}, None)[1]
        return Rerun(program, settings, trace, leaves, machine.calls, keys, machine.may_decide, rerun.memo)

    @property
    def calls(self) -> Sequence[TracedCall]:
        """Return the calls at the trace's own point."""
        return list(self.before.values())

    def key_of(self, traced: TracedTensor) -> Key | None:
        """Return which call makes a tensor of the trace; None for a leaf."""
        return self.keys[traced][0] if traced in self.keys else None

    def value(self, traced: TracedTensor) -> Tensor | None:
        """Return the value of a tensor of the trace in double precision; None if it is not made there."""
        if traced in self.leaves:
            return self.leaves[traced].tensor
        key, place = self.keys[traced]
        outputs = self.before[key].outputs if key in self.before else []
        return outputs[place].tensor if place < len(outputs) else None

    def output(self, changed: Mapping[TracedTensor, Tensor]) -> Tensor:
        """Return the output with other values of some tensors of the trace.

        RefusedError, or another RuntimeError of PyTorch's, where the program does not run there.
        """
        return self.run(changed)[0]

    def result(
        self,
        traced: TracedTensor,
        changed: Mapping[TracedTensor, Tensor],
        perturb: Perturb | None = None,
    ) -> Tensor:
        """Return a call's result with other values of some tensors; RefusedError where the call is not made."""
        key, place = self.keys[traced]
        calls = self.run(changed, perturb)[1]
        if key not in calls or calls[key].outputs[place].tensor.shape != traced.tensor.shape:
            raise RefusedError("the result has a different shape here")
        return calls[key].outputs[place].tensor

    def run(
        self, changed: Mapping[TracedTensor, Tensor], perturb: Perturb | None = None
    ) -> tuple[Tensor, Mapping[Key, TracedCall]]:
        """Return the output and the calls, with other values of some tensors; as `output` otherwise.

        `perturb` changes the numbers that a call results in.
        """
        output, machine = self._ran(changed, perturb)
        return output, machine.calls

    def _ran(self, changed: Mapping[TracedTensor, Tensor], perturb: Perturb | None) -> tuple[Tensor, _Machine]:
        overridden = {self.keys[traced]: value for traced, value in changed.items() if traced in self.keys}
        machine = _Machine(self.settings, self.before, overridden, perturb, self.memo)
        variables = {
            leaf.text: TracedTensor(changed[leaf], leaf.name, leaf.text) if leaf in changed else own
            for leaf, own in self.leaves.items()
        }
        try:
            with double_precision():
                output = self._finished(machine, Interpreter(self.program, machine, variables).run())
        except (*REFUSALS, GradcliError) as error:
            raise RefusedError(error.message if isinstance(error, GradcliError) else str(error)) from error
        return output, machine

    def _finished(self, machine: _Machine, output: Any) -> Tensor:
        """Return the output's tensor, reduced as the trace's is, and of its shape."""
        if self.settings.reduce != "none" and isinstance(output, TracedTensor):
            output = machine.apply(*reduction(self.program, self.settings, output))
        like = self.trace.output.tensor
        tensor = output.tensor if isinstance(output, TracedTensor) else torch.as_tensor(output, dtype=torch.float64)
        if tensor.shape != like.shape:
            raise RefusedError("the output has a different shape here")
        return tensor

    def decides_otherwise(self, changed: Mapping[TracedTensor, Tensor], perturb: Perturb | None = None) -> bool:
        """Return whether other values change a decision: a truth value, an integer, or which calls are made."""
        try:
            calls = self.run(changed, perturb)[1]
        except RuntimeError:
            return False
        if calls.keys() != self.before.keys():
            return True
        return any(not _same_decisions(calls[key].outputs, self.before[key].outputs) for key in calls)


class _Machine:
    """Runs ops in PyTorch on values, and keeps the calls; a call whose arguments are as before is not run again."""

    def __init__(
        self,
        settings: Settings,
        before: Mapping[Key, TracedCall],
        overridden: Mapping[tuple[Key, int], Tensor],
        perturb: Perturb | None = None,
        memo: dict[Any, Any] | None = None,
    ) -> None:
        self.memo = {} if memo is None else memo
        self._limits = settings.limits
        self.most_rounds = settings.limits.operations
        self.seed = settings.seed
        self.largest_exponent = settings.limits.exponent
        self.calls: dict[Key, TracedCall] = {}
        self._was_asked = False
        self._before = before
        self._overridden = overridden
        self._perturb = perturb
        self._counts: Counter[tuple[str, Span]] = Counter()

    def tensor(self, value: Any) -> Tensor | None:
        """Return the tensor that decisions are made by."""
        if not isinstance(value, TracedTensor):
            return None
        self._was_asked = True
        return actual_tensor(value)

    @property
    def may_decide(self) -> bool:
        """Return whether anything was decided, or might have been, by the values of tensors."""
        results = (traced.tensor for call in self.calls.values() for traced in call.outputs)
        return self._was_asked or any(not (one.is_floating_point() or one.is_complex()) for one in results)

    def decides(self, tensor: Tensor) -> None:
        """`tensor` has taken note of it."""

    def begin_loop(self, rounds: int) -> None:
        """A loop may end before its last round, where the program differentiates."""

    def check_items(self, count: int) -> None:
        """Refuse a list of so many items: this program has made other ones before."""
        check_items(count, self._limits)

    def named(self, value: Any, name: str) -> None:
        """Names do not matter here."""

    def leaf(self, value: Any, name: str) -> Any:  # noqa: ARG002
        """Return what is no leaf of the trace as it is."""
        return value

    def unmade(self, numbers: Tensor) -> TracedTensor:
        """A leaf that is not the trace's is a constant."""
        return TracedTensor(double(numbers), None, "numbers")

    def hide(self, values: Sequence[Any]) -> None:
        """Nothing is shown."""

    def gradient(
        self,
        call: Call,
        outputs: Sequence[Any],
        inputs: Sequence[Any],
        upstream: Sequence[Any],
        *,
        allow_unused: bool,  # noqa: ARG002 (the trace has refused what there is to refuse)
    ) -> tuple[Any, ...]:
        """Return the gradients at these values; of an input that is not used, 0."""
        inner = InnerGradient(tuple(outputs), tuple(inputs), tuple(upstream))
        key = _key(OP, BoundCall(call, [], {}, {}), self._counts)
        found = tuple(TracedTensor(one, None, "grad") for one in again_inside(list(self.calls.values()), inner))
        made = self._override(key, found)
        self.calls[key] = call_of(inner, call, made)
        return made

    def refill(self, value: Any, numbers: Any) -> None:
        """The trace's leaves have their numbers."""

    def overwrites(self, value: Any, call: BoundCall, others: Mapping[str, Any]) -> None:
        """The trace has refused what there is to refuse."""

    def check_elements(self, count: int, node: Expression) -> None:
        """As `overwrites`."""

    def apply(self, op: Op, call: BoundCall) -> Any:
        """Run one op, unless it is known what it gives."""
        key = _key(op, call, self._counts)
        if len(self.calls) >= self.most_rounds:
            raise RefusedError("the program runs longer here")
        before = self._before.get(key)
        if before is not None and _unchanged(call, before.arguments):
            result = before.result
        elif before is not None and op.name == "detach":
            result = detached_again(call, before)
        else:
            result = self._perturbed(key, run_again(op, call, before))
        self.calls[key] = TracedCall(op, call, self._override(key, result))
        return self.calls[key].result

    def _perturbed(self, key: Key, result: Any) -> Any:
        """Return a result with other numbers in it, if any are asked for."""
        perturb = self._perturb
        if perturb is None:
            return result
        return replaced(result, lambda traced: with_value(traced, perturb(key, traced.tensor)))

    def _override(self, key: Key, result: Any) -> Any:
        """Return a result with the tensors in it that are given other values."""
        if not self._overridden:
            return result
        tensors = list(dict.fromkeys(traced_in(result)))
        return replaced(result, lambda traced: self._overriding(key, tensors.index(traced), traced))

    def _overriding(self, key: Key, place: int, traced: TracedTensor) -> TracedTensor:
        value = self._overridden.get((key, place))
        return traced if value is None else TracedTensor(value, traced.name, traced.text)


def _key(op: Op, call: BoundCall, counts: Counter[tuple[str, Span]]) -> Key:
    """Return the key of a call that runs now, and count it."""
    where = op.name, call.node.span
    counts[where] += 1
    return (*where, counts[where])


def _unchanged(call: BoundCall, before: BoundCall) -> bool:
    """Return whether a call has the very tensors that it had, and all else is equal."""
    return bool(call.positional == before.positional and call.keywords == before.keywords)


def _same_decisions(now: Sequence[TracedTensor], before: Sequence[TracedTensor]) -> bool:
    pairs = zip(now, before, strict=False)
    return all(one is other or _decided_alike(one.tensor, other.tensor) for one, other in pairs)


def _decided_alike(one: Tensor, other: Tensor) -> bool:
    if one.is_floating_point() or one.is_complex():
        return True
    return torch.equal(one, other)
