"""A tensor of code that runs under autograd: its value, which nothing changes, and where autograd knows it."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from gradcli.execution.forward.kinds import dense_only
from gradcli.execution.forward.observed import Alteration
from gradcli.execution.forward.overwriting import Write
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.report.custom import SourcePlace


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What made tensors of the code: one call of the table, or the calls inside of a Function or of a write."""

    number: int
    """Steps are numbered in the order in which they ran."""
    calls: tuple[TracedCall, ...]
    inputs: tuple[Followed, ...]
    place: SourcePlace | None = None
    """The line of the user's code that ran it."""
    module: str = ""
    """The module in whose forward that is, by its path."""
    function: type | None = None
    """The autograd.Function, if it is one."""


@dataclass(frozen=True, slots=True)
class Constant:
    """What autograd takes for a constant, though it depends on what requires grad."""

    text: str
    """What happens, with braces where the place belongs."""
    place: SourcePlace | None

    def said(self) -> str:
        """Return what happens, and where."""
        return self.text.format("" if self.place is None else f" at {self.place.file}:{self.place.line}")


@dataclass(frozen=True, slots=True)
class Ran:
    """How code ran, beside its trace."""

    steps: tuple[Step, ...]
    path: str | None = None
    """Where the output is in what the code returned."""
    constants: tuple[Constant, ...] = ()
    """What the code computed with that autograd takes for constants."""
    unseen: tuple[Write, ...] = ()
    """What the code wrote to memory past autograd."""
    decides: bool = False
    """Whether the code decided by values of tensors."""
    ties: tuple[SourcePlace | None, ...] = ()
    """Where the code compared what requires grad with what it was equal to."""
    altered: list[Alteration] = field(default_factory=list)
    """What has changed gradients between the ops: it fills as backward runs."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Followed(TracedTensor):
    """A traced tensor of code: `tensor` shares memory with the code's own until that is written to."""

    step: Step | None = field(default=None, kw_only=True)
    """None for what the code was given."""
    version: int = field(default=0, kw_only=True)
    """How often the memory had been written to; to see whether it was written to unseen since."""
    owner: str = field(default="", kw_only=True)
    """The module whose parameter it is, by its path."""
    real: Tensor | None = field(default=None, kw_only=True)
    """The code's own tensor, of leaves and of the output: what `.grad` and `backward` belong to."""
    aside: GradientEdge | None = field(default=None, kw_only=True)
    """Where autograd knows it in a graph that was made to follow the code, and that the code's backward passes by."""
    is_ambiguous: bool = field(default=False, kw_only=True)
    """Whether how much of a gradient arrives here is a matter of how PyTorch computes what the step takes as one."""
    writes: tuple[Write, ...] = field(default=(), kw_only=True)
    """Of the output: what the code has written to memory."""


def source_of(traced: TracedTensor) -> str | None:
    """Return the line of the user's code that made a tensor, as `model.py:14`; None of what no code made."""
    step = traced.step if isinstance(traced, Followed) else None
    return None if step is None or step.place is None else f"{step.place.file}:{step.place.line}"


def module_of(traced: TracedTensor) -> str | None:
    """Return the path of the module whose parameter a tensor is, or in whose forward it was made; None of no module."""
    if not isinstance(traced, Followed):
        return None
    return (traced.owner if traced.step is None else traced.step.module) or None


def actual(traced: TracedTensor) -> Tensor:
    """Return the tensor that autograd knows."""
    if not isinstance(traced, Followed):
        return traced.tensor
    real = held_by(traced) if traced.real is None else traced.real
    return traced.tensor if real is None else real


def is_given(leaf: TracedTensor) -> bool:
    """Return whether code is called with a leaf, or it is a parameter of the module that is checked."""
    return not isinstance(leaf, Followed) or leaf.real is not None


def held_by(leaf: TracedTensor) -> Tensor | None:
    """Return the tensor of a leaf that the code was not given, as autograd knows it; None of all else."""
    edge = leaf.edge if isinstance(leaf, Followed) and leaf.real is None else None
    return None if edge is None else getattr(edge.node, "variable", None)


def steps_behind(output: Followed) -> list[Step]:
    """Return the steps that a value rests on, in the order in which they ran."""
    found, waiting = dict[Step, None](), [output]
    while waiting:
        step = waiting.pop().step
        if step is not None and step not in found:
            found[step] = None
            waiting += step.inputs
    return sorted(found, key=lambda step: step.number)


def edge_of(tensor: Tensor) -> GradientEdge:
    """Return where autograd knows a tensor that requires grad; of a subclass too, whose views have a node more.

    Raises UnfollowedError for a leaf that is no dense tensor: autograd's node of it cannot be had.
    """
    if tensor.is_leaf:
        dense_only(tensor)
    with torch._C.DisableTorchFunctionSubclass():  # noqa: SLF001 (there is no public way)
        return get_gradient_edge(tensor)


def edge_known(traced: TracedTensor) -> GradientEdge | None:
    """Return where autograd knows a traced tensor, be it in a graph that was made to follow the code."""
    return traced.edge or (traced.aside if isinstance(traced, Followed) else None)


def same_edge(one: GradientEdge | None, other: GradientEdge | None) -> bool:
    """Return whether two edges are one."""
    if one is None or other is None:
        return one is other
    return one.node is other.node and one.output_nr == other.output_nr
