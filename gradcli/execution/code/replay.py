"""Code run again at other values of its leaves, with all that it decides by values decided anew.

What a gradient takes for constant stays as it was: what is made without autograd, and what is detached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.code.held import found_again, holding
from gradcli.execution.code.rerunning import Replay
from gradcli.execution.code.steady import near, rounding
from gradcli.execution.forward.again import Key, Perturb, RefusedError
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.followed import is_given
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.run import reduction_of
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.execution.process import use_one_thread
from gradcli.settings import Settings

# Code on fewer entries than this runs faster on one thread, and much faster beside a busy core.
FEW_ENTRIES = 1 << 20


class Runnable(Protocol):
    """Code that can be run on leaves."""

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """Return a module's own leaves, which it holds itself."""

    def run(self, leaves: Mapping[str, Tensor], settings: Settings) -> tuple[str, Tensor]:
        """Return the output, and its path."""


@dataclass(frozen=True, slots=True)
class CodeAgain:
    """Code as a function of its leaves."""

    code: Runnable
    settings: Settings
    trace: Trace
    leaves: Mapping[TracedTensor, TracedTensor]
    kept: list[list[Tensor]] = field(default_factory=list)
    decisions: list[Any] = field(default_factory=list)
    may_decide: bool = True
    is_refused: bool = False
    """Whether the code does not run a second time, or draws what depends on its leaves."""
    is_unsteady: bool = False
    """Whether it computes another value when it runs again: it counts its calls, or keeps something from the first."""
    held: Mapping[TracedTensor, Tensor] = field(default_factory=dict)
    """The leaves that the code is not given, and has from elsewhere; not those that it makes whenever it runs."""

    @staticmethod
    def of(code: Runnable, settings: Settings, trace: Trace) -> CodeAgain:
        """Run code again at its own point."""
        own = [leaf for leaf in trace.leaves if leaf not in trace.hidden]
        leaves = {leaf: TracedTensor(double(leaf.tensor.detach()), leaf.name, leaf.text) for leaf in own}
        settings = replace(settings, pick=trace.ran.path)
        found = CodeAgain(code, settings, trace, leaves, is_refused=any(call.draws for call in trace.calls))
        if found.is_refused or settings.dtype not in {"float64", "complex128"}:
            return found
        if sum(leaf.tensor.numel() for leaf in own) <= FEW_ENTRIES:
            use_one_thread()
        replay = Replay()
        try:
            is_unsteady = found._is_unsteady(found._ran({}, replay))
        except RuntimeError:
            return replace(found, is_refused=True)
        return replace(
            found,
            kept=replay.made,
            decisions=replay.decisions,
            may_decide=bool(replay.decisions),
            is_unsteady=is_unsteady,
            held=found_again(own, replay.read),
        )

    def _is_unsteady(self, output: Tensor) -> bool:
        """Return whether an output is another than the trace's, by more than another way to round makes it."""
        before = double(self.trace.output.tensor.detach()).to(output.device)
        if near(before, output):
            return False
        if not near(output, self._ran({}, Replay())):
            return True
        moved = self._ran({}, Replay(perturb=rounding()))
        return not near(before, output, (moved - output).abs())

    @property
    def calls(self) -> list[TracedCall]:
        """Return the calls that were followed, and have a definition."""
        return [call for call in self.trace.calls if call.gap is None]

    def key_of(self, _: TracedTensor) -> Key | None:
        """Return nothing: calls are not told apart."""
        return None

    def value(self, traced: TracedTensor) -> Tensor | None:
        """Return the value of a leaf; None of all else, and where the code does not run in double precision."""
        is_double = self.settings.dtype in {"float64", "complex128"} and self.trace.precision is None
        if not is_double or self.is_refused or traced not in self.leaves:
            return None
        if traced not in self.held and not is_given(traced):
            return None
        return self.leaves[traced].tensor

    def output(self, changed: Mapping[TracedTensor, Tensor]) -> Tensor:
        """Return the output with other values of some leaves; RefusedError where the code does not run."""
        return self.run(changed)[0]

    def result(
        self, traced: TracedTensor, changed: Mapping[TracedTensor, Tensor], perturb: Perturb | None = None
    ) -> Tensor:
        """Return the output; nothing else is known by a call."""
        if traced is not self.trace.output:
            raise RefusedError("what a call of the code results in is not looked at by itself")
        return self.run(changed, perturb)[0]

    def run(self, changed: Mapping[TracedTensor, Tensor], perturb: Perturb | None = None) -> tuple[Tensor, Replay]:
        """Return the output with other values of some leaves, and what was seen; as `output` otherwise."""
        replay = Replay(self.kept, perturb)
        return self._ran(changed, replay), replay

    def _ran(self, changed: Mapping[TracedTensor, Tensor], replay: Replay) -> Tensor:
        values = {
            leaf: changed.get(leaf, own.tensor).detach().requires_grad_(leaf.tensor.requires_grad)
            for leaf, own in self.leaves.items()
        }
        given = {leaf.text: value for leaf, value in values.items() if is_given(leaf)}
        device, parameters = self.settings.device, self.code.parameters
        own = [(parameter, given[name]) for name, parameter in parameters.items() if name in given]
        own += [(tensor, values[leaf]) for leaf, tensor in self.held.items() if leaf in changed]
        inputs = {name: _fresh(value, device) for name, value in given.items() if name not in parameters}
        replay.given = {id(tensor) for tensor in (*inputs.values(), *parameters.values(), *self.held)}
        try:
            with holding(own), double_precision(), torch.enable_grad(), replay.seeing():
                output = self.code.run(inputs, self.settings)[1]
        except (*REFUSALS, GradcliError) as error:
            raise RefusedError(error.message if isinstance(error, GradcliError) else str(error)) from error
        output = output if self.settings.reduce == "none" else reduction_of(self.settings)(output)
        if output.shape != self.trace.output.tensor.shape:
            raise RefusedError("the output has a different shape here")
        return double(output)

    def decides_otherwise(self, changed: Mapping[TracedTensor, Tensor], perturb: Perturb | None = None) -> bool:
        """Return whether other values change a truth value or an integer."""
        try:
            replay = self.run(changed, perturb)[1]
        except RuntimeError:
            return False
        pairs = zip(replay.decisions, self.decisions, strict=False)
        return len(replay.decisions) != len(self.decisions) or not all(_alike(*pair) for pair in pairs)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    return isinstance(one, float) or one == other


def _fresh(value: Tensor, device: str) -> Tensor:
    """Return a leaf: code may hook what requires grad."""
    return value.detach().clone().to(device).requires_grad_(value.requires_grad)
