"""Code in the place of a program: its leaves, and its trace at a point."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError, GradcliError, UnfollowedError
from gradcli.execution.code.borrowed import Borrowed
from gradcli.execution.code.follower import Follower
from gradcli.execution.code.gathered import gathered
from gradcli.execution.code.integers import with_integers
from gradcli.execution.code.kept import Kept
from gradcli.execution.code.lazy import has_lazy, initialize
from gradcli.execution.code.outputs import output_of
from gradcli.execution.code.pure import pure
from gradcli.execution.code.replay import CodeAgain
from gradcli.execution.code.target import Target, unable
from gradcli.execution.forward.dtypes import is_inexact
from gradcli.execution.forward.finite import all_finite
from gradcli.execution.forward.followed import Followed, held_by
from gradcli.execution.forward.kinds import kind_of
from gradcli.execution.forward.leaves import make_leaves
from gradcli.execution.forward.run import reduction_of
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.forward.value_files import read_values
from gradcli.execution.process import seed_random_numbers
from gradcli.execution.targets.function.sampling import draw_point
from gradcli.execution.targets.function.subject import refusals
from gradcli.settings import Settings

# What an entry of a parameter may take in a check: its value, its gradients, and a step of a derivative.
BYTES = 64
# What a module keeps from one call to the next is part of what these commands show.
GOING_ON = frozenset({"accumulate"})
# How PyTorch refuses operands of two dtypes, or of one that it has not got for them.
TWO_PRECISIONS = (
    "expects float",
    "only works on Float",
    "same dtype",
    "scalar type",
    "same type",
    "Index put requires the source and destination dtypes match",
)
ALONE = "the code runs, and cannot be followed here: then {}"
IS_NO_FAULT = "the code itself is in order, and nothing is said of its gradients"
OF_A_LEAF = "the parameter '{}' is a {} tensor, by which no derivative is taken here"
AS_CONSTANT = "`--constant {}` takes it for a constant, and all else is checked"
OF_THE_CHECK = (
    "the check computes in {}: make tensors of the code's own in that, or choose theirs, as by `--dtype float32`"
)


@dataclass(frozen=True, slots=True)
class CodeProgram:
    """Code with its inputs; runs leave its buffers as they were when it was made."""

    target: Target
    borrowed: Borrowed = field(default_factory=Borrowed)

    @staticmethod
    def of(target: Target, settings: Settings) -> CodeProgram:
        """Return the program of some code; a lazy module has its parameters then. Raises what running it raises."""
        module = target.module
        if module is not None and has_lazy(module):
            initialize(module, lambda: CodeProgram(target).first_run(settings))
        kept = None if settings.command in GOING_ON else Kept(target.call)
        return CodeProgram(target, Borrowed(module, kept))

    @property
    def source(self) -> str:
        """Return what the code is called."""
        return self.target.name

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Return the module's parameters that require grad, each once, by PyTorch's names."""
        return {} if self.target.module is None else dict(self.target.module.named_parameters())

    def with_room(self, settings: Settings) -> Settings:
        """Return the settings with limits that the code's own tensors and their gradients are within."""
        own = [*self.parameters.values(), *self.target.inputs.tensors().values()]
        entries, largest = sum(tensor.numel() for tensor in own), max((tensor.numel() for tensor in own), default=0)
        limits = settings.limits
        room = replace(limits, elements=max(limits.elements, 2 * largest), memory=max(limits.memory, BYTES * entries))
        return replace(settings, limits=room)

    def leaves_of(self, settings: Settings, given: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the leaves: the inputs, then the parameters that require grad."""
        return self._leaves(settings, make_leaves(self._names(settings), self._known(settings), self._given(given)))

    def first_run(self, settings: Settings) -> None:
        """Run the code where it has no parameters yet, on the inputs alone."""
        found = make_leaves(self._names(settings), self._known(settings), self._given({}))
        inputs = {name: value for name, value in found.items() if name not in self.parameters}
        with_integers(settings, inputs, lambda inputs: self.call(inputs, settings))

    def drawn(self, settings: Settings, given: Mapping[str, Any]) -> Trace:
        """Return the trace at the first point drawn at which the output is finite; else at the first one."""
        traces: dict[int, Trace] = {}  # of the last point

        def fits(point: dict[str, Tensor]) -> bool:
            traces.clear()
            traces[id(point)] = self.trace_of(settings, self._leaves(settings, point))
            return all_finite(traces[id(point)].output.tensor)

        point = draw_point(self._names(settings), self._known(settings), self._given(given), fits)
        return traces[id(point)] if id(point) in traces else self.trace_of(settings, self._leaves(settings, point))

    def _names(self, settings: Settings) -> list[str]:
        """Return the names of what is made of options: inputs, and parameters that are given a value."""
        valued = {*read_values(settings.values_file), *settings.values}
        return [*self.target.inputs.tensors(), *self.target.free, *(name for name in self.parameters if name in valued)]

    def _known(self, settings: Settings) -> Settings:
        """Return the settings for inputs alone."""
        names = {*self.target.inputs.tensors(), *self.target.free, *self.parameters}
        constants = tuple(name for name in settings.constants if name in names)
        return replace(settings, constants=constants)

    def _given(self, given: Mapping[str, Any]) -> dict[str, Any]:
        own = {name: tensor.detach() for name, tensor in self.target.inputs.tensors().items()}
        return {**own, **{name: value for name, value in given.items() if name in own}}

    def _leaves(self, settings: Settings, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        own = {name: value for name, value in self.parameters.items() if value.requires_grad and name not in inputs}
        for name in settings.constants:
            if name in own:
                own.pop(name).requires_grad_(False)  # noqa: FBT003 (PyTorch's own)
        sparse = next((name for name, value in own.items() if kind_of(value) is not None), None)
        if sparse is not None:
            raise UnfollowedError(OF_A_LEAF.format(sparse, kind_of(own[sparse])), hint=AS_CONSTANT.format(sparse))
        fixed = {name for name, value in self.target.inputs.tensors().items() if not is_inexact(value)}
        found = {name: value.detach() if name in fixed else value for name, value in inputs.items()} | own
        if self.target.module is not None and not any(leaf.requires_grad for leaf in found.values()):
            raise unable(self.source)  # a function may have leaves from elsewhere
        return found

    def run(self, leaves: Mapping[str, Tensor], settings: Settings) -> tuple[str, Tensor]:
        """Return the output on some leaves, as the code computes it, and its path; ExecutionError if it raises."""
        self._set(leaves)
        return output_of(self.call(leaves, settings), settings.pick)

    def call(self, leaves: Mapping[str, Tensor], settings: Settings) -> Any:
        """Return what the code returns for some inputs, its module as it is; ExecutionError if it raises."""
        args, keywords = self.target.arguments(leaves)
        seed_random_numbers(settings.seed)
        with _hinted(settings), refusals(self.source), self.borrowed.noticed(settings):
            return self.target.call(*args, **keywords)

    def _set(self, leaves: Mapping[str, Tensor]) -> None:
        """Give the module its parameters' values, and its buffers the ones that they had."""
        others = [(own, leaves[name]) for name, own in self.parameters.items() if leaves.get(name, own) is not own]
        if others:  # what runs again and again gives none, and would see each call here
            _give(others)
        self.borrowed.reset()

    def trace_of(self, settings: Settings, leaves: Mapping[str, Tensor]) -> Trace:
        """Run the code on these leaves under autograd, and return its trace, with `--reduce` applied."""
        trace, constants = with_integers(settings, leaves, lambda leaves: self._trace(settings, leaves))
        trace.constants = constants
        return trace

    def _trace(self, settings: Settings, leaves: Mapping[str, Tensor]) -> Trace:
        follower = Follower(self.target.module)
        own = self.parameters
        self._set(leaves)
        started = [self._begin(follower, own.get(name, leaf), name, own) for name, leaf in leaves.items()]
        with torch.enable_grad():
            path, output = self._followed(follower, leaves, settings)
            traced = follower.steps.traced(output)
            traced.real = output
            traced.writes = tuple(follower.writes.found)
            if settings.reduce != "none":
                traced = self._reduced(follower, settings, traced)
        trace = gathered(traced, started)
        if not any(leaf.tensor.requires_grad for leaf in trace.leaves):
            raise unable(self.source)
        self.borrowed.take(tensor for leaf in trace.leaves if (tensor := held_by(leaf)) is not None)
        trace.ran = replace(
            trace.ran,
            path=path,
            constants=tuple(follower.constants.found),
            unseen=tuple(write for write in follower.writes.found if write.past is not None),
            decides=follower.decided.by_values,
            ties=tuple(follower.decided.ties),
            altered=follower.observer.found,
        )
        return trace

    def _followed(self, follower: Follower, leaves: Mapping[str, Tensor], settings: Settings) -> tuple[str, Tensor]:
        """Run the code as it is followed; UnfollowedError where it runs, and that fails."""
        try:
            with follower.following():
                found = self.run(leaves, settings)
        except ExecutionError as error:
            if error.said is not None and self._runs(leaves, settings):
                raise UnfollowedError(ALONE.format(error.message), hint=IS_NO_FAULT) from error
            raise
        if follower.lost is not None:
            raise UnfollowedError(follower.lost, hint=IS_NO_FAULT)
        return found

    def _runs(self, leaves: Mapping[str, Tensor], settings: Settings) -> bool:
        """Return whether the code runs where nobody follows it, on copies of these leaves."""
        own = self.parameters
        copies = {n: t if n in own else t.detach().clone().requires_grad_(t.requires_grad) for n, t in leaves.items()}
        try:
            with torch.enable_grad():
                self.run(copies, settings)
        except GradcliError:
            return False
        return True

    def _begin(self, follower: Follower, tensor: Tensor, name: str, parameters: Container[str]) -> Followed:
        leaf = follower.steps.begin(tensor, name)
        leaf.real = tensor
        leaf.owner = name.rpartition(".")[0] if name in parameters else ""
        return leaf

    def _reduced(self, follower: Follower, settings: Settings, output: Followed) -> Followed:
        """Return the output reduced, as one more call of the code."""
        assert output.real is not None  # noqa: S101 (it was just set)
        name = output.name or output.text
        with follower.following():
            real = reduction_of(settings)(output.real)
        reduced = follower.steps.traced(real)
        reduced.real, reduced.writes = real, output.writes
        reduced.name = reduced.text = f"{settings.reduce}({name})"
        return reduced

    def with_call(self, call: Callable[..., Any]) -> CodeProgram:
        """Return the same program with another way to call its code."""
        return replace(self, target=replace(self.target, call=call))

    def pure(self, settings: Settings, trace: Trace, leaves: Sequence[TracedTensor]) -> Callable[..., Tensor]:
        """Return the output as a function of some leaves that the code is given."""
        return pure(self, settings, trace, leaves)

    def again(self, settings: Settings, trace: Trace) -> CodeAgain:
        """Return the code as a function of its leaves."""
        return CodeAgain.of(self, settings, trace)


@contextmanager
def _hinted(settings: Settings) -> Iterator[None]:
    """Say which precision the check computes in where PyTorch refuses two of them together."""
    try:
        yield
    except ExecutionError as error:
        if error.hint is None and any(words in error.message for words in TWO_PRECISIONS):
            error.hint = OF_THE_CHECK.format(settings.dtype)
        raise


def _give(pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Give parameters the values and the gradients of others."""
    with torch.no_grad():
        for own, other in pairs:
            own.grad = other.grad
            if not torch.equal(own, other):  # a write would be one to what the last run has saved
                own.data = other.detach().clone()
