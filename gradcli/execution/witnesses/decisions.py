"""What a program decides by the values of its tensors, and whether it decides otherwise next to a point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from gradcli.execution.forward.again import Again, Perturb
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.run import Run
from gradcli.execution.witnesses.exact_calls import exact_calls
from gradcli.execution.witnesses.grain import Grain, hidden_steps_of
from gradcli.execution.witnesses.jumps_in_reach import next_stairs
from gradcli.execution.witnesses.line import random_directions, real, shaped, unit
from gradcli.execution.witnesses.noise import other_last_bits
from gradcli.execution.witnesses.question import Question
from gradcli.language.branching import may_branch
from gradcli.language.program import Program

# How far to go, relative to the entries: as short as it may be, and as long as any quotient's step.
NEXT, LONG = 2.0**-40, 2.0**-9
# By so many entries at most that the quotients see nothing of.
MOST_UNSEEN = 16


@dataclass(frozen=True)
class Decisions:
    """What a program decides next to the point of a run; without slots, to keep what was asked."""

    run: Run
    rerun: Again
    grain: Grain

    def by(self, traced: TracedTensor) -> bool:
        """Return whether the program decides otherwise for a tiny change of a tensor, or may, but for rounding."""
        return self._openly(traced) or self.hidden(traced)

    def hidden(self, traced: TracedTensor) -> bool:
        """Return whether rounding hides what the program decides next to the point: y > sin(y) at 0.

        It decides otherwise further away, and next to the point only with other last bits of what is rounded.
        """
        if traced not in self._hidden:
            otherwise = self._decides_by_rounded and not self._openly(traced) and self._decides(traced, LONG)
            self._hidden[traced] = otherwise and self._decides(traced, NEXT, *self._last_bits)
        return self._hidden[traced]

    def in_reach(self, traced: TracedTensor) -> bool:
        """Return whether it decides otherwise as far away as quotients go: abs(x - y) < 1e-6 where x = y."""
        return self._decides(traced, LONG)

    def by_hidden_steps(self, traced: TracedTensor) -> bool:
        """Return whether it decides otherwise on the next stair of an op where no step shows that there is one.

        softplus(x) > round(x) is a tie at each double next to 10^160, and not between them.
        """
        if traced not in self._of_steps:
            calls = hidden_steps_of(self.run.trace, traced) if self.rerun.may_decide else ()
            self._of_steps[traced] = any(self._at(one, moved) for one, moved in next_stairs(self.rerun, calls))
        return self._of_steps[traced]

    @cached_property
    def _of_steps(self) -> dict[TracedTensor, bool]:
        return {}

    def unseen(self, question: Question, traced: TracedTensor, gradient: Tensor) -> bool:
        """Return whether it does so by an entry whose gradient is less than what the quotients may be off by.

        They would not see what it decides: by other entries the output may be as large as it likes.
        """
        if gradient.is_complex() or not self._may_decide_by(traced) or question.quotients.directions is not None:
            return False
        claimed = question.quotients.of(gradient).abs()
        rows = ((question.quotients.error > claimed) & (claimed > 0.0)).nonzero()[:MOST_UNSEEN, 0]
        value = question.point[question.name]
        steps, lengths = unit(rows, value.numel()), NEXT * self.grain.lengths(value)
        return any(self._at(traced, value + lengths * shaped(shift, value)) for shift in (*steps, *-steps))

    @cached_property
    def _known(self) -> dict[TracedTensor, bool]:
        return {}

    def _openly(self, traced: TracedTensor) -> bool:
        if traced not in self._known:
            self._known[traced] = self._decides(traced, NEXT)
        return self._known[traced]

    @cached_property
    def _hidden(self) -> dict[TracedTensor, bool]:
        return {}

    @cached_property
    def _last_bits(self) -> Sequence[Perturb]:
        return list(other_last_bits(self.rerun))

    def _decides(self, traced: TracedTensor, step: float, *perturbed: Perturb) -> bool:
        """Return whether the program decides otherwise that far from the point; with `perturbed`, by any of these."""
        value = self.rerun.value(traced)
        if value is None or not value.numel() or not self._may_decide_by(traced):
            return False
        near = [value + side * step * shift for shift in self._shifts(traced, value) for side in (1.0, -1.0)]
        return any(self._at(traced, moved, perturb) for perturb in perturbed or (None,) for moved in near)

    def _shifts(self, traced: TracedTensor, value: Tensor) -> Sequence[Tensor]:
        """Return the ways from a tensor's value, relative to its lengths; those of one tensor at a time are kept."""
        if traced not in self._ways:
            self._ways.clear()
            lengths, random = self.grain.lengths(value), random_directions(1, real(value).numel())
            self._ways[traced] = [lengths, lengths * shaped(random[0], value)]
        return self._ways[traced]

    @cached_property
    def _ways(self) -> dict[TracedTensor, Sequence[Tensor]]:
        return {}

    def _at(self, traced: TracedTensor, moved: Tensor, perturb: Perturb | None = None) -> bool:
        """Return whether the program decides otherwise where a tensor has another value."""
        return self.rerun.decides_otherwise({traced: moved}, perturb)

    def _may_decide_by(self, traced: TracedTensor) -> bool:
        """Return whether anything decided rests on a tensor; a program without branches decides in its calls."""
        return self.rerun.may_decide and (self._branches or decides_by([traced], self.run.trace))

    @cached_property
    def _branches(self) -> bool:
        return not isinstance(self.run.program, Program) or may_branch(self.run.program)

    @cached_property
    def _decides_by_rounded(self) -> bool:
        """Return whether anything decided rests on what a call has rounded."""
        exact = exact_calls(self.rerun)
        made = (traced for call in self.run.trace.calls for traced in call.outputs if traced.is_inexact)
        return self._branches or decides_by(
            (one for one in made if self.rerun.key_of(one) not in exact), self.run.trace
        )


def decides(trace: Trace) -> bool:
    """Return whether the program computes truth values or integers of its leaves, or might branch by them."""
    return decides_by((leaf for leaf in trace.leaves if leaf.is_inexact), trace)


def decides_by(tensors: Iterable[TracedTensor], trace: Trace) -> bool:
    """Return whether the program computes truth values or integers of some tensors."""
    moving = set(tensors)
    for call in trace.calls:
        if not moving.isdisjoint(call.inputs):
            if not all(output.is_inexact for output in call.outputs):
                return True
            moving.update(call.outputs)
    return False
