"""Code run again at other values of its leaves, with all that it decides by values decided anew.

What a gradient takes for constant stays as it was: what is made without autograd, and what is detached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.overrides import TorchFunctionMode

from gradcli.errors import GradcliError
from gradcli.execution.code.compiled import as_written
from gradcli.execution.code.held import found_again, holding
from gradcli.execution.code.higher_order import HigherOrder, higher_order_seen
from gradcli.execution.code.inner import functions_seen
from gradcli.execution.code.retraced import checkpointed
from gradcli.execution.code.steady import near, rounding
from gradcli.execution.forward import tree
from gradcli.execution.forward.again import Key, Perturb, RefusedError
from gradcli.execution.forward.aliasing import storage_of
from gradcli.execution.forward.call_kinds import IDENTITIES
from gradcli.execution.forward.calls import NOWHERE, MadeCall
from gradcli.execution.forward.composites import is_python, unasked
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.followed import is_given
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.run import reduction_of
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.execution.forward.twins import changed, made_by, versions
from gradcli.execution.process import use_one_thread
from gradcli.settings import Settings

# Code on fewer entries than this runs faster on one thread, and much faster beside a busy core.
FEW_ENTRIES = 1 << 20
COMPOSITES = frozenset({"torch.functional", "torch.nn.functional"})
DETACHING = frozenset({"detach", "detach_"})


class Runnable(Protocol):
    """Code that can be run on leaves."""

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """Return a module's own leaves, which it holds itself."""

    def run(self, leaves: Mapping[str, Tensor], settings: Settings) -> tuple[str, Tensor]:
        """Return the output, and its path."""


class Replay(TorchFunctionMode):
    """Sees every call of the code; `kept` are the constants that it made when it ran at its own point."""

    def __init__(self, kept: list[list[Tensor]] | None = None, perturb: Perturb | None = None) -> None:
        super().__init__()
        self.made: list[list[Tensor]] = []
        self.decisions: list[Any] = []
        self.read: dict[int, Tensor] = {}
        """The leaves that calls read, by their identity."""
        self._kept = kept
        self._perturb = perturb
        self._depth = self._count = 0

    @contextmanager
    def seeing(self) -> Iterator[None]:
        """See what runs meanwhile."""
        with as_written(), functions_seen(self._function), higher_order_seen(self._higher_order), self:
            yield

    def _function(self, function: type, args: tuple[Any, ...], apply: Callable[..., Any]) -> Any:
        """Run a Function, whose forward is computed without autograd, and is no constant for it."""
        body = checkpointed(function, args)
        if body is not None:
            return body()
        self._see(tree.tensors(args))
        self._depth += 1
        try:
            return apply(*args)
        finally:
            self._depth -= 1

    def _higher_order(self, called: HigherOrder) -> Any:
        """Run what an operator computes that is given functions, each call of it seen."""
        if called.body is not None:
            return called.body()
        result = called.run()
        made = tree.tensors(result)
        if any(tensor.requires_grad for tensor in made):
            raise RefusedError(f"{called.name}() is given functions, and what it makes of them is not seen")
        return self._constant(result, made, [])

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call."""
        call = MadeCall(func, tuple(args), dict(kwargs or {}))
        if any(map(is_functorch_wrapped_tensor, call.tensors)):
            return self._transformed(call)
        if (
            is_python(call.func) and call.func.__module__ in COMPOSITES and not call.is_known
        ):  # which may make constants inside
            with unasked(call.func), self:
                return call.run()
        self._see(call.tensors)
        before = versions(call.tensors)
        result = call.run()
        made, written = made_by(call, result), changed(call.tensors, before)
        self._note(result, made)
        if not made and not written:
            return result
        is_constant = call.name in IDENTITIES or call.short in DETACHING or not torch.is_grad_enabled()
        if is_constant and self._depth == 0:
            return self._constant(result, made, written)
        return result if self._perturb is None or not made else self._moved(call, result)

    def _see(self, tensors: Sequence[Tensor]) -> None:
        self.read.update((id(tensor), tensor) for tensor in tensors if tensor.requires_grad and tensor.is_leaf)

    def _transformed(self, call: MadeCall) -> Any:
        """Run a call inside of a transform of torch.func, whose values mean nothing outside of it."""
        if call.name in IDENTITIES or call.short in DETACHING:
            raise RefusedError("a constant is made inside of a transform of torch.func, and is not known outside of it")
        return call.run()

    def _note(self, result: Any, made: list[Tensor]) -> None:
        """Note a decision: a truth value, an integer."""
        if isinstance(result, bool | int | float):
            self.decisions.append(result)
        self.decisions += [tensor.clone() for tensor in made if not (tensor.is_floating_point() or tensor.is_complex())]

    def _constant(self, result: Any, made: list[Tensor], written: list[Tensor]) -> Any:
        """Return constants as they were at the code's own point."""
        place = len(self.made)
        self.made.append([tensor.clone() for tensor in (*made, *written)])
        if self._kept is None:
            return result
        kept = self._kept[place] if place < len(self._kept) else []
        if [tensor.shape for tensor in kept] != [tensor.shape for tensor in self.made[-1]]:
            raise RefusedError("the code makes other constants here")
        with torch.no_grad():
            for tensor, old in zip(written, kept[len(made) :], strict=True):
                tensor.copy_(old)
        values = {id(tensor): old.clone() for tensor, old in zip(made, kept, strict=False)}
        return tree.map(lambda leaf: values.get(id(leaf), leaf), result)

    def _moved(self, call: MadeCall, result: Any) -> Any:
        """Return a result with its numbers perturbed; a view rounds nothing, and is written through."""
        perturb, self._count = self._perturb, self._count + 1
        assert perturb is not None  # noqa: S101 (asked before)
        key, held = (call.short, NOWHERE, self._count), set(map(storage_of, call.tensors))

        def moved(leaf: Any) -> Any:
            return perturb(key, leaf) if isinstance(leaf, Tensor) and storage_of(leaf) not in held else leaf

        return tree.map(moved, result)


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
