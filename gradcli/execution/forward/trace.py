"""What happened when a program ran: its tensors, and the calls that made them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from gradcli.errors import NotSupportedError
from gradcli.execution.forward import tree
from gradcli.execution.forward.callables import target_of
from gradcli.execution.forward.dtypes import is_inexact
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.scopes import Differentiated
from gradcli.ops.record import Op


@dataclass(slots=True, eq=False)
class TracedTensor:
    """A tensor of the trace and what the program calls it."""

    tensor: Tensor
    name: str | None
    text: str
    """The source that made it."""
    is_leaf: bool = False
    edge: GradientEdge | None = field(default=None, kw_only=True)
    """Where autograd knows it, if not by the tensor: of code, and of views of what was changed in place since."""

    @property
    def is_inexact(self) -> bool:
        """Return whether it holds real or complex numbers."""
        return is_inexact(self.tensor)


@dataclass(frozen=True, slots=True)
class InnerGradient:
    """A gradient that the code itself asks for, to compute with it: Σ upstream · d output / d input, for each input."""

    outputs: tuple[TracedTensor, ...]
    inputs: tuple[TracedTensor, ...]
    upstream: tuple[TracedTensor | None, ...]
    """One an output; None stands for ones."""


@dataclass(frozen=True, slots=True)
class Autocast:
    """Under what `torch.autocast` a call ran: it converts operands, and so does the call when it runs again."""

    device: str
    dtype: torch.dtype

    @staticmethod
    def now(device: str) -> Autocast | None:
        """Return what is in force for a device; None if nothing is."""
        return Autocast(device, torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else None

    def again(self) -> AbstractContextManager[object]:
        """Return a context in which it is in force."""
        return torch.autocast(self.device, dtype=self.dtype, cache_enabled=False)  # other values are in the cache


@dataclass(frozen=True)
class TracedCall:
    """One call: the op, its arguments as traced values, and its results; without slots, to keep what is asked often."""

    op: Op
    arguments: BoundCall
    result: Any
    gap: str | None = None
    """Why it has no definition, and cannot be run again, where that is so."""
    draws: bool = False
    """Whether one without a definition draws random numbers: others at other values, of which it is no function."""
    inner: InnerGradient | None = None
    """What it differentiates, if it is a call of `torch.autograd.grad`: that defines it, and it has no op."""
    autocast: Autocast | None = None

    @cached_property
    def inputs(self) -> list[TracedTensor]:
        """Return the tensors among the arguments, each once."""
        return list(dict.fromkeys(traced_in([self.arguments.positional, self.arguments.keywords])))

    @cached_property
    def outputs(self) -> list[TracedTensor]:
        """Return the tensors that it made: those among the results that it was not given."""
        given = set(self.inputs)
        return [traced for traced in traced_in(self.result) if traced not in given]

    @cached_property
    def discontinuities(self) -> str | None:
        """Return the condition that holds where its results jump, if it has one and is known."""
        if self.gap is not None:
            return None
        if self.op.cuts is not None and any(traced.tensor.is_complex() for traced in self.inputs):
            return self.op.cuts
        return self.op.discontinuities

    def run(self, values: Mapping[TracedTensor, Tensor]) -> dict[TracedTensor, Tensor]:
        """Run the call again on other values of its inputs; return its results by the tensors that they stand for.

        Raises NotSupportedError for one without a definition: there is nothing to run; RuntimeError where PyTorch
        refuses the values, for which its functions in Python have a ValueError.
        """
        if self.gap is not None:
            raise NotSupportedError(self.gap)
        try:
            with nullcontext() if self.autocast is None else self.autocast.again():
                results = invocation(self.op, self.arguments, values.__getitem__)()
        except ValueError as error:
            raise RuntimeError(str(error)) from error
        return dict(zip(traced_in(self.result), tree.tensors(results), strict=True))


@dataclass(slots=True)
class Trace:
    """What happened when a program ran."""

    leaves: list[TracedTensor]
    calls: list[TracedCall] = field(default_factory=list)
    """In the order in which they ran."""
    output: Any = None
    """A traced tensor, unless the program's last statement is something else."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """Why a leaf had to be a constant, by the leaf's name."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """What the program's names stand for at its end: traced tensors, numbers, shapes."""
    differentiated: Differentiated | None = None
    """What the program itself differentiates, if it says so."""
    hidden: frozenset[TracedTensor] = frozenset()
    """What autograd knows nothing of: made inside of a Function, or of a write to memory."""
    ran: Any = None
    """How it ran, of code: a `Ran`."""
    precision: torch.dtype | None = None
    """The lowest dtype on the way, where it is lower than that of the leaves."""
    plan: Any = None
    """What it is a run of, where that is known: a `Plan`, which all runs on leaves of the same kind have in common."""

    @property
    def tensors(self) -> list[TracedTensor]:
        """Return leaves, then every tensor that a gradient passes through, in forward order."""
        made = [output for call in self.calls for output in call.outputs if output.tensor.requires_grad]
        return [traced for traced in (*self.leaves, *made) if traced not in self.hidden]

    @property
    def of_interest(self) -> list[TracedTensor]:
        """Return those of `tensors`, each once, that a reader asks about: not what only a condition has read."""
        behind = set(traced_in(self.output))
        for call in reversed(self.calls):
            behind.update(call.inputs if behind.intersection(call.outputs) else ())
        return [traced for traced in dict.fromkeys(self.tensors) if traced.is_leaf or traced.name or traced in behind]

    @property
    def numbers(self) -> dict[str, Any]:
        """Return the variables that hold no tensor, such as n after `n = X.shape[0]`."""
        return {name: value for name, value in self.variables.items() if not traced_in(value)}


def invocation(op: Op, call: BoundCall, value: Callable[[TracedTensor], Tensor]) -> partial[Any]:
    """Return what PyTorch runs for a call, ready to run: every traced tensor among the arguments has its value.

    Nothing else runs a recorded call, so that whatever replaces `target_of` here replaces PyTorch everywhere.
    """
    return of_tensors(op, call, replaced(call.positional, value), replaced(call.keywords, value))


def of_tensors(op: Op, call: BoundCall, positional: list[Any], keywords: dict[str, Any]) -> partial[Any]:
    """Return what PyTorch runs for a call, whose arguments have these tensors."""
    return partial(target_of(op, call), *positional, **keywords)


def traced_in(value: Any) -> list[TracedTensor]:
    """Return the traced tensors among nested arguments or results, in order."""
    return [leaf for leaf in tree.leaves(value) if isinstance(leaf, TracedTensor)]


def replaced(value: Any, change: Callable[[TracedTensor], Any]) -> Any:
    """Return nested arguments or results with every traced tensor changed."""
    return tree.map(lambda leaf: change(leaf) if isinstance(leaf, TracedTensor) else leaf, value)


def wrapped(values: Any, text: str) -> Any:
    """Return nested results with every tensor traced, under the text of what made them."""

    def traced(path: tree.Path, leaf: Any) -> Any:
        return TracedTensor(leaf, None, text + tree.subscripts(path)) if isinstance(leaf, Tensor) else leaf

    return tree.map_with_path(traced, values)
